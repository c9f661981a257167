#include "pipeline/diagnose/ledger/host_clocks.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "pipeline/diagnose/chance.h"

namespace doorslam::diagnose {

namespace {

using flowtable::DurationNs;
using flowtable::kMillisecondNs;

/// More hosts than that are hardly met by one client, and clocks that begin anew each time are taken for that.
constexpr std::size_t kMostLines = 16;
/// Between the SYN-ACK and the handshake's end lies a round trip, and SYN cookies take the clock's last six bits.
constexpr DurationNs kRoundTripNs = 500 * kMillisecondNs;
/// Clocks go wrong by so little of the time (1 in 2,000: a bad crystal, or one being steered).
constexpr DurationNs kDrift = 2000;

/// Whether one clock can have shown both.
bool is_same_clock(const ClockReading& earlier, const ClockReading& later, std::uint32_t ticks_per_second) noexcept {
  const DurationNs elapsed = later.time_ns - earlier.time_ns;
  const std::int64_t tick_ns = flowtable::kSecondNs / ticks_per_second;
  const auto expected = static_cast<std::uint32_t>(elapsed / tick_ns);
  const auto off = static_cast<std::int32_t>(later.clock - earlier.clock - expected);
  const std::int64_t most = (kRoundTripNs + std::abs(elapsed) / kDrift) / tick_ns + 1;
  return std::abs(std::int64_t{off}) <= most;
}

std::size_t on_lines(std::span<const ClockReading> readings) noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(readings, [](const ClockReading& reading) { return reading.line != 0; }));
}

/// The line of the host that the subject met, or that refused most; 0: none.
std::uint8_t refusing_line(std::span<const ClockReading> readings) noexcept {
  std::array<std::uint32_t, kMostLines + 1> refused{};
  for (const ClockReading& reading : readings) {
    if (reading.is_subject) return reading.line;
    refused[reading.line] += reading.fate == Fate::refused ? 1 : 0;
  }
  const auto most = std::max_element(refused.begin() + 1, refused.end());
  return *most == 0 ? std::uint8_t{0} : static_cast<std::uint8_t>(most - refused.begin());
}

}  // namespace

std::uint8_t find_lines(std::span<ClockReading> readings, std::uint32_t ticks_per_second) noexcept {
  struct Line {
    const ClockReading* latest = nullptr;
    std::size_t count = 0;
  };
  std::array<Line, kMostLines> lines;
  std::size_t size = 0;
  for (ClockReading& reading : readings) {
    reading.line = 0;
    if (reading.clock == 0) continue;
    const auto end = lines.begin() + static_cast<std::ptrdiff_t>(size);
    auto line = std::find_if(
        lines.begin(), end, [&](const Line& known) { return is_same_clock(*known.latest, reading, ticks_per_second); });
    if (line == lines.end()) {
      for (ClockReading& any : readings) any.line = 0;
      return 0;
    }
    size += line == end ? 1 : 0;
    *line = {.latest = &reading, .count = line->count + 1};
    reading.line = static_cast<std::uint8_t>(line - lines.begin() + 1);
  }
  std::array<std::uint8_t, kMostLines> numbers{};
  std::uint8_t found = 0;
  for (std::size_t i = 0; i < size; ++i) numbers[i] = lines[i].count > 1 ? ++found : std::uint8_t{0};
  for (ClockReading& reading : readings) {
    if (reading.line != 0) reading.line = numbers[reading.line - 1U];
  }
  return found;
}

std::uint32_t clock_rate(std::span<ClockReading> readings) noexcept {
  std::uint32_t best_rate = 0;
  std::size_t best_on = 0;
  std::uint8_t best_lines = 0;
  for (const std::uint32_t rate : kClockRates) {
    const std::uint8_t lines = find_lines(readings, rate);
    const std::size_t on = on_lines(readings);
    if (on < best_on || (on == best_on && lines >= best_lines)) continue;
    best_rate = rate;
    best_on = on;
    best_lines = lines;
  }
  return best_rate;
}

HostTally tally_hosts(std::span<ClockReading> readings, std::uint32_t ticks_per_second) noexcept {
  HostTally tally;
  const std::uint8_t lines = find_lines(readings, ticks_per_second);
  const std::uint8_t here = lines == 0 ? std::uint8_t{0} : refusing_line(readings);
  if (here == 0) return tally;
  tally.hosts = lines;
  std::uint32_t served_since = 0;
  for (const ClockReading& reading : readings) {
    if (reading.line == 0 || reading.fate == Fate::open) continue;
    const bool is_here = reading.line == here;
    if (reading.fate == Fate::served) {
      ++(is_here ? tally.served_here : tally.served_elsewhere);
      served_since += is_here ? 0 : 1;
      continue;
    }
    if (!is_here) {
      ++tally.refused_elsewhere;
      continue;
    }
    // Before the first refusal the other host may have been the only one.
    if (tally.refused_here++ > 0) tally.served_meanwhile += served_since;
    served_since = 0;
  }
  const std::uint32_t refused = tally.refused_here + tally.refused_elsewhere;
  const std::uint32_t met_here = tally.refused_here + tally.served_here;
  const double by_chance = chance_of(Draw{.all = met_here + tally.refused_elsewhere + tally.served_elsewhere,
                                          .marked = met_here,
                                          .drawn = refused,
                                          .drawn_marked = tally.refused_here});
  tally.chance = std::min(1.0, by_chance * lines);
  return tally;
}

}  // namespace doorslam::diagnose
