#include "pipeline/diagnose/chance.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace doorslam::diagnose {
namespace {

TEST(Chance, IsThatOfFishersExactTest) {
  // The lady tasting tea: 8 cups, 4 with milk first.
  EXPECT_NEAR(chance_of({.all = 8, .marked = 4, .drawn = 4, .drawn_marked = 4}), 1.0 / 70, 1e-12);
  EXPECT_NEAR(chance_of({.all = 8, .marked = 4, .drawn = 4, .drawn_marked = 3}), 17.0 / 70, 1e-12);
  EXPECT_NEAR(chance_of({.all = 8, .marked = 4, .drawn = 4, .drawn_marked = 0}), 1.0, 1e-9);
  EXPECT_NEAR(chance_of({}), 1.0, 1e-9);
}

TEST(Chance, OfFewRunsIsThatOfWaldAndWolfowitz) {
  // Of the 6 orders of two and two, three have the ones side by side: 1100, 0110, 0011.
  EXPECT_NEAR(chance_of_few_runs(2, 2, 1), 0.5, 1e-12);
  EXPECT_NEAR(chance_of_few_runs(2, 2, 2), 1.0, 1e-12);
  EXPECT_NEAR(chance_of_few_runs(5, 0, 1), 1.0, 1e-12);
  EXPECT_NEAR(chance_of_few_runs(3, 7, 1), 8.0 / 120, 1e-12);
  EXPECT_LT(chance_of_few_runs(36, 400, 3), 1e-30);
}

TEST(Chance, OfFewHitsIsBinomial) {
  EXPECT_NEAR(chance_of_few(10, 0.5, 0), 1.0 / 1024, 1e-12);
  EXPECT_NEAR(chance_of_few(10, 0.5, 1), 11.0 / 1024, 1e-12);
  EXPECT_NEAR(chance_of_few(10, 0.5, 10), 1.0, 1e-12);
  EXPECT_NEAR(chance_of_few(10, 0.0, 0), 1.0, 1e-12);
  EXPECT_NEAR(chance_of_few(10, 1.0, 9), 0.0, 1e-12);
}

RC_GTEST_PROP(Chance, FallsWithWhatWasDrawn, ()) {
  const auto all = *rc::gen::inRange(1U, 300U);
  const auto marked = *rc::gen::inRange(0U, all + 1);
  const auto drawn = *rc::gen::inRange(0U, all + 1);
  double before = 1.0;
  for (std::uint32_t k = 0; k <= std::min(marked, drawn); ++k) {
    const double chance = chance_of({.all = all, .marked = marked, .drawn = drawn, .drawn_marked = k});
    RC_ASSERT(chance >= 0.0);
    RC_ASSERT(chance <= before + 1e-9);
    before = chance;
  }
}

}  // namespace
}  // namespace doorslam::diagnose
