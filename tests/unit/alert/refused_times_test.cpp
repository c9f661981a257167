#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "pipeline/alert/refused_times.h"

/// Patterns in the times of refusals, and none where there is none. The times are drawn with fixed seeds.
namespace doorslam::alert {
namespace {

using flowtable::kSecondNs;
using flowtable::TimeNs;

/// A Monday, 00:00 UTC.
constexpr TimeNs kMidnight = 1'704'067'200 * kSecondNs;
constexpr TimeNs kDayNs = 86'400 * kSecondNs;

struct Visit {
  TimeNs start_ns = 0;
  bool refused = false;
};

class Times {
 public:
  explicit Times(std::uint64_t seed) : random_(seed) {}

  std::int64_t between(std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random_);
  }
  void add(bool refused, std::int64_t count, TimeNs from_ns, TimeNs to_ns) {
    for (std::int64_t i = 0; i < count; ++i) visits_.push_back({between(from_ns, to_ns - 1), refused});
  }
  void refuse(std::int64_t count, TimeNs from_ns, TimeNs to_ns) { add(true, count, from_ns, to_ns); }
  void serve(std::int64_t count, TimeNs from_ns, TimeNs to_ns) { add(false, count, from_ns, to_ns); }

  /// Served ones are told at once, refused ones after their settle time.
  std::optional<RefusedTimes> pattern() {
    const auto told = [](const Visit& visit) { return visit.start_ns + (visit.refused ? 12 * kSecondNs : 0); };
    std::sort(visits_.begin(), visits_.end(), [&](const Visit& a, const Visit& b) { return told(a) < told(b); });
    TimeNs begin_ns = visits_.front().start_ns;
    for (const Visit& visit : visits_) begin_ns = std::min(begin_ns, visit.start_ns);
    ConnectionTimes times(begin_ns);
    for (const Visit& visit : visits_) {
      if (visit.refused) {
        times.add_refused(visit.start_ns);
      } else {
        times.add_served(visit.start_ns);
      }
    }
    return times.pattern();
  }

 private:
  std::mt19937_64 random_;
  std::vector<Visit> visits_;
};

/// The tests promise one false claim in about a thousand at most, for each of two families of patterns.
TEST(RefusedTimes, ClaimsNothingOfTimesThatAreDrawnBlindly) {
  constexpr int kStories = 2000;
  int claims = 0;
  for (std::uint64_t seed = 0; seed < kStories; ++seed) {
    Times times(seed);
    const std::int64_t seconds = times.between(60, std::int64_t{1} << times.between(6, 20));
    const TimeNs end = kMidnight + seconds * kSecondNs;
    times.refuse(times.between(1, 1 << times.between(3, 9)), kMidnight, end);
    times.serve(times.between(1, 1 << times.between(3, 10)), kMidnight, end);
    claims += times.pattern().has_value() ? 1 : 0;
  }
  EXPECT_LE(claims, 3);
}

/// One burst is no pattern, wherever it falls: it was the incident.
TEST(RefusedTimes, ClaimsNothingOfOneBurst) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Times times(seed);
    times.serve(times.between(50, 500), kMidnight, kMidnight + 3600 * kSecondNs);
    const TimeNs burst = kMidnight + times.between(100, 3000) * kSecondNs;
    times.refuse(times.between(10, 100), burst, burst + times.between(2, 60) * kSecondNs);
    EXPECT_FALSE(times.pattern()) << seed;
  }
}

TEST(RefusedTimes, FindsTheSecondsOfTheMinute) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Times times(seed);
    const std::int64_t first = times.between(0, 59);
    const std::int64_t length = times.between(2, 5);
    const std::int64_t minutes = times.between(12, 600);
    for (std::int64_t minute = 0; minute < minutes; ++minute) {
      const TimeNs begin = kMidnight + (60 * minute + first) * kSecondNs;
      times.refuse(times.between(1, 3), begin, begin + length * kSecondNs);
    }
    times.serve(times.between(100, 1000), kMidnight, kMidnight + minutes * 60 * kSecondNs);
    const auto found = times.pattern();
    ASSERT_TRUE(found) << seed;
    EXPECT_EQ(found->kind, TimesKind::minute) << seed;
    const std::int64_t width = (found->to_seconds + 60 - found->from_seconds) % 60;
    EXPECT_LE(width, length) << seed;
    EXPECT_LE((found->from_seconds + 60 - first) % 60, length) << seed;
    EXPECT_GE(found->refused_within * 20, found->refused * 19) << seed;
  }
}

TEST(RefusedTimes, FindsTheMinutesOfTheHourAndTheTimeOfTheDay) {
  Times hourly(1);
  for (int hour = 0; hour < 8; ++hour) {
    const TimeNs begin = kMidnight + (3600 * hour + 5 * 60) * kSecondNs;
    hourly.refuse(4, begin, begin + 110 * kSecondNs);
  }
  hourly.serve(500, kMidnight, kMidnight + 8 * 3600 * kSecondNs);
  const auto by_hour = hourly.pattern();
  ASSERT_TRUE(by_hour);
  EXPECT_EQ(by_hour->kind, TimesKind::hour);
  EXPECT_EQ(by_hour->from_seconds, 5U * 60);
  EXPECT_EQ(by_hour->to_seconds, 7U * 60);
  EXPECT_EQ(by_hour->cycles, 8U);
  EXPECT_EQ(by_hour->refused_within, 32U);

  Times nightly(2);
  for (int day = 0; day < 5; ++day) {
    const TimeNs begin = kMidnight + day * kDayNs + 2 * 3600 * kSecondNs;
    nightly.refuse(6, begin, begin + 600 * kSecondNs);
  }
  nightly.serve(2000, kMidnight, kMidnight + 5 * kDayNs);
  const auto by_day = nightly.pattern();
  ASSERT_TRUE(by_day);
  EXPECT_EQ(by_day->kind, TimesKind::day);
  EXPECT_EQ(by_day->from_seconds, 2U * 3600);
  EXPECT_EQ(by_day->to_seconds, 2U * 3600 + 900);
  EXPECT_EQ(by_day->cycles, 5U);
}

/// Everybody comes at that second: the refused are no different from the served.
TEST(RefusedTimes, ClaimsNothingWhereTheServedComeAtTheSameTimes) {
  Times times(3);
  for (int minute = 0; minute < 200; ++minute) {
    const TimeNs begin = kMidnight + (60 * minute + 7) * kSecondNs;
    times.refuse(1, begin, begin + 2 * kSecondNs);
    times.serve(3, begin, begin + 2 * kSecondNs);
  }
  EXPECT_FALSE(times.pattern());
}

TEST(RefusedTimes, FindsSpellsInWhichNobodyIsServed) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Times times(seed);
    const std::int64_t spells = times.between(3, 6);
    const std::int64_t apart = 293 + times.between(-20, 20);
    TimeNs served_from = kMidnight;
    for (std::int64_t i = 0; i < spells; ++i) {
      const TimeNs begin = kMidnight + (150 + apart * i) * kSecondNs;
      const TimeNs end = begin + 40 * kSecondNs;
      times.refuse(12, begin, end);
      times.serve(100, served_from, begin);
      served_from = end;
    }
    times.serve(100, served_from, served_from + 200 * kSecondNs);
    const auto found = times.pattern();
    ASSERT_TRUE(found) << seed;
    EXPECT_EQ(found->kind, TimesKind::spells) << seed;
    EXPECT_EQ(found->cycles, spells) << seed;
    EXPECT_EQ(found->refused_within, 12 * spells) << seed;
    EXPECT_EQ(found->served, 100 * (spells + 1)) << seed;
    EXPECT_LE(found->longest_ns, 56 * kSecondNs) << seed;
    EXPECT_GE(found->least_apart_ns, (apart - 30) * kSecondNs) << seed;
    EXPECT_LE(found->most_apart_ns, (apart + 30) * kSecondNs) << seed;
    EXPECT_LE(found->chance, 0.001) << seed;
  }
}

/// One client tries again at once whenever it is refused; nobody else happened to come in that second.
TEST(RefusedTimes, TakesARetryForNoSpell) {
  Times times(4);
  times.serve(60, kMidnight, kMidnight + 600 * kSecondNs);
  for (int i = 0; i < 4; ++i) {
    const TimeNs begin = kMidnight + (77 + 131 * i) * kSecondNs;
    times.refuse(5, begin, begin + kSecondNs / 2);
  }
  EXPECT_FALSE(times.pattern());
}

TEST(RefusedTimes, BearsTimesOutOfOrderAndLeaps) {
  ConnectionTimes times(kMidnight);
  for (int i = 0; i < 100; ++i) {
    times.add_refused(kMidnight - i * kSecondNs);
    times.add_served(kMidnight + i * 400 * kDayNs);
  }
  times.add_refused(-1);
  times.add_refused(-kDayNs);
  EXPECT_EQ(times.last_refused_ns(), kMidnight);
  static_cast<void>(times.pattern());
}

}  // namespace
}  // namespace doorslam::alert
