#include "pipeline/diagnose/ledger/host_clocks.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

/// Clocks as hosts show them to one client.
namespace doorslam::diagnose {
namespace {

using flowtable::kMillisecondNs;
using flowtable::kSecondNs;

/// A host whose clock began somewhere, and runs fast or slow.
struct Host {
  std::uint32_t begin = 0;
  std::uint32_t ticks_per_second = 1000;
  double drift = 0.0;  ///< share of the time

  ClockReading show(double at, Fate fate = Fate::served) const {
    const auto ticks = static_cast<std::uint64_t>(at * ticks_per_second * (1.0 + drift));
    return {.time_ns = static_cast<flowtable::TimeNs>(at * kSecondNs) + 20 * kMillisecondNs,
            .clock = begin + static_cast<std::uint32_t>(ticks),
            .fate = fate};
  }
};

std::vector<int> lines_of(const std::vector<ClockReading>& readings) {
  std::vector<int> lines;
  for (const ClockReading& reading : readings) lines.push_back(reading.line);
  return lines;
}

TEST(HostClocks, AreOneLineEachForOneClient) {
  const Host first{.begin = 3'000'000'000};
  const Host second{.begin = 4'294'967'000};  // runs over soon
  std::vector<ClockReading> readings = {first.show(1), second.show(2), second.show(9), first.show(300),
                                        second.show(599)};
  EXPECT_EQ(clock_rate(readings), 1000U);
  EXPECT_EQ(find_lines(readings, 1000), 2);
  EXPECT_EQ(lines_of(readings), (std::vector<int>{1, 2, 2, 1, 2}));
}

TEST(HostClocks, MayGoWrongALittle) {
  const Host fast{.begin = 1'000'000, .drift = 2e-4};
  std::vector<ClockReading> readings = {fast.show(1), fast.show(20'000), fast.show(40'000)};
  EXPECT_EQ(find_lines(readings, 1000), 1);
}

/// SYN cookies put options into the last six bits.
TEST(HostClocks, MayLoseTheirLastBits) {
  const Host host{.begin = 77'777};
  std::vector<ClockReading> readings = {host.show(1), host.show(2.5), host.show(3)};
  for (ClockReading& reading : readings) reading.clock = (reading.clock & ~63U) - 64U + 11U;
  EXPECT_EQ(find_lines(readings, 1000), 1);
}

TEST(HostClocks, RunAtTheRateThatMakesTheFewestLines) {
  for (const std::uint32_t rate : kClockRates) {
    const Host host{.begin = 5'000'000, .ticks_per_second = rate};
    std::vector<ClockReading> readings;
    for (int i = 0; i < 6; ++i) readings.push_back(host.show(7.0 * i));
    EXPECT_EQ(clock_rate(readings), rate);
  }
}

/// OpenBSD, and Linux 4.10 and 4.11: a secret for each connection.
TEST(HostClocks, TellNothingWhereTheyBeginAnewEachTime) {
  std::mt19937 random(7);
  for (const int connections : {5, 60}) {
    std::vector<ClockReading> readings;
    for (int i = 0; i < connections; ++i)
      readings.push_back(Host{.begin = static_cast<std::uint32_t>(random())}.show(i));
    EXPECT_EQ(clock_rate(readings), 0U);
    EXPECT_EQ(find_lines(readings, 1000), 0);
  }
}

TEST(HostClocks, TellNothingWhereThereAreNone) {
  std::vector<ClockReading> readings(5);
  EXPECT_EQ(find_lines(readings, 1000), 0);
  EXPECT_EQ(tally_hosts(readings, 1000).hosts, 0U);
}

TEST(HostClocks, TallyWhatEachHostDidWithTheClient) {
  const Host serving{.begin = 1'000'000'000};
  const Host refusing{.begin = 2'000'000'000};
  std::vector<ClockReading> readings;
  for (int i = 0; i < 4; ++i) {
    readings.push_back(serving.show(2.0 * i));
    readings.push_back(refusing.show(2.0 * i + 1.0, Fate::refused));
  }
  readings.push_back(Host{.begin = 9}.show(20));  // a third, met once
  const HostTally tally = tally_hosts(readings, 1000);
  EXPECT_EQ(tally.hosts, 2U);
  EXPECT_EQ(tally.refused_here, 4U);
  EXPECT_EQ(tally.served_here, 0U);
  EXPECT_EQ(tally.refused_elsewhere, 0U);
  EXPECT_EQ(tally.served_elsewhere, 4U);
  EXPECT_EQ(tally.served_meanwhile, 3U);
  EXPECT_NEAR(tally.chance, 2.0 / 70.0, 1e-9) << "either of the two, 4 of 8";
}

/// A host that was started anew begins another line, and does not come back to the first.
TEST(HostClocks, ChangeForGoodWhereTheHostStartsAnew) {
  std::vector<ClockReading> readings;
  for (int i = 0; i < 8; ++i) readings.push_back(Host{.begin = 1'000'000'000}.show(i));
  for (int i = 8; i < 16; ++i) readings.push_back(Host{.begin = 5}.show(i, Fate::refused));
  const HostTally tally = tally_hosts(readings, 1000);
  EXPECT_EQ(tally.hosts, 2U);
  EXPECT_EQ(tally.served_meanwhile, 0U);
}

TEST(HostClocks, JudgeTheHostThatTheSubjectMet) {
  const Host busy{.begin = 1'000'000'000};
  const Host other{.begin = 2'000'000'000};
  std::vector<ClockReading> readings = {busy.show(1, Fate::refused), busy.show(2, Fate::refused), other.show(3),
                                        other.show(4, Fate::refused)};
  readings.back().is_subject = true;
  const HostTally tally = tally_hosts(readings, 1000);
  EXPECT_EQ(tally.refused_here, 1U);
  EXPECT_EQ(tally.refused_elsewhere, 2U);
}

}  // namespace
}  // namespace doorslam::diagnose
