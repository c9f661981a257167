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

/// A pool of two entries, both in use.
class FullPool : public ::testing::Test {
 protected:
  FullPool() {
    pool_[first_].value = 1;
    pool_[second_].value = 2;
  }

  BoundedPool<Item> pool_{2};
  const std::uint32_t first_ = pool_.acquire();
  const std::uint32_t second_ = pool_.acquire();
};

TEST_F(FullPool, GivesAReturnedEntryAgainAsNew) {
  pool_.release(first_);
  EXPECT_EQ(pool_.used(), 1U);
  const std::uint32_t again = pool_.acquire();
  EXPECT_EQ(again, first_);
  EXPECT_EQ(pool_[again].value, 7);
  EXPECT_EQ(pool_[second_].value, 2);
  EXPECT_EQ(pool_.acquire(), kNoEntry);
}

TEST_F(FullPool, RenewsAnEntryInPlace) {
  pool_.renew(first_);
  EXPECT_EQ(pool_[first_].value, 7);
  EXPECT_EQ(pool_[second_].value, 2);
  EXPECT_EQ(pool_.used(), 2U);
  EXPECT_EQ(pool_.acquire(), kNoEntry);
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
