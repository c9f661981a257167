#pragma once

#include <cstdint>

#include "pipeline/port/ethdev/plan.h"

namespace doorslam::ethdev {

/// What a polling thread does when there is nothing to poll.
enum class IdleMode : std::uint8_t {
  spin,   ///< looks again at once: least delay, a whole CPU always
  pause,  ///< rests between looks, with the CPU's own means: monitored wait, timed pause, or a loop of pauses
  sleep,  ///< as pause, then gives the CPU away for a while: where threads share CPUs
};

/// Counts idle rounds and rests longer as they go on. worker-bound.
class Idler {
 public:
  /// `only_queue` is what a monitored wait wakes up for; null where several are polled.
  Idler(IdleMode mode, const QueueRef* only_queue);

  void busy() noexcept { rounds_ = 0; }
  void idle() noexcept;

 private:
  void rest() noexcept;

  IdleMode mode_;
  QueueRef queue_;
  bool monitors_ = false;      ///< the CPU itself can wait for the queue
  bool times_pauses_ = false;  ///< it can rest for a time
  std::uint32_t rounds_ = 0;
};

}  // namespace doorslam::ethdev
