#include "pipeline/host/cpu_list.h"

#include <gtest/gtest.h>

namespace doorslam::host {
namespace {

TEST(CpuList, ReadsWhatTheKernelWrites) {
  EXPECT_EQ(parse_cpu_list("0-3,8,10-11\n"), (CpuList{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(parse_cpu_list("5"), CpuList{5});
  EXPECT_EQ(parse_cpu_list("\n"), CpuList());
  EXPECT_EQ(parse_cpu_list("3,1-3,1"), (CpuList{1, 2, 3})) << "ascending, none twice";
}

TEST(CpuList, RefusesWhatIsNone) {
  // "(null)" is what nohz_full holds where the boot option was not given.
  for (const char* text : {"(null)", "a", "1-", "-1", "3-1", "1;2", "0-99999999", "1,,2", "0x1"}) {
    EXPECT_FALSE(parse_cpu_list(text)) << text;
  }
}

TEST(CpuList, WritesRanges) {
  EXPECT_EQ(text_of(CpuList{0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
  EXPECT_EQ(text_of(CpuList()), "");
  EXPECT_EQ(without(CpuList{1, 2, 3}, CpuList{2, 7}), (CpuList{1, 3}));
  EXPECT_TRUE(contains(CpuList{1, 3}, 3));
  EXPECT_FALSE(contains(CpuList{1, 3}, 2));
}

}  // namespace
}  // namespace doorslam::host
