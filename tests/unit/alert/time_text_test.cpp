#include "pipeline/alert/time_text.h"

#include <gtest/gtest.h>

#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

TEST(TimeText, WritesRfc3339WithNanoseconds) {
  TimeText time;
  EXPECT_EQ(time.of(sample::kEpoch + 6), "2026-01-02T03:04:05.000000006Z");
  EXPECT_EQ(time.of(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(time.of(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(time.of(1'709'251'199'999'999'999), "2024-02-29T23:59:59.999999999Z");  // leap day
  EXPECT_EQ(time.of(1'709'251'200'000'000'000), "2024-03-01T00:00:00.000000000Z");
}

TEST(TimeText, IsReadBack) {
  TimeText time;
  for (const flowtable::TimeNs at : {sample::kEpoch, sample::kEpoch + 123'456'789, flowtable::TimeNs{0},
                                     flowtable::TimeNs{-1}, flowtable::TimeNs{951'782'400'000'000'001}}) {
    EXPECT_EQ(time_of(time.of(at)), at) << time.of(at);
  }
  for (const char* wrong : {"", "2026-01-02", "2026-01-02T03:04:05.000000006", "2026-02-30T03:04:05.000000006Z",
                            "2026-01-02 03:04:05.000000006Z", "9999-01-02T03:04:05.000000006Z",
                            "2026-01-02T24:04:05.000000006Z", "2026-01-02T03:60:05.000000006Z"}) {
    EXPECT_FALSE(time_of(wrong)) << wrong;
  }
}

TEST(TimeText, WritesTimesForAPerson) { EXPECT_EQ(person_time(sample::kEpoch), "2026-01-02 03:04:05.000"); }

}  // namespace
}  // namespace doorslam::alert
