#include "flowtable/deadlines.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <random>
#include <vector>

namespace doorslam::flowtable {
namespace {

constexpr TimeNs kStart = 1'700'000'000 * kSecondNs;
constexpr DurationNs kHour = 3600 * kSecondNs;

std::vector<std::uint32_t> all_due(Deadlines& deadlines, TimeNs now) {
  std::vector<std::uint32_t> result;
  std::array<std::uint32_t, 7> out;
  for (;;) {
    const std::size_t count = deadlines.due(now, out);
    result.insert(result.end(), out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count));
    if (count < out.size()) return result;
  }
}

class DeadlinesTest : public testing::Test {
 protected:
  DeadlinesTest() { EXPECT_TRUE(all_due(deadlines_, kStart).empty()); }
  using Slots = std::vector<std::uint32_t>;

  BucketHeads heads_{4096 / kBucketSlots, Pages::normal};
  Deadlines deadlines_{heads_};
};

TEST_F(DeadlinesTest, ComesOutOnceAtMostATickLateAndNeverEarly) {
  const TimeNs deadline = kStart + 5 * kSecondNs + 1;
  deadlines_.schedule(77, deadline);
  EXPECT_TRUE(all_due(deadlines_, deadline - 1).empty());
  EXPECT_EQ(all_due(deadlines_, deadline + Deadlines::kTickNs), Slots{77});
  EXPECT_TRUE(all_due(deadlines_, deadline + kHour).empty());
}

TEST_F(DeadlinesTest, TicksCountFromTheEpoch) {
  // A deadline on the grid is due at that very nanosecond.
  const TimeNs on_grid = ((kStart >> Deadlines::kTickShift) + 10) << Deadlines::kTickShift;
  deadlines_.schedule(1, on_grid);
  deadlines_.schedule(2, on_grid + 1);
  EXPECT_TRUE(all_due(deadlines_, on_grid - 1).empty());
  EXPECT_EQ(all_due(deadlines_, on_grid), Slots{1});
  EXPECT_TRUE(all_due(deadlines_, on_grid + Deadlines::kTickNs - 1).empty());
  EXPECT_EQ(all_due(deadlines_, on_grid + Deadlines::kTickNs), Slots{2});
}

TEST_F(DeadlinesTest, WhatIsUpcomingComesNextAndStaysFiled) {
  for (std::uint32_t slot = 0; slot < 1024; slot += 5) {
    deadlines_.schedule(slot, kStart + (slot % 3 == 0 ? kHour : kSecondNs));
  }
  std::array<std::uint32_t, 7> out;
  std::array<std::uint32_t, 7> upcoming;
  EXPECT_EQ(deadlines_.upcoming(upcoming), 0U) << "nothing is due";
  ASSERT_EQ(deadlines_.due(kStart + 2 * kSecondNs, out), out.size());
  std::size_t left = 0;
  while (deadlines_.under_way()) {
    const auto seen = static_cast<std::ptrdiff_t>(deadlines_.upcoming(upcoming));
    const Slots expected(upcoming.begin(), upcoming.begin() + seen);
    const std::size_t count = deadlines_.due(kStart + 2 * kSecondNs, out);
    EXPECT_EQ(Slots(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(count)), expected);
    left += count;
  }
  EXPECT_EQ(left + out.size(), 205U - 69U);
  EXPECT_EQ(deadlines_.upcoming(upcoming), 0U);
}

TEST_F(DeadlinesTest, MovesEitherWay) {
  deadlines_.schedule(1, kStart + kHour);
  deadlines_.schedule(1, kStart + kSecondNs);
  deadlines_.schedule(2, kStart + kSecondNs);
  deadlines_.schedule(2, kStart + kHour);
  EXPECT_EQ(all_due(deadlines_, kStart + 2 * kSecondNs), Slots{1});
  EXPECT_TRUE(all_due(deadlines_, kStart + kHour - 1).empty());
  EXPECT_EQ(all_due(deadlines_, kStart + kHour + kSecondNs), Slots{2});
}

TEST_F(DeadlinesTest, ACancelledSlotStaysAwayAndItsReuseComesOutOnItsOwnTime) {
  deadlines_.schedule(9, kStart + kSecondNs);
  deadlines_.cancel(9);
  deadlines_.schedule(10, kStart + kSecondNs);
  deadlines_.cancel(10);
  deadlines_.schedule(10, kStart + 5 * kSecondNs);
  EXPECT_TRUE(all_due(deadlines_, kStart + 4 * kSecondNs).empty());
  EXPECT_EQ(all_due(deadlines_, kStart + 6 * kSecondNs), Slots{10});
}

TEST_F(DeadlinesTest, APastDeadlineComesOutInTheNextTick) {
  deadlines_.schedule(3, kStart - kHour);
  EXPECT_TRUE(all_due(deadlines_, kStart).empty());  // this tick's sweep is over
  EXPECT_EQ(all_due(deadlines_, kStart + Deadlines::kTickNs), Slots{3});
}

TEST_F(DeadlinesTest, RefilingWhileASweepIsUnderWayDoesNotComeOutAgainInIt) {
  for (std::uint32_t slot = 0; slot < 20; ++slot) deadlines_.schedule(slot, kStart + kSecondNs);
  std::array<std::uint32_t, 6> out;
  const TimeNs now = kStart + 2 * kSecondNs;
  std::size_t seen = 0;
  for (std::size_t count = out.size(); count == out.size(); seen += count) {
    count = deadlines_.due(now, out);
    for (std::size_t i = 0; i < count; ++i) deadlines_.schedule(out[i], kStart);
    ASSERT_LE(seen, 20U);
  }
  EXPECT_EQ(seen, 20U);
  EXPECT_EQ(all_due(deadlines_, now + Deadlines::kTickNs).size(), 20U);
}

TEST_F(DeadlinesTest, BeyondItsSpanADeadlineComesOutEarlyToBeFiledAgain) {
  const TimeNs deadline = kStart + 24 * kHour;
  deadlines_.schedule(5, deadline);
  TimeNs now = kStart;
  int early = 0;
  for (;; now += 60 * kSecondNs) {
    if (all_due(deadlines_, now).empty()) continue;
    if (now >= deadline) break;
    ++early;
    deadlines_.schedule(5, deadline);
  }
  EXPECT_LT(now - deadline, 60 * kSecondNs + Deadlines::kTickNs);
  EXPECT_EQ(early, 9);  // every 2.43 h
}

TEST_F(DeadlinesTest, AfterALongLeapAllComesOut) {
  for (std::uint32_t slot = 0; slot < 4096; ++slot) deadlines_.schedule(slot, kStart + slot * 2 * kSecondNs);
  EXPECT_EQ(all_due(deadlines_, kStart + 365 * 24 * kHour).size(), 4096U);
  deadlines_.schedule(0, kStart + 366 * 24 * kHour);
  EXPECT_EQ(all_due(deadlines_, std::numeric_limits<TimeNs>::max()), Slots{0});
}

TEST_F(DeadlinesTest, RefilingWhileALeapIsCaughtUpWithComesToAnEnd) {
  for (std::uint32_t slot = 0; slot < 60; ++slot) deadlines_.schedule(slot, kStart + kSecondNs);
  const TimeNs now = kStart + 2 * Deadlines::kSpanTicks * Deadlines::kTickNs;
  std::array<std::uint32_t, 6> out;
  std::array<int, 60> popped{};
  for (std::size_t count = out.size(); count == out.size();) {
    count = deadlines_.due(now, out);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_LE(++popped[out[i]], 5);  // again where the deadline was beyond the span of the time caught up with
      deadlines_.schedule(out[i], now + kHour);
    }
  }
  EXPECT_EQ(all_due(deadlines_, now + kHour + kSecondNs).size(), 60U);
}

TEST_F(DeadlinesTest, TimeThatStandsStillOrGoesBackIsHarmless) {
  deadlines_.schedule(1, kStart + kSecondNs);
  EXPECT_TRUE(all_due(deadlines_, kStart - kHour).empty());
  EXPECT_TRUE(all_due(deadlines_, 0).empty());
  EXPECT_EQ(all_due(deadlines_, kStart + 2 * kSecondNs), Slots{1});
  EXPECT_TRUE(all_due(deadlines_, kStart).empty());
}

/// Each tick number passes through the value that marks "not filed" once in 2^16 ticks.
TEST_F(DeadlinesTest, EveryTickOfTheSpanWorks) {
  TimeNs now = kStart;
  for (std::int64_t tick = 0; tick < 70000; ++tick) {
    deadlines_.schedule(8, now + Deadlines::kTickNs);
    now += 2 * Deadlines::kTickNs;
    if (all_due(deadlines_, now).size() != 1) {
      now += Deadlines::kTickNs;  // one tick late is allowed
      ASSERT_EQ(all_due(deadlines_, now).size(), 1U) << "at tick " << (now >> Deadlines::kTickShift);
    }
  }
}

/// What a full bucket gives up is found by looking at sixteen deadlines at once; here, one by one.
TEST_F(DeadlinesTest, SoonestOfSomeIsTheFirstOfTheLeast) {
  constexpr std::uint32_t kBucket = 2;
  constexpr std::uint32_t kSlots = 16;
  constexpr std::uint32_t kFirst = kBucket * kSlots;
  std::mt19937 random(7);
  for (int trial = 0; trial < 2000; ++trial) {
    std::array<TimeNs, kSlots> deadlines{};  // 0: not scheduled, before all others
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      deadlines_.cancel(kFirst + i);
      if (random() % 8 == 0) continue;
      const std::uint32_t ticks = trial % 2 == 0 ? 1 + random() % 4 : 1 + random() % 60'000;
      deadlines[i] = kStart + ticks * Deadlines::kTickNs;
      deadlines_.schedule(kFirst + i, deadlines[i]);
    }
    const std::uint32_t wanted = random() & 0xffff;
    if (wanted == 0) continue;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      heads_[kBucket].tags[i] = static_cast<std::uint16_t>((random() & ~3U) | ((wanted >> i & 1U) != 0 ? 1U : 2U));
    }
    std::uint32_t expected = kSlots;
    for (std::uint32_t i = 0; i < kSlots; ++i) {
      if ((wanted >> i & 1U) != 0 && (expected == kSlots || deadlines[i] < deadlines[expected])) expected = i;
    }
    const std::uint32_t soonest = deadlines_.soonest(kBucket, 3, 1);
    ASSERT_EQ(soonest % kSlots, expected) << "trial " << trial;
    ASSERT_LT(soonest, kNoRank);
  }
}

TEST_F(DeadlinesTest, SoonestOfNoneIsTheFarthest) {
  deadlines_.schedule(3, kStart + kSecondNs);
  EXPECT_GE(deadlines_.soonest(0, 3, 1), kNoRank);
}

}  // namespace
}  // namespace doorslam::flowtable
