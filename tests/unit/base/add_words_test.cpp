#include "pipeline/base/add_words.h"

#include <gtest/gtest.h>

namespace doorslam {
namespace {

TEST(AddWords, AddsEveryFigureOfNestedOnesToo) {
  struct Inner {
    std::uint64_t one = 1;
    std::array<std::uint64_t, 3> three{2, 3, 4};
  };
  struct Figures {
    std::uint64_t first = 10;
    Inner inner;
    std::uint64_t last = 20;
  };
  Figures sum;
  add_words(sum, Figures{.first = 1, .inner = {.one = 2, .three = {3, 4, 5}}, .last = 6});
  EXPECT_EQ(sum.first, 11U);
  EXPECT_EQ(sum.inner.one, 3U);
  EXPECT_EQ(sum.inner.three, (std::array<std::uint64_t, 3>{5, 7, 9}));
  EXPECT_EQ(sum.last, 26U);
}

}  // namespace
}  // namespace doorslam
