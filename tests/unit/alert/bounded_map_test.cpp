#include "pipeline/alert/bounded_map.h"

#include <gtest/gtest.h>

#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using sample::endpoint;

TEST(BoundedMap, ForgetsTheEntryLongestUntouched) {
  BoundedMap<flowtable::Endpoint, int> map(2, KeyHash(flowtable::HashKey::random()));
  map.touch(endpoint("192.0.2.1", 1)) = 1;
  map.touch(endpoint("192.0.2.2", 1)) = 2;
  map.touch(endpoint("192.0.2.1", 1));
  map.touch(endpoint("192.0.2.3", 1)) = 3;
  EXPECT_EQ(map.size(), 2U);
  EXPECT_EQ(map.find(endpoint("192.0.2.2", 1)), nullptr);
  EXPECT_EQ(map.touch(endpoint("192.0.2.1", 1)), 1) << "touched, so not forgotten";
}

}  // namespace
}  // namespace doorslam::alert
