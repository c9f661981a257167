#include "pipeline/port/tick_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace doorslam::port {
namespace {

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// A card's counter of 125 MHz, which began anywhere.
std::uint64_t card_ticks() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return 77'000'000'000 +
         static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()) / 8;
}

TEST(TickClock, BringsACardsOwnTicksToTheTimeOfDay) {
  TickClock clock([](std::uint64_t& ticks) {
    ticks = card_ticks();
    return true;
  });
  ASSERT_TRUE(clock.begin());
  clock.correct();
  const std::int64_t before = wall_ns();
  const flowtable::TimeNs told = clock.line().read().at(card_ticks());
  // A stamp of a minute later is a minute later, to the accuracy of 20 ms of measuring.
  const flowtable::TimeNs later = clock.line().read().at(card_ticks() + std::uint64_t{60} * 125'000'000);
  EXPECT_NEAR(static_cast<double>(told), static_cast<double>(before), 1e9);
  EXPECT_NEAR(static_cast<double>(later - told), 60e9, 1e9);
}

TEST(TickClock, GoesOnWhereTheCounterCannotBeRead) {
  bool works = true;
  TickClock clock([&works](std::uint64_t& ticks) {
    ticks = card_ticks();
    return works;
  });
  ASSERT_TRUE(clock.begin());
  const ClockLine known = clock.line().read();
  works = false;
  clock.correct();
  EXPECT_EQ(clock.line().read().from_ticks, known.from_ticks);
  EXPECT_EQ(clock.line().read().from_ns, known.from_ns);
}

/// A line that began at nothing would crawl up from 1970.
TEST(TickClock, TellsNoTimeWhereTheCounterCouldNeverBeRead) {
  bool works = false;
  TickClock clock([&works](std::uint64_t& ticks) {
    ticks = card_ticks();
    return works;
  });
  EXPECT_FALSE(clock.begin());
  works = true;
  clock.correct();
  EXPECT_EQ(clock.line().read().at(card_ticks()), flowtable::kNoTime);
}

TEST(TickClock, TellsHowFarItIsBehind) {
  std::uint64_t stopped_at = 0;
  TickClock clock([&stopped_at](std::uint64_t& ticks) {
    ticks = stopped_at == 0 ? card_ticks() : stopped_at;
    return true;
  });
  ASSERT_TRUE(clock.begin());
  EXPECT_EQ(clock.offset_ns(), 0);
  stopped_at = card_ticks();
  constexpr auto kPause = std::chrono::milliseconds(30);
  std::this_thread::sleep_for(kPause);
  clock.correct();
  EXPECT_GE(clock.offset_ns(), std::chrono::nanoseconds(kPause).count() - 1'000'000) << "time stood still for so long";
}

}  // namespace
}  // namespace doorslam::port
