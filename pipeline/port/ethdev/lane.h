#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "flowtable/time.h"
#include "pipeline/port/ethdev/idler.h"
#include "pipeline/port/live_counters.h"
#include "pipeline/port/published.h"

namespace doorslam::ethdev {

/// What the control thread tells all polling threads. A run goes through the phases in order, once.
struct RunOrders {
  enum class Phase : std::uint8_t {
    polling,
    draining,   ///< take what is in the queues still, and no more after that
    finishing,  ///< all have drained: end the connections at `end_ns`
  };

  alignas(64) std::atomic<Phase> phase{Phase::polling};       ///< control: rw, lanes: ro
  std::atomic<flowtable::TimeNs> end_ns{flowtable::kNoTime};  ///< set before `finishing`
};

/// One polling thread: a worker, a receiver. run() is its lcore's whole life.
class Lane {
 public:
  /// `only_queue`: see Idler.
  Lane(const RunOrders& orders, IdleMode idle, const QueueRef* only_queue)
      : orders_(orders), idler_(idle, only_queue) {}
  virtual ~Lane() = default;

  /// On its own lcore. Returns when the run has ended.
  virtual void run() noexcept = 0;
  /// Packets taken so far from the n-th of the queues that it polls. Thread-safe.
  virtual std::uint64_t polled_from(std::size_t queue) const noexcept {
    static_cast<void>(queue);
    return 0;
  }

  /// Grows with each round. Thread-safe.
  std::uint64_t rounds() const noexcept { return published_.times(); }
  port::LaneCounters counters() const noexcept { return published_.read(); }
  bool drained() const noexcept { return drained_.load(std::memory_order_acquire); }
  bool done() const noexcept { return done_.load(std::memory_order_acquire); }

 protected:
  /// Takes turns until the run is told to drain. `turn` says whether something came.
  template <class Turn>
  void poll_until_draining(const Turn& turn) noexcept {
    while (orders_.phase.load(std::memory_order_relaxed) == RunOrders::Phase::polling) {
      turn() ? idler_.busy() : idler_.idle();
    }
  }

  const RunOrders& orders_;
  Idler idler_;
  port::Published<port::LaneCounters> published_;
  std::atomic<bool> drained_{false};  ///< lane: rw, control: ro
  std::atomic<bool> done_{false};
};

}  // namespace doorslam::ethdev
