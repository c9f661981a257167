#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>

#include "pipeline/port/published.h"
#include "pipeline/port/tsc_clock.h"

namespace doorslam::port {

/// A counter of ticks that is brought to time: the processor's, or a card's own that stamps packets. Belongs to the
/// control thread; the polling threads read line().
class TickClock {
 public:
  /// Reads the counter. False: it could not be read.
  using Ticks = std::function<bool(std::uint64_t& ticks)>;

  /// Nothing is measured yet: line() gives kNoTime.
  explicit TickClock(Ticks ticks);

  /// Measures the counter's rate, for 20 ms. False: the counter cannot be read, and the line stays as it is. To be
  /// called once, when the counter runs.
  bool begin();

  /// To be called several times a second: measures again, and keeps the line near the wall clock. A counter that cannot
  /// be read goes on as it went.
  void correct();
  /// How far the wall clock was ahead of the line at the last correction. Thread-safe.
  std::int64_t offset_ns() const noexcept { return offset_ns_.load(std::memory_order_relaxed); }
  /// Thread-safe.
  const Published<ClockLine>& line() const noexcept { return line_; }

 private:
  bool sample(ClockSample& out) const;

  Ticks ticks_;
  std::optional<ClockDiscipline> discipline_;  ///< once it has begun
  Published<ClockLine> line_;
  std::atomic<std::int64_t> offset_ns_{0};
};

}  // namespace doorslam::port
