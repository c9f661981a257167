#include "pipeline/alert/distinct_sketch.h"

#include <gtest/gtest.h>

namespace doorslam::alert {
namespace {

/// Estimates must hold for few and for many, whatever the order, and add up over what is merged.
TEST(DistinctSketch, EstimatesWithinATenth) {
  for (const std::uint64_t number : {1U, 100U, 3'000U, 40'000U, 1'000'000U}) {
    DistinctSketch all;
    DistinctSketch odd;
    DistinctSketch even;
    for (std::uint64_t i = 0; i < number; ++i) {
      all.add(i);
      all.add(i);
      (i % 2 == 0 ? even : odd).add(i);
    }
    odd.merge(even);
    EXPECT_NEAR(static_cast<double>(all.estimate()), static_cast<double>(number), 0.1 * static_cast<double>(number));
    EXPECT_EQ(odd.estimate(), all.estimate());
  }
}

}  // namespace
}  // namespace doorslam::alert
