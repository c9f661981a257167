#include "pipeline/port/tsc_clock.h"

#include <algorithm>
#include <cmath>

namespace doorslam::port {

namespace {

constexpr double kFraction = 4294967296.0;  // 2^32
constexpr double kMillion = 1e6;
/// What is off is to be gone by then.
constexpr double kCatchUpNs = 10e9;

std::uint64_t fixed_point(double ns_a_tick) { return static_cast<std::uint64_t>(std::llround(ns_a_tick * kFraction)); }

}  // namespace

ClockDiscipline::ClockDiscipline(const ClockSample& first, const ClockSample& second) : first_(first) {
  measure_rate(second);
  line_ = {.from_ticks = second.ticks, .from_ns = second.wall_ns, .ns_a_tick = fixed_point(ns_a_tick_)};
}

void ClockDiscipline::measure_rate(const ClockSample& sample) {
  if (sample.ticks <= first_.ticks || sample.steady_ns <= first_.steady_ns) return;
  ns_a_tick_ =
      static_cast<double>(sample.steady_ns - first_.steady_ns) / static_cast<double>(sample.ticks - first_.ticks);
}

void ClockDiscipline::update(const ClockSample& sample) {
  measure_rate(sample);
  const flowtable::TimeNs now_ns = line_.at(sample.ticks);
  offset_ns_ = sample.wall_ns - now_ns;
  constexpr double kMostSlew = static_cast<double>(kMostSlewPpm) / kMillion;
  const double slew = std::clamp(static_cast<double>(offset_ns_) / kCatchUpNs, -kMostSlew, kMostSlew);
  line_ = {.from_ticks = std::max(sample.ticks, line_.from_ticks),
           .from_ns = now_ns,
           .ns_a_tick = fixed_point(ns_a_tick_ * (1.0 + slew))};
}

double ClockDiscipline::ticks_a_second() const noexcept { return 1e9 / ns_a_tick_; }

}  // namespace doorslam::port
