#include "pipeline/diagnose/ledger/id_index.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <unordered_map>

namespace doorslam::diagnose {
namespace {

TEST(IdIndex, TakesOnce) {
  IdIndex index;
  EXPECT_EQ(index.take(7), IdIndex::kAbsent);
  index.put(7, 1);
  index.put(7, 2);
  EXPECT_EQ(index.take(7), 2U) << "the later value replaces the earlier";
  EXPECT_EQ(index.take(7), IdIndex::kAbsent);
}

TEST(IdIndex, KeepsTheIdZeroAndTheValueZero) {
  IdIndex index;
  index.put(0, 0);
  EXPECT_EQ(index.take(0), 0U);
  EXPECT_EQ(index.take(0), IdIndex::kAbsent);
}

/// Taking one out of the middle of a run must not hide those after it, at the end of the array either.
RC_GTEST_PROP(IdIndex, DoesAsAnUnorderedMapDoes, ()) {
  const auto capacity = *rc::gen::inRange<std::size_t>(1, 40);
  IdIndex index;
  std::unordered_map<std::uint64_t, std::uint64_t> model;
  const auto steps = *rc::gen::inRange(0, 400);
  for (int step = 0; step < steps; ++step) {
    const std::uint64_t id =
        *rc::gen::oneOf(rc::gen::inRange<std::uint64_t>(0, 60), rc::gen::arbitrary<std::uint64_t>());
    if (*rc::gen::inRange(0, 3) == 0 || (model.size() == capacity && !model.contains(id))) {
      const auto found = model.find(id);
      RC_ASSERT(index.take(id) == (found == model.end() ? IdIndex::kAbsent : found->second));
      model.erase(id);
    } else {
      const auto value = static_cast<std::uint64_t>(step);
      index.put(id, value);
      model[id] = value;
    }
  }
  for (const auto& [id, value] : model) RC_ASSERT(index.take(id) == value);
}

}  // namespace
}  // namespace doorslam::diagnose
