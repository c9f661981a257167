#include "pipeline/base/utf8.h"

#include <gtest/gtest.h>

#include "pipeline/base/text.h"

namespace doorslam {
namespace {

TEST(Utf8, AcceptsExactlyTheWellFormed) {
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x9A\xAA"));
  for (const char* bad :
       {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << escaped(bad);
  }
  EXPECT_EQ(to_utf8("a\xFF\xC3\xA4\xE2\x82"), "a\\xff\xC3\xA4\\xe2\\x82");
}

}  // namespace
}  // namespace doorslam
