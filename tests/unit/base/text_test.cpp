#include "pipeline/base/text.h"

#include <gtest/gtest.h>

#include "tests/unit/alert/sample.h"

namespace doorslam {
namespace {

using namespace std::string_view_literals;
using flowtable::kMicrosecondNs;
using flowtable::kMillisecondNs;
using flowtable::kSecondNs;

TEST(Text, WritesAddressesInTheirUsualForm) {
  EXPECT_EQ(text_of(alert::sample::endpoint("192.0.2.1", 80)), "192.0.2.1:80");
  EXPECT_EQ(text_of(alert::sample::endpoint("2001:db8:0:0:1::1", 443)), "[2001:db8::1:0:0:1]:443") << "RFC 5952";
  EXPECT_EQ(text_of(alert::sample::address("255.255.255.255")), "255.255.255.255");
  EXPECT_EQ(text_of(alert::sample::address("fd00::2a")), "fd00::2a");
}

TEST(Text, SaysDurationsInASentenceRoughly) {
  EXPECT_EQ(in_words(0), "0 µs");
  EXPECT_EQ(in_words(250 * kMicrosecondNs), "250 µs");
  EXPECT_EQ(in_words(1'400 * kMicrosecondNs), "1.4 ms");
  EXPECT_EQ(in_words(12 * kMillisecondNs), "12 ms");
  EXPECT_EQ(in_words(3'500 * kMillisecondNs), "3.5 s");
  EXPECT_EQ(in_words(90 * kSecondNs), "90.0 s");
  EXPECT_EQ(in_words(240 * kSecondNs), "4 min");
  EXPECT_EQ(in_words(-3'500 * kMillisecondNs), "3.5 s") << "a distance in time has no sign";
}

TEST(Text, SaysDurationsThatStandAloneAsFinelyAsTheyAreCompared) {
  EXPECT_EQ(person_duration(850 * kMicrosecondNs), "850 µs");
  EXPECT_EQ(person_duration(12'400 * kMicrosecondNs), "12.4 ms");
  EXPECT_EQ(person_duration(250 * kSecondNs), "4 min 10 s");
  EXPECT_EQ(person_duration(7'500 * kSecondNs), "2 h 05 min");
}

TEST(Text, CountsInSingularAndPlural) {
  EXPECT_EQ(grouped(1'234'567), "1,234,567");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(counted(0, "client"), "0 clients");
  EXPECT_EQ(counted(1, "packet"), "1 packet");
  EXPECT_EQ(counted(1'000, "packet"), "1,000 packets");
  EXPECT_EQ(counted(2, "reply", "replies"), "2 replies");
}

/// A server must not be able to write a backslash that reads as an escape of doorslam's.
TEST(Text, EscapesWhatCannotBeShownAndTheEscapeItself) {
  EXPECT_EQ(escaped("220 ok\r\n"), R"(220 ok\r\n)");
  EXPECT_EQ(escaped("\x00\x1b[31m\x7f\xff\t\\"sv), R"(\x00\x1b[31m\x7f\xff\t\\)");
  EXPECT_EQ(escaped("C:\\new"), R"(C:\\new)");
  EXPECT_EQ(escaped("ab\xff", 5), "ab") << "never cut within an escape";
  EXPECT_EQ(escaped("ab\xff", 6), R"(ab\xff)");
}

}  // namespace
}  // namespace doorslam
