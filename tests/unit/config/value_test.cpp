#include <gtest/gtest.h>

#include "config/value.h"

namespace doorslam::config {
namespace {

constexpr Key kCount{.name = "n", .kind = ValueKind::count, .fallback = "5", .least = 2, .most = 100, .help = ""};
constexpr Key kTime{
    .name = "t", .kind = ValueKind::duration, .fallback = "1", .least = 0, .most = 600'000'000'000, .help = ""};
constexpr Key kSize{
    .name = "s", .kind = ValueKind::size, .fallback = "1", .least = 0, .most = std::int64_t{8} << 30, .help = ""};
constexpr Key kPorts{.name = "p", .kind = ValueKind::numbers, .fallback = "", .least = 1, .most = 65'535, .help = ""};
constexpr Key kFlag{.name = "f", .kind = ValueKind::flag, .fallback = "false", .help = ""};
constexpr Key kChoice{.name = "c", .kind = ValueKind::choice, .fallback = "full", .choices = "full|none", .help = ""};
constexpr Key kText{.name = "x", .kind = ValueKind::text, .fallback = "", .help = ""};
constexpr Key kPaths{.name = "d", .kind = ValueKind::paths, .fallback = "", .help = ""};

std::int64_t number(const Key& key, std::string_view text) {
  const auto value = parse_value(key, text);
  return value ? std::get<std::int64_t>(*value) : -1;
}

std::string refusal(const Key& key, std::string_view text) {
  const auto value = parse_value(key, text);
  if (value) return "accepted";
  EXPECT_EQ(value.error().kind, ErrorKind::usage);
  EXPECT_EQ(value.error().message.find('\n'), std::string::npos);
  return value.error().message;
}

TEST(Value, CountsAreWholeNumbersWithinTheirBounds) {
  EXPECT_EQ(number(kCount, "2"), 2);
  EXPECT_EQ(number(kCount, " 100 "), 100);
  EXPECT_EQ(refusal(kCount, "1"), "n: \"1\" is out of range; allowed: 2 to 100");
  EXPECT_EQ(refusal(kCount, "101"), "n: \"101\" is out of range; allowed: 2 to 100");
  for (const std::string_view text : {"", "abc", "5x", "5.0", "0x10", "1e2", "99999999999999999999", "5 5", "+5"}) {
    EXPECT_EQ(refusal(kCount, text), "n: \"" + std::string(text) + "\" is no whole number; allowed: 2 to 100");
  }
}

TEST(Value, DurationsTakeUnitsAndBareNumbersAreSeconds) {
  EXPECT_EQ(number(kTime, "10"), 10'000'000'000);
  EXPECT_EQ(number(kTime, "10s"), 10'000'000'000);
  EXPECT_EQ(number(kTime, "500ms"), 500'000'000);
  EXPECT_EQ(number(kTime, "5m"), 300'000'000'000);
  EXPECT_EQ(number(kTime, "0.25"), 250'000'000);
  EXPECT_EQ(number(kTime, "1.5 s"), 1'500'000'000);
  EXPECT_EQ(number(kTime, "7us"), 7'000);
  EXPECT_EQ(number(kTime, "7ns"), 7);
  EXPECT_EQ(refusal(kTime, "11m"), "t: \"11m\" is out of range; allowed: 0s to 10m");
  EXPECT_EQ(refusal(kTime, "400000000000h"), "t: \"400000000000h\" is out of range; allowed: 0s to 10m");
  for (const std::string_view text : {"", "s", "-1", "1e3", "10x", "1.2.3", "inf", "nan", "."}) {
    EXPECT_NE(refusal(kTime, text).find("is no length of time (10, 10s, 500ms, 5m)"), std::string::npos) << text;
  }
}

TEST(Value, SizesTakeBinaryUnits) {
  EXPECT_EQ(number(kSize, "4096"), 4096);
  EXPECT_EQ(number(kSize, "64KiB"), 64 << 10);
  EXPECT_EQ(number(kSize, "4 MiB"), 4 << 20);
  EXPECT_EQ(number(kSize, "1.5GiB"), std::int64_t{3} << 29);
  EXPECT_EQ(number(kSize, "9GiB"), -1);
  for (const std::string_view text : {"4MB", "4k", "KiB", "-1"}) {
    EXPECT_NE(refusal(kSize, text).find("is no size (4096, 64KiB, 4MiB, 1GiB)"), std::string::npos) << text;
  }
}

TEST(Value, FlagsAndChoicesAreTheirWords) {
  for (const std::string_view yes : {"true", "yes", "on"}) EXPECT_EQ(parse_value(kFlag, yes), Value(true));
  for (const std::string_view no : {"false", "no", "off"}) EXPECT_EQ(parse_value(kFlag, no), Value(false));
  EXPECT_EQ(refusal(kFlag, "1"), "f: \"1\" is neither true nor false; allowed: true or false");
  EXPECT_EQ(parse_value(kChoice, "none"), Value(std::string("none")));
  EXPECT_EQ(refusal(kChoice, "full|none"), "c: \"full|none\" is no choice here; allowed: full or none");
}

TEST(Value, ListsAreSeparatedByCommas) {
  EXPECT_EQ(parse_value(kPorts, "80, 443"), Value(std::vector<std::int64_t>{80, 443}));
  EXPECT_EQ(parse_value(kPorts, ""), Value(std::vector<std::int64_t>{}));
  EXPECT_EQ(parse_value(kPaths, "a,b c"), Value(std::vector<std::string>{"a", "b c"}));
  EXPECT_EQ(refusal(kPorts, "80,80"), "p: 80 is there twice; remove one");
  EXPECT_NE(refusal(kPorts, "80,0").find("\"0\" is out of range"), std::string::npos);
  EXPECT_NE(refusal(kPorts, "80,,81").find("\"\" is no whole number"), std::string::npos);
  EXPECT_NE(refusal(kPaths, "a,,b").find("empty path"), std::string::npos);
  EXPECT_FALSE(parse_list(kPorts, std::vector<std::string>(257, "1")));
  EXPECT_FALSE(parse_list(kCount, {"5"}));
}

/// What print-config shows can be typed after --set.
TEST(Value, ListsMayStandInBrackets) {
  EXPECT_EQ(parse_value(kPorts, "[1, 2]"), Value(std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(parse_value(kPorts, "[]"), Value(std::vector<std::int64_t>{}));
  EXPECT_EQ(parse_value(kPaths, R"(["a, b", c])"), Value(std::vector<std::string>{"a, b", "c"}));
  EXPECT_FALSE(parse_value(kPorts, "[1, [2]]"));
  EXPECT_FALSE(parse_value(kPaths, R"(["a])"));
}

TEST(Value, AMessageShowsAHostileValueHarmlessly) {
  EXPECT_NE(refusal(kCount, "a\x1b[31m\nb").find("\"a?[31m?b\""), std::string::npos);
  EXPECT_LT(refusal(kCount, std::string(5000, 'x')).size(), 200U);
  EXPECT_LT(refusal(kText, std::string(5000, 'x')).size(), 200U);
}

TEST(Value, WhatIsFormattedReadsBackTheSame) {
  const auto round = [](const Key& key, std::string_view text) {
    const auto value = parse_value(key, text);
    return value ? format_value(key, *value) : value.error().message;
  };
  for (const std::string_view text : {"0", "10", "500ms", "1500ms", "7us", "123456789ns"}) {
    EXPECT_EQ(round(kTime, text), text);
  }
  for (const std::string_view text : {"0", "4097", "64KiB", "4MiB", "3GiB"}) EXPECT_EQ(round(kSize, text), text);
  EXPECT_EQ(round(kTime, "5m"), "300");
  EXPECT_EQ(round(kPorts, "80,443"), "[80, 443]");
  EXPECT_EQ(round(kPaths, "a,b\"c"), R"(["a", "b\"c"])");
  EXPECT_EQ(round(kText, "a\n\\"), R"("a\x0a\\")");
}

}  // namespace
}  // namespace doorslam::config
