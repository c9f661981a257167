#include "pipeline/base/recency_map.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <list>
#include <utility>

namespace doorslam {
namespace {

/// Few hashes for many keys: runs in the index grow long, and removals must close them.
struct Crowded {
  static std::uint64_t hash(int key) { return static_cast<std::uint64_t>(key % 7) * 0x1111; }
  static bool same(int a, int b) { return a == b; }
};
using Map = RecencyMap<int, int, Crowded>;

TEST(RecencyMap, ForgetsWhatWasNotTouchedLongest) {
  Map map(3);
  for (const int key : {1, 2, 3, 1}) map.touch(key) = key;
  map.touch(4) = 4;
  EXPECT_EQ(map.find(2), nullptr);
  EXPECT_EQ(map.forgotten(), 1U);
  for (const int key : {1, 3, 4}) {
    const int* value = map.find(key);
    EXPECT_TRUE(value != nullptr && *value == key) << key;
  }
}

/// A scan over everything there is pushes out what it brought itself.
TEST(RecencyMap, WhatIsLodgedMakesWayFirst) {
  Map map(4);
  for (const int key : {1, 2, 3}) map.touch(key) = key;
  for (int key = 10; key < 30; ++key) map.lodge(key) = key;
  for (const int key : {1, 2, 3, 29}) EXPECT_NE(map.find(key), nullptr) << key;
  EXPECT_EQ(map.lodge(2), 2) << "known as it is";
  map.touch(29);
  map.touch(5);
  EXPECT_EQ(map.find(1), nullptr) << "touched, it is one of the others";
  EXPECT_NE(map.find(29), nullptr);
}

TEST(RecencyMap, FindingIsNoTouching) {
  Map map(2);
  map.touch(1) = 1;
  map.touch(2) = 2;
  EXPECT_NE(map.find(1), nullptr);
  map.touch(3) = 3;
  EXPECT_EQ(map.find(1), nullptr);
}

TEST(RecencyMap, WhatComesBackBeginsAnew) {
  Map map(1);
  map.touch(1) = 5;
  map.touch(2) = 6;
  EXPECT_EQ(map.touch(1), 0);
}

RC_GTEST_PROP(RecencyMap, DoesAsAListDoes, ()) {
  const auto capacity = *rc::gen::inRange<std::size_t>(1, 100);
  Map map(capacity);
  std::list<std::pair<int, int>> model;  // most recently touched first
  const auto steps = *rc::gen::inRange(0, 500);
  for (int step = 0; step < steps; ++step) {
    const int key = *rc::gen::inRange(0, 150);
    const auto known = std::find_if(model.begin(), model.end(), [&](const auto& one) { return one.first == key; });
    if (*rc::gen::inRange(0, 4) == 0) {
      const int* found = map.find(key);
      RC_ASSERT((found == nullptr) == (known == model.end()));
      if (found != nullptr) RC_ASSERT(*found == known->second);
      continue;
    }
    if (*rc::gen::inRange(0, 8) == 0) {
      map.erase(key);
      if (known != model.end()) model.erase(known);
      RC_ASSERT(map.size() == model.size());
      continue;
    }
    if (*rc::gen::inRange(0, 4) == 0) {
      map.lodge(key) = step;
      if (known != model.end()) {
        known->second = step;
      } else {
        if (model.size() == capacity) model.pop_back();
        model.emplace_back(key, step);
      }
      continue;
    }
    if (known != model.end()) {
      model.splice(model.begin(), model, known);
    } else {
      if (model.size() == capacity) model.pop_back();
      model.emplace_front(key, 0);
    }
    int& value = map.touch(key);
    RC_ASSERT(value == model.front().second);
    value = model.front().second = step;
    RC_ASSERT(map.size() == model.size());
  }
  std::list<std::pair<int, int>> in_order;
  map.for_each([&](int key, int value) { in_order.emplace_back(key, value); });
  RC_ASSERT(in_order == model);
}

}  // namespace
}  // namespace doorslam
