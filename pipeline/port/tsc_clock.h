#pragma once

#include <cstdint>

#include "flowtable/time.h"

/// Packet time where no device stamps packets: the processor's cycle counter, held to the system's clocks.
namespace doorslam::port {

/// A straight line from ticks of a counter to time. Of 64-bit words only: it is published whole.
struct ClockLine {
  std::uint64_t from_ticks = 0;
  flowtable::TimeNs from_ns = 0;
  std::uint64_t ns_a_tick = 0;  ///< times 2^32

  /// Ticks before `from_ticks`, of a reading that was overtaken, give `from_ns`.
  flowtable::TimeNs at(std::uint64_t ticks) const noexcept {
    __extension__ using Wide = unsigned __int128;
    const std::uint64_t elapsed = ticks > from_ticks ? ticks - from_ticks : 0;
    return from_ns + static_cast<flowtable::TimeNs>((static_cast<Wide>(elapsed) * ns_a_tick) >> 32U);
  }
};

/// The counter and both clocks, read at one moment.
struct ClockSample {
  std::uint64_t ticks = 0;
  std::int64_t steady_ns = 0;  ///< CLOCK_MONOTONIC_RAW: nobody adjusts it
  std::int64_t wall_ns = 0;    ///< CLOCK_REALTIME
};

/// Keeps a ClockLine near the wall clock, without a jump and without ever going back.
///
/// The counter's rate is measured against CLOCK_MONOTONIC_RAW over ever longer spans. What the line is off the wall
/// clock is made up at no more than 500 parts in a million, so that a step of the wall clock neither ends a thousand
/// connections at once nor halts time.
class ClockDiscipline {
 public:
  static constexpr std::int64_t kMostSlewPpm = 500;

  /// `second` is later than `first`, by 10 ms or more for a rate that is worth something.
  ClockDiscipline(const ClockSample& first, const ClockSample& second);

  /// The line from `sample` on. Samples come in order.
  void update(const ClockSample& sample);

  const ClockLine& line() const noexcept { return line_; }
  /// How far the wall clock was ahead of the line at the last sample.
  std::int64_t offset_ns() const noexcept { return offset_ns_; }
  /// Of the counter.
  double ticks_a_second() const noexcept;

 private:
  void measure_rate(const ClockSample& sample);

  ClockSample first_;
  double ns_a_tick_ = 1.0;
  std::int64_t offset_ns_ = 0;
  ClockLine line_;
};

}  // namespace doorslam::port
