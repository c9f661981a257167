#pragma once

#include <vector>

#include "pipeline/packet/decode.h"
#include "pipeline/port/ethdev/dealer.h"
#include "pipeline/port/ethdev/idler.h"
#include "pipeline/port/ethdev/lane.h"
#include "pipeline/port/ethdev/rx_source.h"
#include "pipeline/port/event_rings.h"
#include "pipeline/port/worker.h"

namespace doorslam::ethdev {

/// What every worker is made of.
struct WorkerParts {
  const RunOrders* orders = nullptr;
  port::EventRings* rings = nullptr;
  IdleMode idle = IdleMode::pause;
  bool wait_for_analysis = false;  ///< see port::EventRingOptions::wait
  tcp::TrackerOptions tracker;
};

/// What all workers have in common: the way of their events to the analysis, and how they end.
class WorkerLane : public Lane {
 protected:
  /// Throws std::bad_alloc.
  WorkerLane(const WorkerParts& parts, const QueueRef* only_queue);

  /// Ends all connections, some at a time, with `end_some(end_ns, most)`, which says whether there are more, and hands
  /// over each portion with `hand_over(end_ns)`.
  template <class EndSome, class HandOver>
  void finish(const EndSome& end_some, const HandOver& hand_over) noexcept {
    constexpr std::size_t kFinishPortion = 1024;
    const flowtable::TimeNs end_ns = orders_.end_ns.load(std::memory_order_relaxed);
    for (bool more = true; more;) {
      more = end_some(end_ns, kFinishPortion);
      hand_over(end_ns);
    }
    outlet_.cover(port::kAllCovered);
    done_.store(true, std::memory_order_release);
  }

  /// Hands over the events so far; all before `covered_ns` are among them. `tracker` is a Tracker or a Worker; so
  /// below.
  void give_out(const auto& tracker, flowtable::TimeNs covered_ns) noexcept {
    outlet_.hand_over(batch_);
    outlet_.cover(tracker.covered(covered_ns));
  }
  void count_tracking(const auto& tracker, const tcp::TrackerCounters& counted,
                      port::LaneCounters& counters) const noexcept {
    counters.tracker = counted;
    counters.open_connections = tracker.open_connections();
    counters.evidence_in_use = tracker.evidence_in_use();
    counters.events = outlet_.counters();
  }

  port::EventOutlet outlet_;
  tcp::EventBatch batch_;
};

/// Polls its own queues and does all the work: decode, look up, track. Run to completion, shares nothing.
class PollingWorker final : public WorkerLane {
 public:
  /// Throws std::bad_alloc.
  PollingWorker(const WorkerParts& parts, const packet::DecodeOptions& decode, const RxOptions& queues);

  void run() noexcept override;
  std::uint64_t polled_from(std::size_t queue) const noexcept override { return source_.polled_from(queue); }

 private:
  bool turn() noexcept;
  void hand_over(flowtable::TimeNs covered_ns) noexcept;
  void publish() noexcept;

  RxSource source_;
  port::Worker worker_;
};

/// Tracks what receivers deal to it.
class SteeredWorker final : public WorkerLane {
 public:
  /// Throws std::bad_alloc. `index` is its place in each Steering's rings.
  SteeredWorker(const WorkerParts& parts, std::size_t index, const std::vector<Steering*>& receivers);

  void run() noexcept override;

 private:
  bool turn() noexcept;
  void hand_over(flowtable::TimeNs covered_ns) noexcept;
  void publish() noexcept;

  std::vector<DealtInput> inputs_;
  tcp::Tracker tracker_;
  BurstFrames frames_;  ///< of the segments at hand, where the tracker keeps them
  flowtable::TimeNs covered_ns_ = flowtable::kNoTime;
  port::LaneCounters counters_;
};

}  // namespace doorslam::ethdev
