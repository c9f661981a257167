#include "pipeline/port/ethdev/idler.h"

#include <rte_cpuflags.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_pause.h>
#include <rte_power_intrinsics.h>

#include <algorithm>
#include <ctime>

namespace doorslam::ethdev {

namespace {

constexpr std::uint32_t kRoundsBeforeRest = 64;
constexpr std::uint32_t kMostPauses = 256;
/// Ten times what a receive queue of 1,024 descriptors lasts at 10 Gbit/s of the shortest frames.
constexpr std::uint32_t kRoundsBeforeSleep = 2048;
constexpr long kSleepNs = 50'000;
constexpr std::uint64_t kRestsPerSecond = 100'000;

}  // namespace

Idler::Idler(IdleMode mode, const QueueRef* only_queue) : mode_(mode) {
  if (mode == IdleMode::spin) return;
  rte_cpu_intrinsics can{};
  rte_cpu_get_intrinsics_support(&can);
  times_pauses_ = can.power_pause != 0;
  if (only_queue == nullptr) return;
  queue_ = *only_queue;
  rte_power_monitor_cond condition{};
  monitors_ = can.power_monitor != 0 && rte_eth_get_monitor_addr(queue_.port, queue_.queue, &condition) == 0;
}

void Idler::rest() noexcept {
  const std::uint64_t until = rte_rdtsc() + rte_get_tsc_hz() / kRestsPerSecond;
  rte_power_monitor_cond condition{};
  if (monitors_ && rte_eth_get_monitor_addr(queue_.port, queue_.queue, &condition) == 0) {
    rte_power_monitor(&condition, until);
  } else if (times_pauses_) {
    rte_power_pause(until);
  } else {
    const std::uint32_t pauses = std::min(rounds_ - kRoundsBeforeRest, kMostPauses);
    for (std::uint32_t i = 0; i < pauses; ++i) rte_pause();
  }
}

void Idler::idle() noexcept {
  if (mode_ == IdleMode::spin) return;
  if (rounds_ < kRoundsBeforeSleep) ++rounds_;
  if (rounds_ < kRoundsBeforeRest) {
    rte_pause();
  } else if (mode_ == IdleMode::sleep && rounds_ >= kRoundsBeforeSleep) {
    const timespec nap{.tv_sec = 0, .tv_nsec = kSleepNs};
    nanosleep(&nap, nullptr);
  } else {
    rest();
  }
}

}  // namespace doorslam::ethdev
