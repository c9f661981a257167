#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "flowtable/time.h"
#include "pipeline/port/spsc_ring.h"
#include "pipeline/tcp/event.h"

/// The way of a worker's events to the analysis thread.
namespace doorslam::port {

/// Of a worker that has ended: it covers all times.
inline constexpr flowtable::TimeNs kAllCovered = std::numeric_limits<flowtable::TimeNs>::max();

struct EventRingOptions {
  std::size_t refusals = std::size_t{1} << 17U;  ///< events of connections that may have been refused
  std::size_t evidence = std::size_t{1} << 14U;  ///< of them, those with evidence
  std::size_t served = std::size_t{1} << 16U;    ///< other events
  std::size_t frames = 0;                        ///< pieces of frames (FrameChunk) with that evidence; 0: none are kept
  /// What to do when the analysis does not keep up. true: the worker waits; right for a source that waits as well, such
  /// as a capture file. false: served connections are sampled, so that packets are not lost.
  bool wait = false;
};

/// Counters of what a worker handed over. Of 64-bit words only: it is published whole.
struct EventCounters {
  std::uint64_t refusals = 0;       ///< put into the ring for what may be a refusal
  std::uint64_t served = 0;         ///< put into the ring for the rest
  std::uint64_t sampled_out = 0;    ///< events of served connections that were left out under overload
  std::uint64_t served_lost = 0;    ///< events of served connections for which the ring had no room
  std::uint64_t lost = 0;           ///< events that may have been a refusal, for which the ring had no room
  std::uint64_t evidence_lost = 0;  ///< events that went without their evidence, for which the ring had no room
  std::uint64_t frames_lost = 0;    ///< events that went without their frames, for which the ring had no room
  std::uint64_t waits = 0;          ///< times that the worker waited for room
};

/// A piece of the packed frames of one connection (pipeline/tcp/frames.h), which follow their length in octets.
struct FrameChunk {
  std::array<std::uint8_t, 256> octets;
};

/// Two rings, so that a flood of served connections cannot push out what the analysis is there for, and one beside
/// them with the evidence of those that have some. Memory is resident as far as it was ever used.
struct EventRings {
  explicit EventRings(const EventRingOptions& options)
      : refusals(options.refusals), evidence(options.evidence), served(options.served) {
    if (options.frames > 0) frames = std::make_unique<SpscRing<FrameChunk>>(options.frames);
  }

  /// The consumer takes out what is in there, and looks at none of it.
  void discard() noexcept;

  SpscRing<tcp::ConnectionEvent> refusals;  ///< worker: produces, analysis: consumes; so the others
  SpscRing<tcp::Evidence> evidence;         ///< of the events in `refusals` whose `evidence` is not negative, in order
  SpscRing<tcp::ConnectionEvent> served;
  std::unique_ptr<SpscRing<FrameChunk>> frames;  ///< of those in `evidence` whose event has_frames; null: none are kept
  /// All events before it are in the rings. worker: rw, analysis: ro.
  alignas(64) std::atomic<flowtable::TimeNs> covered_ns{flowtable::kNoTime};
};

/// Which connections are left out while the analysis does not keep up: of those that begin from now on, one in 2^level
/// is kept. Whether a connection is in the sample follows from its beginning and its id alone, so that its acceptance
/// and its end share one fate, however long it lasts. Its beginning is in packet time, the one order that packets of
/// several polling threads have: ids are dealt by each thread, and a busy one's run ahead. worker-bound.
class Sampling {
 public:
  static constexpr unsigned kMostHalvings = 6;

  /// Connections that begin at `from_ns` or later are sampled at this level. Times only grow.
  void set_level(unsigned level, flowtable::TimeNs from_ns) noexcept;
  unsigned level() const noexcept { return changes_[newest_ % kChanges].level; }

  /// How many connections the one of this id stands for: a power of two; 0: it is left out.
  unsigned weight_of(std::uint64_t id, flowtable::TimeNs start_ns) const noexcept;

 private:
  struct Change {
    flowtable::TimeNs from_ns = std::numeric_limits<flowtable::TimeNs>::min();
    unsigned level = 0;
  };
  /// Older changes are forgotten; what began before the oldest known is kept.
  static constexpr std::size_t kChanges = 64;

  std::array<Change, kChanges> changes_{};
  std::size_t newest_ = 0;  ///< counts on; its place is the remainder
};

/// The worker's end. worker-bound; allocates nothing.
class EventOutlet {
 public:
  EventOutlet(EventRings& rings, bool wait) noexcept : rings_(rings), wait_(wait) {}

  /// Puts a batch into the rings and clears it.
  void hand_over(tcp::EventBatch& batch) noexcept;
  /// All events before `time_ns` have been handed over.
  void cover(flowtable::TimeNs time_ns) noexcept { rings_.covered_ns.store(time_ns, std::memory_order_release); }
  /// From now on as if options.wait: packets are not waiting any more.
  void wait_from_now_on() noexcept { wait_ = true; }

  const EventCounters& counters() const noexcept { return counters_; }

 private:
  void put_refusal(const tcp::ConnectionEvent& event, const tcp::EventBatch& batch) noexcept;
  void announce_late(const tcp::ConnectionEvent& end, const tcp::EventBatch& batch) noexcept;
  bool put_frames(packet::ByteView packed) noexcept;
  void put_served(const tcp::ConnectionEvent& event) noexcept;
  bool waits_for(auto& ring) noexcept;
  void adapt_sampling() noexcept;

  EventRings& rings_;
  bool wait_;
  Sampling sampling_;
  flowtable::TimeNs newest_ns_ = flowtable::kNoTime;  ///< of all events so far
  std::uint64_t adapted_at_ = 0;                      ///< served events seen when the level was last looked at
  EventCounters counters_;
};

/// The analysis thread's end: takes out what is in the rings now, at most `most` events of each, and appends it to
/// `out`. Returns the number of events.
std::size_t drain(EventRings& rings, std::size_t most, tcp::EventBatch& out);

}  // namespace doorslam::port
