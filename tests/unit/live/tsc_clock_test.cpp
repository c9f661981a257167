#include "pipeline/port/tsc_clock.h"

#include <gtest/gtest.h>

namespace doorslam::port {
namespace {

using flowtable::kMillisecondNs;
using flowtable::kSecondNs;

constexpr std::int64_t kEpoch = 1'800'000'000 * kSecondNs;

/// A counter of 2.5 ticks a nanosecond.
ClockSample sample_at(std::int64_t steady_ns, std::int64_t wall_ahead_ns = 0) {
  return {.ticks = static_cast<std::uint64_t>(steady_ns) * 5 / 2,
          .steady_ns = steady_ns,
          .wall_ns = kEpoch + steady_ns + wall_ahead_ns};
}

TEST(TscClock, TellsWallTimeFromTicks) {
  const ClockDiscipline clock(sample_at(kSecondNs), sample_at(kSecondNs + 20 * kMillisecondNs));
  EXPECT_NEAR(clock.ticks_a_second(), 2.5e9, 10);
  const ClockSample later = sample_at(61 * kSecondNs);
  EXPECT_NEAR(static_cast<double>(clock.line().at(later.ticks) - later.wall_ns), 0, 100);
}

TEST(TscClock, AReadingThatWasOvertakenIsNotBeforeTheLine) {
  const ClockDiscipline clock(sample_at(kSecondNs), sample_at(2 * kSecondNs));
  EXPECT_EQ(clock.line().at(0), clock.line().from_ns);
}

TEST(TscClock, ABackwardStepOfTheWallClockNeitherHaltsNorTurnsTime) {
  ClockDiscipline clock(sample_at(kSecondNs), sample_at(2 * kSecondNs));
  flowtable::TimeNs last = 0;
  for (int second = 3; second < 60; ++second) {
    const ClockSample sample = sample_at(second * kSecondNs, -10 * kSecondNs);
    const flowtable::TimeNs before = clock.line().at(sample.ticks);
    clock.update(sample);
    EXPECT_EQ(clock.line().at(sample.ticks), before) << "time jumped";
    if (last != 0) {
      EXPECT_NEAR(static_cast<double>(before - last), 1e9, 1e9 * 0.0006);
      EXPECT_GT(before, last);
    }
    last = before;
  }
  EXPECT_LT(clock.offset_ns(), -9 * kSecondNs);
}

TEST(TscClock, ASmallOffsetIsMadeUp) {
  ClockDiscipline clock(sample_at(kSecondNs), sample_at(2 * kSecondNs));
  for (int second = 3; second < 120; ++second) clock.update(sample_at(second * kSecondNs, kMillisecondNs));
  EXPECT_NEAR(static_cast<double>(clock.offset_ns()), 0, 1000);
}

TEST(TscClock, ARateMeasuredBadlyAtFirstIsCorrected) {
  ClockSample second = sample_at(kSecondNs + 20 * kMillisecondNs);
  second.steady_ns += 40'000;  // somebody interrupted the first measurement: 2,000 parts in a million
  ClockDiscipline clock(sample_at(kSecondNs), second);
  for (int s = 2; s < 300; ++s) clock.update(sample_at(s * kSecondNs));
  EXPECT_NEAR(clock.ticks_a_second(), 2.5e9, 100);
  EXPECT_NEAR(static_cast<double>(clock.offset_ns()), 0, 1000);
}

}  // namespace
}  // namespace doorslam::port
