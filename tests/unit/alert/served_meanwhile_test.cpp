#include "pipeline/alert/served_meanwhile.h"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <algorithm>
#include <vector>

namespace doorslam::alert {
namespace {

using flowtable::kMillisecondNs;
using flowtable::kSecondNs;

constexpr flowtable::TimeNs kBegin = 1'700'000'000 * kSecondNs;

TEST(ServedMeanwhile, CountsUpToTheLastRefusalAndAfterIt) {
  ServedMeanwhile served;
  served.reach(kBegin);
  served.add(kBegin + 1 * kSecondNs);
  served.add(kBegin + 3 * kSecondNs);
  EXPECT_EQ(served.meanwhile(), 0U);
  EXPECT_EQ(served.afterwards(), 2U);
  served.reach(kBegin + 2 * kSecondNs);
  EXPECT_EQ(served.meanwhile(), 1U);
  EXPECT_EQ(served.afterwards(), 1U);
  served.add(kBegin + 1500 * kMillisecondNs);
  EXPECT_EQ(served.meanwhile(), 2U) << "its end came late";
}

/// However many come, and however long after the last refusal, none is lost, and none is counted twice.
RC_GTEST_PROP(ServedMeanwhile, LosesNone, ()) {
  ServedMeanwhile served;
  std::vector<flowtable::TimeNs> starts;
  flowtable::TimeNs reached = kBegin;
  served.reach(reached);
  for (const bool serves : *rc::gen::container<std::vector<bool>>(rc::gen::arbitrary<bool>())) {
    const auto tenths = *rc::gen::inRange<flowtable::TimeNs>(0, 2000);
    if (serves) {
      starts.push_back(kBegin + tenths * 100 * kMillisecondNs);
      served.add(starts.back());
    } else {
      reached = std::max(reached, kBegin + tenths * 100 * kMillisecondNs);
      served.reach(reached);
    }
  }
  RC_ASSERT(served.meanwhile() + served.afterwards() == starts.size());
  const auto within = std::count_if(starts.begin(), starts.end(), [&](auto start) { return start <= reached; });
  RC_ASSERT(served.meanwhile() <= static_cast<std::uint64_t>(within));
  served.reach(kBegin + 200 * kSecondNs);
  RC_ASSERT(served.meanwhile() == starts.size());
}

TEST(ServedMeanwhile, TakesOverWhatAnotherHasCounted) {
  ServedMeanwhile one;
  ServedMeanwhile other;
  one.reach(kBegin + 2 * kSecondNs);
  one.add(kBegin + kSecondNs);
  other.reach(kBegin);
  other.add(kBegin);
  other.add(kBegin + kSecondNs);
  other.add(kBegin + 100 * kSecondNs);
  other.add(kBegin + 100 * kSecondNs + 256 * 100 * kMillisecondNs);
  one.absorb(other);
  EXPECT_EQ(one.meanwhile(), 3U);
  EXPECT_EQ(one.afterwards(), 2U);
}

}  // namespace
}  // namespace doorslam::alert
