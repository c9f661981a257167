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

/// Polls its own queues and does all the work: decode, look up, track. Run to completion, shares nothing.
class PollingWorker final : public Lane {
 public:
  /// Throws std::bad_alloc.
  PollingWorker(const WorkerParts& parts, const packet::DecodeOptions& decode, const RxOptions& queues);

  void run() noexcept override;
  std::uint64_t polled_from(std::size_t queue) const noexcept override { return source_.polled_from(queue); }

 private:
  bool turn() noexcept;
  void hand_over(flowtable::TimeNs covered_ns) noexcept;
  void finish() noexcept;
  void publish() noexcept;

  const RunOrders& orders_;
  port::EventRings& rings_;
  RxSource source_;
  port::Worker worker_;
  port::EventOutlet outlet_;
  Idler idler_;
  tcp::EventBatch batch_;
};

/// Tracks what receivers deal to it.
class SteeredWorker final : public Lane {
 public:
  /// Throws std::bad_alloc. `index` is its place in each Steering's rings.
  SteeredWorker(const WorkerParts& parts, std::size_t index, const std::vector<Steering*>& receivers);

  void run() noexcept override;

 private:
  bool turn() noexcept;
  void hand_over(flowtable::TimeNs covered_ns) noexcept;
  void finish() noexcept;
  void publish() noexcept;

  const RunOrders& orders_;
  port::EventRings& rings_;
  std::vector<DealtInput> inputs_;
  tcp::Tracker tracker_;
  port::EventOutlet outlet_;
  Idler idler_;
  tcp::EventBatch batch_;
  flowtable::TimeNs covered_ns_ = flowtable::kNoTime;
  std::uint64_t next_number_ = 1;
  port::LaneCounters counters_;
};

}  // namespace doorslam::ethdev
