#include "pipeline/tcp/bounded_pool.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace doorslam::tcp {
namespace {

struct Item {
  int value = 7;
  std::array<char, 60> more{};
};

TEST(BoundedPool, GivesEachEntryOnceAndNoMoreThanItHas) {
  BoundedPool<Item> pool(3);
  std::set<std::uint32_t> given;
  for (int i = 0; i < 3; ++i) given.insert(pool.acquire());
  EXPECT_EQ(given.size(), 3U);
  EXPECT_FALSE(given.contains(kNoEntry));
  EXPECT_EQ(pool.acquire(), kNoEntry);
  EXPECT_EQ(pool.used(), 3U);
}

TEST(BoundedPool, ReturnedEntriesComeAgainAsNew) {
  BoundedPool<Item> pool(2);
  const std::uint32_t first = pool.acquire();
  const std::uint32_t second = pool.acquire();
  pool[first].value = 1;
  pool[second].value = 2;
  pool.release(first);
  EXPECT_EQ(pool.used(), 1U);
  const std::uint32_t again = pool.acquire();
  EXPECT_EQ(again, first);
  EXPECT_EQ(pool[again].value, 7);
  EXPECT_EQ(pool[second].value, 2);
  EXPECT_EQ(pool.acquire(), kNoEntry);
}

TEST(BoundedPool, RenewsAnEntryInPlace) {
  BoundedPool<Item> pool(2);
  const std::uint32_t first = pool.acquire();
  const std::uint32_t second = pool.acquire();
  pool[first].value = 1;
  pool[second].value = 2;
  pool.renew(first);
  EXPECT_EQ(pool[first].value, 7);
  EXPECT_EQ(pool[second].value, 2);
  EXPECT_EQ(pool.used(), 2U);
  EXPECT_EQ(pool.acquire(), kNoEntry);
}

TEST(BoundedPool, UsesReturnedMemoryBeforeUntouched) {
  BoundedPool<Item> pool(1000);
  for (int i = 0; i < 500; ++i) {
    const std::uint32_t index = pool.acquire();
    ASSERT_LT(index, pool.capacity());
    pool.release(index);
  }
  EXPECT_EQ(pool.acquire(), 0U);  // resident memory follows what is in use at a time
}

}  // namespace
}  // namespace doorslam::tcp
