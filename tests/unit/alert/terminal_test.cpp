#include "pipeline/alert/terminal.h"

#include <gtest/gtest.h>

namespace doorslam::alert {
namespace {

TEST(Terminal, ColoursOnlyWhereAskedTo) {
  EXPECT_EQ(Terminal(false).paint(Ink::red, "x"), "x");
  EXPECT_EQ(Terminal(true).paint(Ink::red, "x"), "\x1b[1;31mx\x1b[0m");
}

}  // namespace
}  // namespace doorslam::alert
