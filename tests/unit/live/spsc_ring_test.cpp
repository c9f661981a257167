#include "pipeline/port/spsc_ring.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>

#include "pipeline/port/published.h"

namespace doorslam::port {
namespace {

TEST(SpscRing, HoldsTheNextPowerOfTwoAndNoMore) {
  SpscRing<std::uint64_t> ring(5);
  EXPECT_EQ(ring.capacity(), 8U);
  for (std::uint64_t i = 0; i < 8; ++i) EXPECT_TRUE(ring.push(i));
  EXPECT_FALSE(ring.push(8));
  EXPECT_EQ(ring.size(), 8U);
  EXPECT_EQ(ring.room(), 0U);
  ring.pop(1);
  EXPECT_TRUE(ring.push(8)) << "the producer did not see that there is room again";
}

TEST(SpscRing, ShowsWhatLiesSideBySideAndThenTheRest) {
  SpscRing<std::uint64_t> ring(8);
  for (std::uint64_t i = 0; i < 6; ++i) ring.push(i);
  ring.pop(5);
  for (std::uint64_t i = 6; i < 12; ++i) ring.push(i);
  const auto upper = ring.front(100);
  ASSERT_EQ(upper.size(), 3U);
  EXPECT_EQ(upper[0], 5U);
  EXPECT_EQ(upper[2], 7U);
  ring.pop(3);
  const auto lower = ring.front(2);
  ASSERT_EQ(lower.size(), 2U);
  EXPECT_EQ(lower[0], 8U);
  EXPECT_EQ(ring.pushed(), 12U);
  EXPECT_EQ(ring.popped(), 8U);
}

TEST(SpscRing, LosesNothingAndKeepsTheOrderBetweenTwoThreads) {
  constexpr std::uint64_t kElements = 300'000;
  SpscRing<std::uint64_t> ring(64);
  std::thread producer([&ring] {
    for (std::uint64_t i = 0; i < kElements;) {
      if (ring.push(i)) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t next = 0;
  while (next < kElements) {
    const auto elements = ring.front(16);
    for (const std::uint64_t element : elements) ASSERT_EQ(element, next++);
    ring.pop(elements.size());
    if (elements.empty()) std::this_thread::yield();
  }
  producer.join();
}

TEST(Published, AReaderNeverSeesHalfAnUpdate) {
  struct Pair {
    std::uint64_t number = 0;
    std::uint64_t complement = ~std::uint64_t{0};
  };
  constexpr std::uint64_t kUpdates = 200'000;
  Published<Pair> published;
  published.publish({});
  std::thread writer([&published] {
    for (std::uint64_t i = 1; i <= kUpdates; ++i) published.publish({i, ~i});
  });
  std::uint64_t last = 0;
  while (last < kUpdates) {
    const Pair seen = published.read();
    ASSERT_EQ(seen.complement, ~seen.number);
    ASSERT_GE(seen.number, last);
    last = seen.number;
  }
  writer.join();
}

}  // namespace
}  // namespace doorslam::port
