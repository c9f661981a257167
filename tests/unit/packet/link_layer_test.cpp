#include <gtest/gtest.h>

#include "tests/unit/packet/decoding.h"
#include "tests/unit/packet/sample_frames.h"

namespace doorslam::packet {
namespace {

using namespace doorslam::test;

TEST(LinkLayer, UnknownLinkTypeIsNamed) {
  EXPECT_EQ(decode(sample_v4(), 147).outcome, DecodeOutcome::link_type_unknown);
}

TEST(LinkLayer, OtherProtocolsAreNamed) {
  const auto ethertype = [](std::uint16_t type) {
    return decode(Frame().ethernet().next(type).raw(Bytes(46, 0)).bytes()).outcome;
  };
  EXPECT_EQ(ethertype(0x0806), DecodeOutcome::arp);
  EXPECT_EQ(ethertype(0x8035), DecodeOutcome::arp);
  EXPECT_EQ(ethertype(0x88cc), DecodeOutcome::not_ip);
  EXPECT_EQ(ethertype(0x8863), DecodeOutcome::not_ip) << "PPPoE discovery";
  EXPECT_EQ(ethertype(0x05dd), DecodeOutcome::not_ip) << "neither length nor ethertype";
}

TEST(LinkLayer, SpanningTreeIsNotIp) {
  EXPECT_EQ(decode(Frame().ethernet().next(38).raw({0x42, 0x42, 3}).raw(Bytes(43, 0)).bytes()).outcome,
            DecodeOutcome::not_ip);
}

TEST(LinkLayer, SnapOfAnotherOrganisationIsNotIp) {
  const Bytes cdp = {0xaa, 0xaa, 3, 0, 0, 0x0c, 8, 0};
  EXPECT_EQ(decode(sample_v4(Frame().ethernet().next(60).raw(cdp))).outcome, DecodeOutcome::not_ip);
}

// The PPPoE length of some access concentrators is short; the IP header knows better.
TEST(LinkLayer, WrongPppoeLengthDoesNotMatter) {
  Bytes frame = sample_v4(Frame().ethernet().pppoe());
  frame[14 + 5] = 20;
  EXPECT_EQ(decode(frame).payload(), kSamplePayload);
}

TEST(LinkLayer, PppSignallingIsNotIp) {
  EXPECT_EQ(decode(Frame().ethernet().pppoe().next(0xc021).raw(Bytes(8, 0)).bytes()).outcome, DecodeOutcome::not_ip);
}

TEST(LinkLayer, PriorityTagHasNoVlan) { EXPECT_EQ(decode(sample_v4(Frame().ethernet().vlan(0xe000))).segment.vlan, 0); }

TEST(LinkLayer, TagsWithoutEndAreNotFollowed) {
  Frame frame;
  frame.ethernet();
  for (int i = 0; i < 100; ++i) frame.vlan(1);
  EXPECT_EQ(decode(sample_v4(frame)).outcome, DecodeOutcome::nested_too_deep);
  Frame labels;
  labels.ethernet();
  for (std::uint32_t i = 0; i < 100; ++i) labels.mpls(i, false);
  EXPECT_EQ(decode(labels.bytes()).outcome, DecodeOutcome::nested_too_deep);
}

TEST(LinkLayer, EncryptedRadioFramesAreNamed) {
  EXPECT_EQ(decode(sample_v4(Frame().raw(Bytes{0x08, 0x41} + Bytes(22, 0))), 105).outcome, DecodeOutcome::encrypted);
  EXPECT_EQ(decode(Frame().raw(Bytes{0x80, 0x00} + Bytes(60, 0)).bytes(), 105).outcome, DecodeOutcome::not_ip)
      << "a beacon";
}

TEST(LinkLayer, RadiotapLengthBeyondTheFrame) {
  EXPECT_EQ(decode({0, 0, 0xff, 0xff, 0, 0, 0, 0}, 127).outcome, DecodeOutcome::frame_truncated);
}

TEST(LinkLayer, LoopbackOfAnotherFamilyIsNotIp) {
  EXPECT_EQ(decode(sample_v4(Frame().raw({7, 0, 0, 0})), 0).outcome, DecodeOutcome::not_ip);
}

}  // namespace
}  // namespace doorslam::packet
