#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "flowtable/flow_table.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/packet/segment.h"
#include "pipeline/tcp/event.h"
#include "pipeline/tcp/evidence_policy.h"
#include "pipeline/tcp/flow_record.h"
#include "pipeline/tcp/frames.h"
#include "pipeline/tcp/in_order.h"
#include "pipeline/tcp/irregularities.h"
#include "pipeline/tcp/orientation.h"
#include "pipeline/tcp/patience.h"
#include "pipeline/tcp/tracker_options.h"

/// The TCP tracker: segments go in, connections come out.
namespace doorslam::tcp {

/// worker-bound; another thread reads a copy. Of 64-bit words only (add_words()).
struct TrackerCounters {
  std::uint64_t segments = 0;                                 ///< all that came in
  std::uint64_t duplicates = 0;                               ///< of them: mirror duplicates, dropped
  std::uint64_t bad_checksums = 0;                            ///< of them: noted in the history, otherwise ignored
  std::uint64_t connections = 0;                              ///< begun
  std::array<std::uint64_t, kEndReasonNames.size()> ended{};  ///< by EndReason
  std::uint64_t histories_full = 0;                           ///< connections whose history string may lack letters
  std::uint64_t icmp_joined = 0;                              ///< ICMP errors about a connection that is tracked
  std::uint64_t icmp_unmatched = 0;                           ///< about none
  std::uint64_t icmp_out_of_window = 0;  ///< about one that has not sent what they quote (RFC 5927, 4.1); not believed
  EvidenceCounters evidence;
};

/// Follows all connections of one worker. worker-bound.
///
/// Packet time is the only clock, and the packets of one connection must come in order of time. The same packets give
/// the same events however connections are spread over trackers and packets over bursts (as long as no table or pool
/// runs full): deadlines are rounded up to ticks counted from the epoch; a connection whose deadline has passed is
/// over even if nobody has called advance(); and an event decided by a timer carries the deadline as its time.
///
/// After process() of a burst and advance(T), T being the time of its last packet, every event before T has been
/// given out; later ones are of packets at T or after, or of deadlines after T. With TrackerOptions::expiry_step the
/// same holds of covered(T) instead.
///
/// A segment takes the first of three ways that will have it. They give the same result, and the two short ones
/// (TrackerOptions::short_paths) refuse before they change anything:
///  - in mid-flow: the next in order of a healthy open connection (FlowFlag::quick; advance_quickly() and
///    note_ordinary()). Of a settled one (FlowRecord::is_settled()) nothing but its record is touched, except by
///    the first segment to leave its letter in the history;
///  - in order: the next of a connection that opens or closes as it should (FlowFlag::orderly; in_order.h);
///  - with care: everything else, through all stages (advance_with_care(), advance_segment()).
///
/// No call allocates, but for the growth of the batch, or throws, but the constructor, make_room() and finish().
class Tracker {
 public:
  /// Throws std::bad_alloc.
  explicit Tracker(const TrackerOptions& options);

  /// Makes room for so many connections more than are open, within the capacities of the options, where the tables
  /// began with less. Cold path: allocates, throws std::bad_alloc.
  void make_room(std::size_t connections);

  /// Advances the connections of a burst, in order. Segments and ICMP errors are to be given in packet order.
  void process(std::span<const packet::Segment> burst, EventBatch& out) noexcept;
  void process(const packet::IcmpError& error, EventBatch& out) noexcept { process(error, FrameView{}, out); }

  /// Whether frames are wanted: the following are for those who have them.
  bool keeps_frames() const noexcept { return frames_ != nullptr; }
  /// As above, with the frame of each segment.
  void process(std::span<const packet::Segment> burst, std::span<const FrameView> frames, EventBatch& out) noexcept;
  void process(const packet::IcmpError& error, const FrameView& frame, EventBatch& out) noexcept;

  /// Ends what has been silent for too long at `now`, or some of it (TrackerOptions::expiry_step). Time never goes
  /// back; an earlier `now` does nothing.
  void advance(flowtable::TimeNs now, EventBatch& out) noexcept;

  /// After advance(now): up to when all events have been given out. Earlier than `now` while there is more to end.
  flowtable::TimeNs covered(flowtable::TimeNs now) const noexcept {
    return std::min(covered(flows4_, now), covered(flows6_, now));
  }

  /// The source has ended: first all that is due at `end_ns` (the time of its last packet, of all workers) ends as in
  /// advance(), then every open connection, in order of id. Gives at most about `limit` of these events a call and
  /// returns true when there are more to come. No other call may follow. Cold path: allocates.
  bool finish(flowtable::TimeNs end_ns, std::size_t limit, EventBatch& out);

  /// As above, all in one call.
  void finish(flowtable::TimeNs end_ns, EventBatch& out) {
    finish(end_ns, std::numeric_limits<std::size_t>::max(), out);
  }

  const TrackerCounters& counters() const noexcept { return counters_; }
  std::size_t open_connections() const noexcept { return flows4_.size() + flows6_.size(); }
  std::size_t irregular_connections() const noexcept { return irregularities_.used(); }
  std::size_t evidence_in_use() const noexcept { return evidence_.used(); }

 private:
  template <class Key>
  using Table = flowtable::FlowTable<Key, FlowRecord>;

  /// A segment, and where its connection stands in the table if it is there.
  template <class Key>
  struct Lookup {
    Key key;
    const packet::Segment* segment;
    typename Table<Key>::Place place;
    typename Table<Key>::Glimpse glimpse;  ///< of FlowTable::prefetch_slot()
    bool source_is_lo;
  };
  template <class Key>
  union LookupMemory;
  template <class Key>
  union EvictedMemory;
  static constexpr std::size_t kBurst = packet::kBurst;
  static constexpr std::size_t kMostStep = 256;  ///< connections whose deadlines have come, dealt with at a time
  struct OpenFlow {
    std::uint64_t id;
    std::uint32_t index;
    flowtable::IpVersion version;
  };

  template <class Key>
  void make_room(Table<Key>& table, std::size_t& most, std::size_t connections);
  void process_part(std::span<const packet::Segment> part, EventBatch& out) noexcept;
  template <class Key>
  void look_up(const Table<Key>& table, const packet::Segment& segment, Lookup<Key>& lookup) const noexcept;
  template <class Key>
  void process_lookups(Table<Key>& table, std::span<LookupMemory<Key>> lookups, EventBatch& out) noexcept;
  template <class Key>
  bool prefetch_details(const Lookup<Key>& lookup) const noexcept;
  template <class Key>
  void prefetch_evidence(const Lookup<Key>& lookup) const noexcept;
  void prefetch_evidence(const FlowRecord& flow) const noexcept;

  template <class Key>
  void advance_flow(Table<Key>& table, const Lookup<Key>& lookup, EventBatch& out) noexcept;
  template <class Key>
  bool advance_in_order(Table<Key>& table, typename Table<Key>::Slot& slot, Side side, const packet::Segment& segment,
                        EventBatch& out) noexcept;
  void record_if_due(FlowRecord& flow, Side side, const packet::Segment& segment, InOrder step) noexcept;
  template <class Key>
  void advance_with_care(Table<Key>& table, const Lookup<Key>& lookup, typename Table<Key>::Slot& slot, Side side,
                         EventBatch& out) noexcept;
  template <class Key>
  void begin_and_advance(Table<Key>& table, const Lookup<Key>& lookup, EventBatch& out) noexcept;
  bool advance_quickly(FlowRecord& flow, Side side, const packet::Segment& segment) noexcept;
  void note_ordinary(FlowRecord& flow, Side side, const packet::Segment& segment, SideFlag letter) noexcept;
  template <class Key>
  typename Table<Key>::Slot& begin(Table<Key>& table, const Lookup<Key>& lookup, EventBatch& out) noexcept;
  template <class Key>
  void advance_segment(Table<Key>& table, typename Table<Key>::Slot& slot, Side side, const packet::Segment& segment,
                       std::uint16_t hash, EventBatch& out) noexcept;
  template <class Key>
  void note_opened(Table<Key>& table, typename Table<Key>::Slot& slot, const packet::Segment& segment,
                   EventBatch& out) noexcept;
  void note_bad_checksum(FlowRecord& flow, Side side, const packet::Segment& segment) noexcept;
  template <class Key>
  void note_transition(Table<Key>& table, typename Table<Key>::Slot& slot, const SegmentContext& context,
                       EventBatch& out) noexcept;
  template <class Key>
  void join_icmp(Table<Key>& table, const packet::IcmpError& error, const FrameView& frame, EventBatch& out) noexcept;
  void keep_frame(const Evidence& evidence, std::uint32_t index, const packet::Segment& segment) noexcept;
  void keep_icmp_frame(std::uint32_t index, const FrameView& frame) noexcept;
  void pack_frames(const Evidence& evidence, std::uint32_t index, EventBatch& out) noexcept;

  template <class Key>
  void prefetch_due(const Table<Key>& table, std::span<const std::uint32_t> slots) const noexcept;
  template <class Key>
  void prefetch_upcoming(const Table<Key>& table, std::size_t step) const noexcept;
  template <class Key>
  static flowtable::TimeNs covered(const Table<Key>& table, flowtable::TimeNs now) noexcept {
    return table.deadlines().under_way() ? std::min(now, table.deadlines().through()) : now;
  }
  template <class Key>
  void expire(Table<Key>& table, flowtable::TimeNs now, EventBatch& out) noexcept;
  template <class Key>
  void expire_step(Table<Key>& table, flowtable::TimeNs now, std::size_t& step, EventBatch& out) noexcept;
  template <class Key>
  void expire_slots(Table<Key>& table, std::span<const std::uint32_t> slots, flowtable::TimeNs now,
                    EventBatch& out) noexcept;
  template <class Key>
  void end(Table<Key>& table, typename Table<Key>::Slot& slot, EndReason reason, flowtable::TimeNs time_ns,
           std::uint64_t number, EventBatch& out) noexcept;
  template <class Slot>
  void give_out(Slot& slot, EndReason reason, flowtable::TimeNs time_ns, std::uint64_t number,
                EventBatch& out) noexcept;
  template <class Key>
  void collect_open(Table<Key>& table);

  /// False: certainly not, without a look at the details.
  bool may_be_over(const FlowRecord& flow, flowtable::TimeNs now) const noexcept {
    return flow.has(FlowFlag::closing) || now - flow.last_seen() >= least_patience_ns_;
  }
  flowtable::TimeNs deadline_of(const FlowRecord& flow) const noexcept {
    return tcp::deadline_of(flow, details_[flow.details], timeouts_);
  }
  FlowDetails& details_of(const FlowRecord& flow) noexcept { return details_[flow.details]; }

  Timeouts timeouts_;
  flowtable::DurationNs least_patience_ns_;
  flowtable::DurationNs duplicate_window_ns_;
  std::size_t least_step_;  ///< of connections dealt with by advance(); 0: all
  std::size_t step4_;
  std::size_t step6_;
  bool vlan_aware_;
  bool short_paths_;
  ServerPorts server_ports_;
  flowtable::Pages pages_;
  std::size_t capacity_flows4_;  ///< what the table may grow to
  std::size_t capacity_flows6_;
  Table<flowtable::FlowKey4> flows4_;
  Table<flowtable::FlowKey6> flows6_;
  BoundedPool<FlowDetails> details_;
  IrregularityPool irregularities_;
  EvidencePool evidence_;
  std::unique_ptr<FramePool> frames_;                ///< null: frames are not kept
  const packet::Segment* burst_segments_ = nullptr;  ///< of the burst at hand; null: its frames are not known
  const FrameView* burst_frames_ = nullptr;
  TrackerCounters counters_;

  bool finishing_ = false;
  std::vector<OpenFlow> left_open_;  ///< in finish(): what remains to be given out, in order of id
  std::size_t given_out_ = 0;
};

}  // namespace doorslam::tcp
