#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/segment.h"
#include "pipeline/port/deal_ring.h"
#include "pipeline/port/live_counters.h"
#include "pipeline/port/worker.h"
#include "pipeline/tcp/segment_runs.h"

struct rte_mbuf;

namespace doorslam::ethdev {

/// One thread's way to all workers: a ring to each, and the time up to which it has dealt.
struct Steering {
  Steering(std::size_t workers, std::size_t ring_capacity);

  std::vector<std::unique_ptr<port::DealRing>> rings;  ///< by worker
  /// All packets before it are in the rings. dealing thread: rw, workers: ro.
  alignas(64) std::atomic<flowtable::TimeNs> covered_ns{flowtable::kNoTime};
  std::atomic<bool> ended{false};  ///< nothing is dealt any more
};

/// Puts decoded packets into the rings of a Steering. Bound to the thread that deals.
class Dealer {
 public:
  /// `wait`: for room in a full ring; else what finds none is lost, and counted.
  Dealer(Steering& steering, bool wait, port::LaneCounters& counters) noexcept
      : steering_(steering), wait_(wait), counters_(counters) {}

  /// True: the buffer travels with the segment. False: it is the caller's still.
  bool deal(packet::Segment& segment, rte_mbuf* buffer, std::size_t worker) noexcept;
  bool deal(const packet::IcmpError& error, std::size_t worker) noexcept;
  void wait_from_now_on() noexcept { wait_ = true; }

 private:
  template <class Deal>
  bool deal_or_wait(const Deal& deal_one) noexcept;

  Steering& steering_;
  bool wait_;
  port::LaneCounters& counters_;
};

/// By segment of a burst.
using BurstFrames = std::array<tcp::FrameView, port::Worker::kBurst>;

/// What is to track segments that were dealt. Where the tracker keeps frames, `frames` get those in their buffers.
tcp::SegmentRuns runs_of(std::span<const packet::Segment> segments, std::span<void* const> buffers,
                         tcp::Tracker& tracker, BurstFrames& frames, tcp::EventBatch& out) noexcept;

/// What one dealing thread brings to one worker. Bound to that worker.
class DealtInput {
 public:
  static constexpr flowtable::TimeNs kNothing = std::numeric_limits<flowtable::TimeNs>::max();

  DealtInput(Steering& from, std::size_t worker) : from_(&from), ring_(from.rings[worker].get()) {}

  /// Asks `make_runs` for what tracks segments that lie in such buffers (tcp::SegmentRuns, or what can do the same),
  /// gives it 64 segments at most with the ICMP errors among them, then gives back their buffers. Returns their number.
  template <class MakeRuns>
  std::size_t take(port::LaneCounters& counters, const MakeRuns& make_runs) noexcept {
    look();
    return take_until(kNothing, counters, make_runs);
  }

  /// Learns what is in the ring now, and up to what time nothing earlier will come.
  void look() noexcept;
  /// As of look(): the time up to which all is in the ring. Of a thread that deals no more, all times.
  flowtable::TimeNs complete_until_ns() const noexcept { return ended_ ? kNothing : promised_ns_; }
  /// Of what comes next; or kNothing.
  flowtable::TimeNs next_ns() noexcept;
  bool is_crowded() const noexcept { return ring_->size() > ring_->capacity() / 2; }
  /// As take(), after look(), and nothing later than `until_ns`.
  template <class MakeRuns>
  std::size_t take_until(flowtable::TimeNs until_ns, port::LaneCounters& counters, const MakeRuns& make_runs) noexcept;

  /// After look() and what was taken then: all before what comes next has been taken.
  void settle() noexcept;

  /// All packets before it have been taken.
  flowtable::TimeNs covered_ns() const noexcept { return covered_ns_; }

 private:
  void give_back(std::size_t segments) noexcept;

  Steering* from_;
  port::DealRing* ring_;
  flowtable::TimeNs promised_ns_ = flowtable::kNoTime;
  std::uint64_t owed_ = 0;  ///< dealt when it was promised
  bool ended_ = false;
  flowtable::TimeNs covered_ns_ = flowtable::kNoTime;
};

template <class MakeRuns>
std::size_t DealtInput::take_until(flowtable::TimeNs until_ns, port::LaneCounters& counters,
                                   const MakeRuns& make_runs) noexcept {
  std::span<const packet::Segment> segments = ring_->segments(port::Worker::kBurst);
  if (!segments.empty() && segments.back().time_ns > until_ns) {
    const auto later = std::find_if(segments.begin(), segments.end(),
                                    [until_ns](const packet::Segment& segment) { return segment.time_ns > until_ns; });
    segments = segments.first(static_cast<std::size_t>(later - segments.begin()));
  }
  auto runs = make_runs(segments, ring_->buffers(segments.size()));
  std::size_t errors = 0;
  while (const packet::IcmpError* error = ring_->error_before(segments.size())) {
    if (error->time_ns > until_ns) break;
    // Its buffer has stayed with the thread that received it.
    runs.track(*error, tcp::FrameView{}, ring_->segments_before_error());
    ring_->pop_error();
    ++errors;
  }
  runs.track_until(segments.size());
  counters.taken_segments += segments.size();
  counters.taken_errors += errors;
  if (!segments.empty()) covered_ns_ = std::max(covered_ns_, segments.back().time_ns);
  const std::size_t count = segments.size();
  give_back(count);
  if (ring_->taken() >= owed_) covered_ns_ = std::max(covered_ns_, promised_ns_);
  return count + errors;
}

/// What several dealing threads bring to one worker, merged by time: a packet waits until none of the others can bring
/// an earlier one. Where a ring is half full order is given up, rather than packets. Bound to the worker.
class DealtInTurn {
 public:
  /// Throws std::bad_alloc.
  void add(Steering& from, std::size_t worker) { inputs_.emplace_back(from, worker); }

  /// Takes what comes by `until_ns`, up to a burst or so of each. As DealtInput::take() otherwise.
  template <class MakeRuns>
  std::size_t take(flowtable::TimeNs until_ns, port::LaneCounters& counters, const MakeRuns& make_runs) noexcept;
  /// All packets before it have been taken; without inputs, all there will ever be.
  flowtable::TimeNs covered_ns() const noexcept;

 private:
  std::vector<DealtInput> inputs_;
};

template <class MakeRuns>
std::size_t DealtInTurn::take(flowtable::TimeNs until_ns, port::LaneCounters& counters,
                              const MakeRuns& make_runs) noexcept {
  bool crowded = false;
  for (DealtInput& input : inputs_) {
    input.look();
    until_ns = std::min(until_ns, input.complete_until_ns());
    crowded = crowded || input.is_crowded();
  }
  if (crowded) until_ns = DealtInput::kNothing;
  std::size_t taken = 0;
  while (taken < port::Worker::kBurst * inputs_.size()) {
    DealtInput* first = nullptr;
    flowtable::TimeNs first_ns = DealtInput::kNothing;
    flowtable::TimeNs next_ns = until_ns;  // of the others
    for (DealtInput& input : inputs_) {
      const flowtable::TimeNs of_input_ns = input.next_ns();
      if (of_input_ns < first_ns) {
        next_ns = std::min(next_ns, first_ns);
        first_ns = of_input_ns;
        first = &input;
      } else {
        next_ns = std::min(next_ns, of_input_ns);
      }
    }
    if (first == nullptr || first_ns > until_ns) break;
    taken += first->take_until(next_ns, counters, make_runs);
  }
  for (DealtInput& input : inputs_) input.settle();
  return taken;
}

}  // namespace doorslam::ethdev
