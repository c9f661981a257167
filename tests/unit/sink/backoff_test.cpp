#include "pipeline/alert/sink/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace doorslam::sink {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, DoublesUpToItsBoundAndIsDrawnFromTheUpperHalf) {
  Backoff backoff({milliseconds(100), milliseconds(1'000)}, 1);
  for (const int ceiling : {100, 200, 400, 800, 1'000, 1'000}) {
    const auto wait = backoff.next().count();
    EXPECT_GE(wait, ceiling / 2);
    EXPECT_LE(wait, ceiling);
  }
  backoff.reset();
  EXPECT_LE(backoff.next().count(), 100);
}

TEST(Backoff, SpreadsAFleet) {
  std::set<std::int64_t> waits;
  for (std::uint64_t sensor = 1; sensor <= 50; ++sensor) {
    Backoff backoff({milliseconds(10'000), milliseconds(10'000)}, sensor * 7919);
    waits.insert(backoff.next().count());
  }
  EXPECT_GT(waits.size(), 40U);
}

}  // namespace
}  // namespace doorslam::sink
