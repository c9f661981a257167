#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/segment.h"
#include "pipeline/port/deal_ring.h"
#include "pipeline/port/live_counters.h"
#include "pipeline/port/worker.h"

struct rte_mbuf;

namespace doorslam::ethdev {

/// One thread's way to all workers: a ring to each, and the time up to which it has dealt.
struct Steering {
  Steering(std::size_t workers, std::size_t ring_capacity);

  std::vector<std::unique_ptr<port::DealRing>> rings;  ///< by worker
  /// All packets before it are in the rings. dealing thread: rw, workers: ro.
  alignas(64) std::atomic<flowtable::TimeNs> covered_ns{flowtable::kNoTime};
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

/// Of what was dealt; 0: of nothing. Connections are numbered by the packet that they begin with.
inline std::uint64_t last_number_of(std::span<const packet::Segment> segments) noexcept {
  return segments.empty() ? 0 : segments.back().number;
}
inline std::uint64_t last_number_of(const packet::IcmpError& error) noexcept { return error.number; }

/// What one dealing thread brings to one worker. Bound to that worker.
class DealtInput {
 public:
  DealtInput(Steering& from, std::size_t worker) : from_(&from), ring_(from.rings[worker].get()) {}

  /// Calls `track` with segments and ICMP errors in their order, 64 segments at most, then gives back their buffers.
  /// Returns the number of segments.
  template <class Track>
  std::size_t take(port::LaneCounters& counters, Track track) noexcept;

  /// All packets before it have been taken.
  flowtable::TimeNs covered_ns() const noexcept { return covered_ns_; }

 private:
  void give_back(std::size_t segments) noexcept;

  Steering* from_;
  port::DealRing* ring_;
  flowtable::TimeNs covered_ns_ = flowtable::kNoTime;
};

template <class Track>
std::size_t DealtInput::take(port::LaneCounters& counters, Track track) noexcept {
  // In this order: what was promised to be in the ring is owed.
  const flowtable::TimeNs promised_ns = from_->covered_ns.load(std::memory_order_acquire);
  const std::uint64_t owed = ring_->dealt();
  const std::span<const packet::Segment> segments = ring_->segments(port::Worker::kBurst);
  std::size_t done = 0;
  while (const packet::IcmpError* error = ring_->error_before(segments.size())) {
    const std::size_t before = ring_->segments_before_error();
    track(segments.subspan(done, before - done));
    track(*error);
    done = before;
    ring_->pop_error();
    ++counters.taken_errors;
  }
  track(segments.subspan(done));
  counters.taken_segments += segments.size();
  if (!segments.empty()) covered_ns_ = std::max(covered_ns_, segments.back().time_ns);
  const std::size_t count = segments.size();
  give_back(count);
  if (ring_->taken() >= owed) covered_ns_ = std::max(covered_ns_, promised_ns);
  return count;
}

}  // namespace doorslam::ethdev
