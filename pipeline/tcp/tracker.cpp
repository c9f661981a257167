#include "pipeline/tcp/tracker.h"

#include <algorithm>
#include <cstddef>
#include <memory>

#include "flowtable/prefetch.h"
#include "pipeline/tcp/duplicates.h"
#include "pipeline/tcp/evidence_prefetch.h"
#include "pipeline/tcp/handshake.h"
#include "pipeline/tcp/in_order.h"
#include "pipeline/tcp/letters.h"
#include "pipeline/tcp/outcome.h"
#include "pipeline/tcp/recorder.h"
#include "pipeline/tcp/resets.h"
#include "pipeline/tcp/sequence.h"

namespace doorslam::tcp {

using flowtable::DurationNs;
using flowtable::FlowKey4;
using flowtable::FlowKey6;
using flowtable::IpVersion;
using flowtable::TimeNs;
using packet::Segment;

namespace {

void count_packet(SegmentContext& context) noexcept {
  if (++context.flow.packets[index_of(context.side)] == 0) {
    count_up(context.make_irregular(context.side).packet_carries);
  }
}

}  // namespace

Tracker::Tracker(const TrackerOptions& options)
    : timeouts_(options.timeouts),
      least_patience_ns_(
          std::min({timeouts_.embryonic_ns, timeouts_.half_open_ns, timeouts_.established_ns, timeouts_.linger_ns})),
      duplicate_window_ns_(options.duplicate_window_ns),
      least_step_(std::min(options.expiry_step, kMostStep)),
      step4_(least_step_),
      step6_(least_step_),
      vlan_aware_(options.vlan_aware),
      short_paths_(options.short_paths),
      server_ports_(options.server_ports),
      pages_(options.pages),
      capacity_flows4_(Table<FlowKey4>::rounded_capacity(options.capacity_flows)),
      capacity_flows6_(Table<FlowKey6>::rounded_capacity(options.capacity_flows6)),
      flows4_(std::min(capacity_flows4_, options.initial_flows), options.hash_key, options.pages),
      flows6_(std::min(capacity_flows6_, options.initial_flows), options.hash_key, options.pages),
      details_(static_cast<std::uint32_t>(capacity_flows4_ + capacity_flows6_)),
      irregularities_(details_.capacity()),
      evidence_(options.evidence_capacity),
      frames_(options.frame_octets == 0
                  ? nullptr
                  : std::make_unique<FramePool>(options.evidence_capacity, options.frame_octets)) {}

template <class Key>
void Tracker::make_room(Table<Key>& table, std::size_t& most, std::size_t connections) {
  // Beyond three quarters, full buckets would begin to evict.
  const auto has_room = [&] { return table.size() + connections <= table.capacity() - table.capacity() / 4; };
  while (table.capacity() < most && !has_room()) {
    if (!table.grow(std::min(2 * table.capacity(), most), pages_)) most = table.capacity();
  }
}

void Tracker::make_room(std::size_t connections) {
  make_room(flows4_, capacity_flows4_, connections);
  make_room(flows6_, capacity_flows6_, connections);
}

/// Not initialised, as each burst would pay for it.
template <class Key>
union Tracker::LookupMemory {
  LookupMemory() noexcept {}
  Lookup<Key> value;
};

/// Whoever makes way for a connection. Not initialised, as each connection would pay for it.
template <class Key>
union Tracker::EvictedMemory {
  EvictedMemory() noexcept {}
  typename Table<Key>::Slot slot;
};

void Tracker::process(std::span<const Segment> burst, EventBatch& out) noexcept {
  if (burst.empty()) return;  // it has no time
  for (; burst.size() > kBurst; burst = burst.subspan(kBurst)) process_part(burst.first(kBurst), out);
  process_part(burst, out);
}

void Tracker::process(std::span<const Segment> burst, std::span<const FrameView> frames, EventBatch& out) noexcept {
  burst_segments_ = burst.data();
  burst_frames_ = frames.data();
  process(burst, out);
  burst_segments_ = nullptr;
}

void Tracker::process_part(std::span<const Segment> part, EventBatch& out) noexcept {
  std::array<LookupMemory<FlowKey4>, kBurst> lookups4;
  std::array<LookupMemory<FlowKey6>, kBurst> lookups6;
  auto* end4 = lookups4.data();
  auto* end6 = lookups6.data();
  counters_.segments += part.size();
  // Packets of several queues may stand in a burst slightly out of order; each is to find its connection as it was.
  TimeNs earliest = std::numeric_limits<TimeNs>::max();
  for (const Segment& segment : part) {
    earliest = std::min(earliest, segment.time_ns);
    segment.source.address.version == IpVersion::v4 ? look_up(flows4_, segment, (end4++)->value)
                                                    : look_up(flows6_, segment, (end6++)->value);
  }
  advance(earliest, out);
  process_lookups(flows4_, std::span(lookups4.data(), end4), out);
  process_lookups(flows6_, std::span(lookups6.data(), end6), out);
}

template <class Key>
inline void Tracker::look_up(const Table<Key>& table, const Segment& segment, Lookup<Key>& lookup) const noexcept {
  const std::uint16_t vlan = vlan_aware_ ? segment.vlan : std::uint16_t{0};
  const auto [key, source_is_lo] = flowtable::make_key<Key>(segment.source, segment.destination, vlan);
  const auto place = table.place_of(key);
  table.prefetch(place);
  std::construct_at(&lookup, Lookup<Key>{key, &segment, place, {}, source_is_lo});
}

// All stages but the last bring cache lines near, so that their misses overlap; the last does the work.
template <class Key>
inline void Tracker::process_lookups(Table<Key>& table, std::span<LookupMemory<Key>> lookups,
                                     EventBatch& out) noexcept {
  for (auto& lookup : lookups) lookup.value.glimpse = table.prefetch_slot(lookup.value.place);
  std::array<const Lookup<Key>*, kBurst> recorded;
  auto* end_recorded = recorded.data();
  for (const auto& lookup : lookups) {
    if (prefetch_details(lookup.value)) *end_recorded++ = &lookup.value;
  }
  for (const auto* lookup : std::span(recorded.data(), end_recorded)) prefetch_evidence(*lookup);
  for (const auto& lookup : lookups) advance_flow(table, lookup.value, out);
}

/// True: the segment will be recorded, or the Evidence of the connection that makes way for it be copied.
template <class Key>
inline bool Tracker::prefetch_details(const Lookup<Key>& lookup) const noexcept {
  if (!lookup.glimpse.occupied()) return false;
  const FlowRecord& flow = lookup.glimpse.slot->state;
  using namespace packet::tcp_flag;
  const bool in_stream = (lookup.segment->flags & (kSyn | kFin | kRst)) == 0;
  if (in_stream && flow.is_settled()) [[likely]]
    return false;
  flowtable::prefetch_line(details_.place_of(flow.details));  // also of one that a full table will give up
  return flow.has(FlowFlag::recording);
}

template <class Key>
inline void Tracker::prefetch_evidence(const Lookup<Key>& lookup) const noexcept {
  const auto& slot = *lookup.glimpse.slot;
  const FlowRecord& flow = slot.state;
  const Evidence& evidence = evidence_[details_[flow.details].evidence];
  if (!(slot.key == lookup.key)) return prefetch_facts(evidence);
  const SideEvidence& own = evidence.of(side_of(flow, lookup.source_is_lo));
  flowtable::prefetch_line(&evidence);
  flowtable::prefetch_line(&own.last_ns);
  if (lookup.segment->has(packet::tcp_flag::kFin)) flowtable::prefetch_line(&own.fin_ns);
  flowtable::prefetch_line(&evidence.place_of(std::uint32_t{flow.packets[0]} + flow.packets[1]));
}

/// A connection's next segment, by the shortest path that will do.
template <class Key>
inline void Tracker::advance_flow(Table<Key>& table, const Lookup<Key>& lookup, EventBatch& out) noexcept {
  auto* const slot = table.find(lookup.key, lookup.place, lookup.glimpse);
  if (slot == nullptr) [[unlikely]]
    return begin_and_advance(table, lookup, out);
  const Segment& segment = *lookup.segment;
  const Side side = side_of(slot->state, lookup.source_is_lo);
  if (advance_quickly(slot->state, side, segment)) [[likely]]
    return;
  if (slot->state.has(FlowFlag::orderly) && advance_in_order(table, *slot, side, segment, out)) return;
  advance_with_care(table, lookup, *slot, side, out);
}

/// First of all: does the segment belong to this connection, and is it no copy of one before it?
template <class Key>
[[gnu::noinline]] void Tracker::advance_with_care(Table<Key>& table, const Lookup<Key>& lookup,
                                                  typename Table<Key>::Slot& slot, Side side,
                                                  EventBatch& out) noexcept {
  const Segment& segment = *lookup.segment;
  FlowRecord& flow = slot.state;
  const std::uint16_t hash = segment_hash(segment);
  if (may_be_over(flow, segment.time_ns) && segment.time_ns >= deadline_of(flow)) {
    end(table, slot, reason_when_due(flow), deadline_of(flow), details_of(flow).id, out);
    return begin_and_advance(table, lookup, out);
  }
  if (is_mirror_duplicate(flow, segment, hash, side, duplicate_window_ns_)) {
    count_up(details_of(flow).duplicates);
    ++counters_.duplicates;
    return;
  }
  if (!segment.checksum_bad) {
    FlowDetails& details = details_of(flow);
    Evidence* const evidence = flow.has(FlowFlag::evidence) ? &evidence_[details.evidence] : nullptr;
    take_back_reset(flow, details, side, segment, evidence);
    if (is_tuple_reuse(flow, details, segment, side)) {
      end(table, slot, EndReason::reused, segment.time_ns, segment.number, out);
      return begin_and_advance(table, lookup, out);
    }
  }
  advance_segment(table, slot, side, segment, hash, out);
}

inline void Tracker::record_if_due(FlowRecord& flow, Side side, const Segment& segment, InOrder step) noexcept {
  FlowDetails& details = details_of(flow);
  Evidence* const evidence = provide_evidence_in_order(flow, details, irregularities_, evidence_, counters_.evidence);
  if (evidence == nullptr) return;
  record_in_order(*evidence, details, side, segment, step == InOrder::opens);
  if (frames_ != nullptr) [[unlikely]]
    keep_frame(*evidence, details.evidence, segment);
}

template <class Key>
[[gnu::noinline]] void Tracker::begin_and_advance(Table<Key>& table, const Lookup<Key>& lookup,
                                                  EventBatch& out) noexcept {
  const Segment& segment = *lookup.segment;
  auto& slot = begin(table, lookup, out);
  FlowRecord& flow = slot.state;
  if (!short_paths_ || !is_plain_syn(segment)) {
    return advance_segment(table, slot, side_of(flow, lookup.source_is_lo), segment, segment_hash(segment), out);
  }
  begin_in_order(flow, details_of(flow), segment);
  record_if_due(flow, Side::originator, segment, InOrder::yes);
}

/// The next in order of an ordinary connection, outside mid-flow. False: nothing has changed.
template <class Key>
[[gnu::noinline]] bool Tracker::advance_in_order(Table<Key>& table, typename Table<Key>::Slot& slot, Side side,
                                                 const Segment& segment, EventBatch& out) noexcept {
  FlowRecord& flow = slot.state;
  FlowDetails& details = details_of(flow);
  if (segment.window == 0 || segment.checksum_bad) return false;
  if (may_be_over(flow, segment.time_ns) && segment.time_ns >= deadline_of(flow)) return false;
  const InOrder step = flow.endpoints_are(EndpointState::syn_sent, EndpointState::inactive)
                           ? answer_in_order(flow, details, side, segment)
                           : continue_in_order(flow, details, side, segment);
  if (step == InOrder::no) return false;
  record_if_due(flow, side, segment, step);
  if (step == InOrder::closes) {
    begin_linger(flow, details, segment.time_ns, timeouts_);
    table.reclassify(slot);
    table.schedule(table.index_of(slot), deadline_of(flow));
  } else if (step == InOrder::opens) {
    note_opened(table, slot, segment, out);
  }
  if ((segment.payload_length != 0 || step == InOrder::opens) && !flow.has(FlowFlag::served) &&
      !flow.has(FlowFlag::closing)) {
    reclaim_evidence_in_order(flow, details, side, segment, evidence_, counters_.evidence);
  }
  if (step == InOrder::opens) flow.put(FlowFlag::quick, is_in_mid_flow(flow));
  return true;
}

/// The next segment in order, of a healthy connection in mid-flow. Once it is plainly served, nothing but its own cache
/// line is touched.
inline bool Tracker::advance_quickly(FlowRecord& flow, Side side, const Segment& segment) noexcept {
  using namespace packet::tcp_flag;
  const std::size_t own = index_of(side);
  const std::size_t peer = own ^ 1U;
  const std::uint32_t acked = flow.acked[peer];
  const std::uint32_t ack = segment.ack;
  // Where a number wraps, the details keep count.
  const bool ordinary = flow.has(FlowFlag::quick) && (segment.flags & (kSyn | kFin | kRst | kAck)) == kAck &&
                        !segment.checksum_bad && segment.window != 0 && segment.seq == flow.next_seq[own] &&
                        ack >= acked && ack <= flow.next_seq[peer] && flow.packets[own] != 0xffff &&
                        segment.time_ns - flow.last_seen() < timeouts_.established_ns;
  if (!ordinary) [[unlikely]]
    return false;
  const std::uint32_t length = segment.payload_length;
  if ((length | (ack ^ acked)) == 0) [[unlikely]]  // a duplicate, or a window update
    return false;
  std::uint32_t next = 0;
  if (__builtin_add_overflow(segment.seq, length, &next)) [[unlikely]]
    return false;
  ++flow.packets[own];
  flow.next_seq[own] = next;
  flow.acked[peer] = ack;
  flow.set_last_seen(segment.time_ns);
  remember_segment(flow, segment_hash(segment));
  SideFlag letter = SideFlag::letter_ack;
  if (length != 0) {
    letter = SideFlag::letter_data;
    flow.note_payload(side);
  }
  if (!flow.is_settled(letter, side)) [[unlikely]]
    note_ordinary(flow, side, segment, letter);
  return true;
}

/// What the short path owes to a connection that is not plainly served yet.
void Tracker::note_ordinary(FlowRecord& flow, Side side, const Segment& segment, SideFlag letter) noexcept {
  FlowDetails& details = details_of(flow);
  const bool has_payload = segment.payload_length != 0;
  if (!flow.has(letter, side)) {
    flow.set(letter, side);
    details.history.append(has_payload ? HistoryLetter::data : HistoryLetter::ack, side);
  }
  if (flow.has(FlowFlag::recording)) {
    record_ordinary(evidence_[details.evidence], details, side, segment);
    if (frames_ != nullptr) [[unlikely]]
      keep_frame(evidence_[details.evidence], details.evidence, segment);
  }
  if (has_payload && !flow.has(FlowFlag::served)) {
    reclaim_evidence_if_served(flow, details, evidence_, counters_.evidence);
  }
}

template <class Key>
[[gnu::always_inline]] inline typename Tracker::Table<Key>::Slot& Tracker::begin(Table<Key>& table,
                                                                                 const Lookup<Key>& lookup,
                                                                                 EventBatch& out) noexcept {
  const Segment& segment = *lookup.segment;
  EvictedMemory<Key> memory;
  auto& evicted = memory.slot;
  const auto [slot, inserted] = table.insert(lookup.key, lookup.place, lookup.glimpse, evicted);
  FlowRecord& flow = slot->state;
  if (inserted == flowtable::Inserted::fresh) {
    flow.details = details_.acquire();  // as many as there are slots, so there is always one
  } else {
    // In steps (TrackerOptions::expiry_step), whom it hits may be over and only not yet dealt with.
    const FlowRecord& lost = evicted.state;
    if (least_step_ != 0 && may_be_over(lost, segment.time_ns) && segment.time_ns >= deadline_of(lost)) {
      give_out(evicted, reason_when_due(lost), deadline_of(lost), details_of(lost).id, out);
    } else {
      give_out(evicted, EndReason::evicted, segment.time_ns, segment.number, out);
    }
    flow.details = lost.details;
    details_.renew(flow.details);
  }
  FlowDetails& details = details_of(flow);
  details.start_ns = segment.time_ns;
  details.id = segment.number;
  details.vlan = segment.vlan & 0xfffU;
  flow.set_last_seen(segment.time_ns);
  if (segment.tunneled) flow.set(FlowFlag::tunneled);

  const Orientation orientation = orient(segment, server_ports_);
  if (orientation.source_is_originator == lookup.source_is_lo) flow.set(FlowFlag::originator_is_lo);
  if (orientation.turned) details.history.append(HistoryLetter::turned, Side::originator);
  if (orientation.guessed) flow.set(FlowFlag::guessed);
  if (!segment.has(packet::tcp_flag::kSyn) || segment.has(packet::tcp_flag::kAck)) flow.set(FlowFlag::mid_stream);
  ++counters_.connections;
  table.schedule(table.index_of(*slot), round_up_to_tick(segment.time_ns + timeouts_.embryonic_ns));
  return *slot;
}

/// All stages, for everything that the short paths do not take.
template <class Key>
void Tracker::advance_segment(Table<Key>& table, typename Table<Key>::Slot& slot, Side side, const Segment& segment,
                              std::uint16_t hash, EventBatch& out) noexcept {
  FlowRecord& flow = slot.state;
  if (segment.checksum_bad) {
    note_bad_checksum(flow, side, segment);
    return remember_segment(flow, hash);
  }
  SegmentContext context{segment, side, flow, details_of(flow), irregularities_};
  context.flags = flag_class_of(segment.flags, segment.payload_length);
  const DurationNs patience = patience_with(flow, timeouts_);  // the table looks at the connection then, or sooner

  write_letters(context);
  begin_side(context);
  watch_window(context);
  follow_handshake(context);
  take_acknowledgement(context);
  advance_sequence(context);
  context.doubtful_reset = is_doubtful_reset(context);
  EndpointStates states = flow.states();
  step(states, side, context.flags);
  flow.set_states(states);
  find_gap(context);
  if (side == Side::responder) flow.clear(FlowFlag::unreachable);

  count_packet(context);
  const bool new_payload =
      segment.payload_length != 0 && !segment.has(packet::tcp_flag::kRst) && (context.advances || context.fills_hole);
  if (new_payload) flow.note_payload(side);
  context.previous_ns = flow.last_seen();
  flow.set_last_seen(segment.time_ns);
  remember_segment(flow, hash);

  provide_evidence(context, evidence_, counters_.evidence);
  if (context.evidence != nullptr) {
    record_segment(context);
    if (frames_ != nullptr) [[unlikely]]
      keep_frame(*context.evidence, context.details.evidence, segment);
  }
  note_transition(table, slot, context, out);
  if (patience_with(flow, timeouts_) < patience) table.schedule(table.index_of(slot), deadline_of(flow));
  reclaim_evidence(context, evidence_, counters_.evidence);

  flow.put(FlowFlag::quick, short_paths_ && is_in_mid_flow(flow));
  flow.put(FlowFlag::orderly, short_paths_ && is_orderly(flow));
}

/// What the table and the analysis must hear of: the connection opened, or began to close.
template <class Key>
void Tracker::note_transition(Table<Key>& table, typename Table<Key>::Slot& slot, const SegmentContext& context,
                              EventBatch& out) noexcept {
  FlowRecord& flow = slot.state;
  const Segment& segment = context.segment;
  if (!flow.has(FlowFlag::closing) && is_close_complete(states_beyond_doubt(context))) {
    begin_linger(flow, context.details, segment.time_ns, timeouts_);
    table.reclassify(slot);
  }
  if (context.opened) note_opened(table, slot, segment, out);
}

template <class Key>
void Tracker::note_opened(Table<Key>& table, typename Table<Key>::Slot& slot, const Segment& segment,
                          EventBatch& out) noexcept {
  table.reclassify(slot);
  // Its patience has grown: filed under the old deadline it would only come out to be filed again.
  table.schedule(table.index_of(slot), deadline_of(slot.state));
  ConnectionEvent& event = out.events.emplace_back();
  event.time_ns = segment.time_ns;
  event.number = segment.number;
  event.kind = EventKind::established;
  write_ends(slot, event.summary);
  summarize_beginning(slot.state, details_of(slot.state), event.summary);
  if (!slot.state.has(FlowFlag::evidence)) return;
  const Evidence& evidence = evidence_[details_[slot.state.details].evidence];
  if (evidence.syn_ack_ns == flowtable::kNoTime) return;
  const Fingerprint& answer = evidence.of(Side::responder).first;
  event.summary.answered_by = {answer.ttl, answer.options, answer.window, answer.dont_fragment, answer.ip_id == 0};
  if (evidence.syn_acks == 1 && segment.source == event.summary.originator) {
    event.summary.answered_at_clock = segment.options.timestamp_echo;
  }
}

void Tracker::note_bad_checksum(FlowRecord& flow, Side side, const Segment& segment) noexcept {
  ++counters_.bad_checksums;
  FlowDetails& details = details_of(flow);
  SideIrregularities& own = irregularities_.make(details).of(side);
  own.bad_checksums = one_more<7>(own.bad_checksums) & 127U;
  if (is_history_milestone(own.bad_checksums)) details.history.append(HistoryLetter::bad_checksum, side);
  flow.set_last_seen(segment.time_ns);
  if (!flow.has(FlowFlag::evidence)) return;
  SegmentContext context{segment, side, flow, details, irregularities_, &evidence_[details.evidence]};
  if (!flow.has(FlowFlag::recording)) count_unrecorded(context);
  record_bad_checksum(context);
  if (frames_ != nullptr) [[unlikely]]
    keep_frame(*context.evidence, details.evidence, segment);
}

/// Beside the rung that has just been recorded.
[[gnu::noinline]] void Tracker::keep_frame(const Evidence& evidence, std::uint32_t index,
                                           const Segment& segment) noexcept {
  const FrameView frame = burst_segments_ == nullptr ? FrameView{} : burst_frames_[&segment - burst_segments_];
  frames_->keep(index, evidence.rung_count - 1, frame);
  counters_.evidence.frameless += frame.captured.empty() ? 1 : 0;
}

}  // namespace doorslam::tcp
