#include "pipeline/diagnose/capture_quality.h"

#include <gtest/gtest.h>

#include <cstring>

#include "pipeline/diagnose/protocol_marks.h"

namespace doorslam::diagnose {
namespace {

tcp::PayloadHead head_of(std::string_view text) {
  tcp::PayloadHead head;
  std::memcpy(head.bytes.data(), text.data(), text.size());
  head.length = static_cast<std::uint16_t>(text.size());
  return head;
}

TEST(Banner, IsPrintableWhateverTheServerSent) {
  EXPECT_EQ(banner_of(head_of("220 ok\r\n"), 200), "220 ok\\r\\n");
  EXPECT_EQ(banner_of(head_of(std::string_view("\x00\x1b[31m\x7f\xff\t\\", 10)), 200),
            "\\x00\\x1b[31m\\x7f\\xff\\t\\\\");
}

TEST(Banner, IsNeverCutWithinAnEscape) {
  const tcp::PayloadHead head = head_of(
      "ab\xff"
      "c");
  EXPECT_EQ(banner_of(head, 2), "ab");
  EXPECT_EQ(banner_of(head, 5), "ab");
  EXPECT_EQ(banner_of(head, 6), "ab\\xff");
  EXPECT_EQ(banner_of(head, 7), "ab\\xffc");
}

TEST(Caveats, OfAWholeConnectionAreNone) { EXPECT_TRUE(caveats_of(tcp::ConnectionSummary{}, nullptr).empty()); }

TEST(Caveats, NameEverythingThatIsLacking) {
  tcp::ConnectionSummary summary;
  summary.one_sided = true;
  summary.mid_stream = true;
  summary.orientation_guessed = true;
  summary.evidence_missing = true;
  summary.side[0].gap_bytes = 1;
  summary.duplicates = 3;
  tcp::Evidence evidence;
  evidence.of(tcp::Side::responder).head.incomplete = true;
  EXPECT_EQ(caveats_of(summary, &evidence).size(), 6U) << "one direction and the beginning are one thing";
  summary.one_sided = false;
  EXPECT_EQ(caveats_of(summary, &evidence).size(), 6U);
  // Whoever looks for the lost packets in the capture would find them.
  evidence.begins_late = true;
  EXPECT_EQ(caveats_of({}, &evidence).size(), 1U);
  EXPECT_EQ(caveats_of({}, &evidence).front().find("capture"), std::string::npos);
  summary = {};
  summary.side[0].gap_bytes = 1;
  EXPECT_EQ(caveats_of(summary, nullptr).front(), "1 octet was acknowledged but not captured");
}

TEST(ProtocolMarks, AreThoseOfTheStandards) {
  EXPECT_TRUE(speaks_ssh(head_of("SSH-2.0-x\r\n")));
  EXPECT_FALSE(speaks_ssh(head_of("SSH")));
  EXPECT_TRUE(is_client_hello(head_of(std::string_view("\x16\x03\x01\x00\x05\x01", 6))));
  EXPECT_FALSE(is_client_hello(head_of(std::string_view("\x16\x03\x01\x00\x05\x02", 6)))) << "a ServerHello";
  EXPECT_FALSE(is_client_hello(head_of(std::string_view("\x16\x03\x01\x00\x05", 5)))) << "cut";
}

}  // namespace
}  // namespace doorslam::diagnose
