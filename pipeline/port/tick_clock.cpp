#include "pipeline/port/tick_clock.h"

#include <chrono>
#include <ctime>
#include <limits>
#include <thread>
#include <utility>

namespace doorslam::port {

namespace {

constexpr auto kCalibration = std::chrono::milliseconds(20);
constexpr int kAttempts = 5;

std::int64_t read_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * flowtable::kSecondNs + now.tv_nsec;
}

}  // namespace

TickClock::TickClock(Ticks ticks) : ticks_(std::move(ticks)) { line_.publish(ClockLine{}); }

bool TickClock::begin() {
  ClockSample first;
  ClockSample second;
  if (!sample(first)) return false;
  std::this_thread::sleep_for(kCalibration);
  if (!sample(second)) return false;
  discipline_.emplace(first, second);
  line_.publish(discipline_->line());
  return true;
}

/// The counter and both clocks, as near to one moment as can be: of some attempts the quickest.
bool TickClock::sample(ClockSample& out) const {
  bool found = false;
  std::int64_t best_took = std::numeric_limits<std::int64_t>::max();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ClockSample now;
    const std::int64_t before = read_ns(CLOCK_MONOTONIC_RAW);
    if (!ticks_(now.ticks)) continue;
    now.wall_ns = read_ns(CLOCK_REALTIME);
    const std::int64_t took = read_ns(CLOCK_MONOTONIC_RAW) - before;
    if (took >= best_took) continue;
    best_took = took;
    now.steady_ns = before + took / 2;
    out = now;
    found = true;
  }
  return found;
}

void TickClock::correct() {
  ClockSample now;
  if (!discipline_ || !sample(now)) return;
  discipline_->update(now);
  line_.publish(discipline_->line());
  offset_ns_.store(discipline_->offset_ns(), std::memory_order_relaxed);
}

}  // namespace doorslam::port
