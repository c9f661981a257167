#include <gtest/gtest.h>

#include <cmath>

#include <nlohmann/json.hpp>

#include "pipeline/alert/json_line.h"
#include "pipeline/alert/terminal.h"
#include "pipeline/alert/text.h"
#include "pipeline/base/wrap.h"
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

TEST(Text, WritesTimesForAPerson) { EXPECT_EQ(person_time(sample::kEpoch), "2026-01-02 03:04:05.000"); }

TEST(Utf8, AcceptsExactlyTheWellFormed) {
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x9A\xAA"));
  for (const char* bad :
       {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "\xE2\x82"}) {
    EXPECT_FALSE(is_utf8(bad)) << escaped(bad);
  }
  EXPECT_EQ(to_utf8("a\xFF\xC3\xA4\xE2\x82"), "a\\xff\xC3\xA4\\xe2\\x82");
}

/// Whatever octets a server sends, a record must stay one line of valid JSON.
TEST(JsonLine, StaysValidForEveryOctet) {
  JsonLine line;
  std::string all;
  for (int octet = 0; octet < 256; ++octet) {
    const std::string text = std::string(20, 'x') + static_cast<char>(octet) + "tail of some length";
    all += static_cast<char>(octet);
    line.begin();
    line.text("banner", text);
    const std::string out(line.end());
    const auto parsed = nlohmann::json::parse(out, nullptr, false);
    ASSERT_FALSE(parsed.is_discarded()) << octet << ": " << out;
    EXPECT_EQ(out.find('\n'), out.size() - 1) << octet;
    if (octet < 0x80) {
      EXPECT_EQ(parsed["banner"].get<std::string>(), text);
    }
  }
  line.begin();
  line.text("banner", all);
  EXPECT_FALSE(nlohmann::json::parse(line.end(), nullptr, false).is_discarded());
}

TEST(JsonLine, WritesRatiosWithFourDigitsAtMost) {
  JsonLine line;
  line.begin();
  for (const double value : {0.0, 1.0, 0.5, 0.87, 0.12345, 0.00004, 0.99996, -1.0, 7.0, std::nan("")})
    line.ratio("r", value);
  EXPECT_EQ(line.end(),
            "{\"r\":0,\"r\":1,\"r\":0.5,\"r\":0.87,\"r\":0.1235,\"r\":0,\"r\":1,\"r\":0,\"r\":1,\"r\":0}\n");
}

TEST(Wrap, BreaksAtBlanksAndHangsBelowItsBullet) {
  EXPECT_EQ(wrap("one two three four", 12, 4, "  +"), "  + one two\n    three\n    four\n");
  EXPECT_EQ(wrap("", 10, 2), "  \n");
  EXPECT_EQ(columns("──▶"), 3U);
}

TEST(Terminal, ColoursOnlyWhereAskedTo) {
  EXPECT_EQ(Terminal(false).paint(Ink::red, "x"), "x");
  EXPECT_EQ(Terminal(true).paint(Ink::red, "x"), "\x1b[1;31mx\x1b[0m");
}

}  // namespace
}  // namespace doorslam::alert
