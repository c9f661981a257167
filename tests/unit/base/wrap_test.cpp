#include "pipeline/base/wrap.h"

#include <gtest/gtest.h>

namespace doorslam {
namespace {

TEST(Wrap, BreaksAtBlanksAndHangsBelowItsBullet) {
  EXPECT_EQ(wrap("one two three four", 12, 4, "  +"), "  + one two\n    three\n    four\n");
  EXPECT_EQ(wrap("", 10, 2), "  \n");
  EXPECT_EQ(columns("──▶"), 3U);
}

}  // namespace
}  // namespace doorslam
