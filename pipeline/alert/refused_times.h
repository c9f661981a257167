#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "flowtable/time.h"

/// What the times of an endpoint's refusals have in common, where it refuses now and then.
///
/// Theory of operation. Each connection is counted, refused or served, by its place on the clock (second of the minute,
/// minute of the hour, quarter of an hour of the day) and on a time line of 256 equal bins, which doubles their width
/// whenever time has come to its end. So memory is fixed, and the longer the history, the coarser its spells. A pattern
/// is told only where it is beyond chance by two tests: that refusals come otherwise than the served do, and that they
/// came so again and again; one burst is no pattern. Not thread-safe.
namespace doorslam::alert {

/// Where on the clock (UTC) refusals fall, or that they come in spells.
enum class TimesKind : std::uint8_t { minute, hour, day, spells };

struct RefusedTimes {
  TimesKind kind = TimesKind::spells;
  std::uint32_t from_seconds = 0;  ///< on the clock: into the minute, hour or day
  std::uint32_t to_seconds = 0;    ///< exclusive; not above from_seconds where the window holds the turn of the clock
  std::uint32_t cycles = 0;        ///< different minutes, hours or days with refusals; or spells
  flowtable::DurationNs shortest_ns = 0;  ///< spell, to within a bin
  flowtable::DurationNs longest_ns = 0;
  flowtable::DurationNs least_apart_ns = 0;  ///< from a spell's beginning to the next one's
  flowtable::DurationNs most_apart_ns = 0;
  std::uint32_t refused_within = 0;
  std::uint32_t refused = 0;
  std::uint32_t served_within = 0;
  std::uint32_t served = 0;
  double chance = 1.0;  ///< that times without a pattern look like this, at most; 0 to 1
};

/// One place on the clock or the time line.
struct TimeBin {
  std::uint32_t refused = 0;
  std::uint32_t served = 0;

  std::uint32_t& of(bool is_refused) { return is_refused ? refused : served; }
};

/// The refused and the served of one endpoint by their times. About 4 KiB.
class ConnectionTimes {
 public:
  /// Nothing before `begin_ns` is placed on the time line.
  explicit ConnectionTimes(flowtable::TimeNs begin_ns = 0) : begin_ns_(begin_ns) {}

  void add_refused(flowtable::TimeNs start_ns) { add(start_ns, true); }
  void add_served(flowtable::TimeNs start_ns) { add(start_ns, false); }
  /// The latest refusal; kNoTime where there was none.
  flowtable::TimeNs last_refused_ns() const noexcept { return last_refused_ns_; }

  /// The narrowest one that is beyond chance.
  std::optional<RefusedTimes> pattern() const;

 private:
  static constexpr std::size_t kLineBins = 256;
  static constexpr std::size_t kMostClockBins = 96;
  static constexpr std::size_t kClocks = 3;

  struct Clock {
    std::array<TimeBin, kMostClockBins> bins;
    flowtable::TimeNs latest_cycle = -1;  ///< with a refusal
    std::uint32_t cycles = 0;             ///< with refusals
  };

  /// A stretch of the time line with refusals.
  struct Spell {
    std::uint32_t first = 0;  ///< bin
    std::uint32_t last = 0;
    std::uint32_t bins = 0;    ///< with refusals
    std::uint32_t served = 0;  ///< in these bins
  };

  void add(flowtable::TimeNs start_ns, bool is_refused);
  void add_to_line(flowtable::TimeNs start_ns, bool is_refused);
  void widen_bins();
  std::optional<RefusedTimes> window_of(TimesKind kind) const;
  std::vector<Spell> stretches() const;
  std::optional<RefusedTimes> spells() const;

  flowtable::TimeNs begin_ns_;
  flowtable::DurationNs width_ns_ = flowtable::kSecondNs;  ///< of a bin of the time line
  flowtable::TimeNs last_refused_ns_ = flowtable::kNoTime;
  TimeBin all_;
  std::array<TimeBin, kLineBins> line_;
  std::array<Clock, kClocks> clocks_;  ///< by TimesKind
};

}  // namespace doorslam::alert
