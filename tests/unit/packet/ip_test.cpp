#include <gtest/gtest.h>

#include "tests/unit/packet/decoding.h"
#include "tests/unit/packet/sample_frames.h"

namespace doorslam::packet {
namespace {

using namespace doorslam::test;

constexpr std::size_t kIp = 14;  ///< where the IP header starts in an Ethernet frame

Bytes v4(const Ipv4Fields& fields) {
  return Frame().ethernet().ipv4(kClient, kServer, fields).tcp(kSampleTcp).payload(kSamplePayload).bytes();
}

DecodeOutcome outcome_with(Bytes frame, std::size_t at, std::uint8_t value) {
  frame[at] = value;
  DecodeOptions options;
  options.verify_checksums = false;
  return decode(frame, 1, options).outcome;
}

TEST(Ipv4, HeaderThatMakesNoSense) {
  EXPECT_EQ(outcome_with(v4({}), kIp, 0x55), DecodeOutcome::ip_header_bad) << "version 5";
  EXPECT_EQ(outcome_with(v4({}), kIp, 0x44), DecodeOutcome::ip_header_bad) << "header of 16 octets";
  EXPECT_EQ(decode(v4({.total_length = 19})).outcome, DecodeOutcome::ip_header_bad);
}

TEST(Ipv4, LongerThanTheFrame) { EXPECT_EQ(decode(v4({.total_length = 2000})).outcome, DecodeOutcome::ip_truncated); }

TEST(Ipv4, WrongHeaderChecksumIsDropped) {
  const Bytes frame = v4({.bad_checksum = true});
  EXPECT_EQ(decode(frame).outcome, DecodeOutcome::ip_checksum_bad);
  EXPECT_EQ(outcome_with(frame, 0, 2), DecodeOutcome::tcp) << "nothing is verified with -C";
  EXPECT_EQ(decode(v4({.options = Bytes(8, 1), .bad_checksum = true})).outcome, DecodeOutcome::ip_checksum_bad);
}

TEST(Ipv4, FieldsAreKept) {
  const Decoded decoded = decode(v4({.ttl = 47, .id = 0xbeef, .dont_fragment = false}));
  EXPECT_EQ(decoded.segment.ttl, 47);
  EXPECT_EQ(decoded.segment.ip_id, 0xbeef);
  EXPECT_FALSE(decoded.segment.dont_fragment);
}

// Ethernet pads to 60 octets: a SYN must not come out with payload.
TEST(Ipv4, PaddingIsNoPayload) {
  const Bytes frame = Frame().ethernet().ipv4(kClient, kServer).tcp().trailer(Bytes(6, 0xaa)).bytes();
  const Decoded decoded = decode(frame);
  EXPECT_EQ(decoded.segment.payload_length, 0U);
  EXPECT_TRUE(decoded.segment.payload.empty());
  EXPECT_FALSE(decoded.segment.checksum_bad);
}

TEST(Ip, OtherTransportsAreNamed) {
  const auto transport = [](int protocol) {
    return decode(Frame().ethernet().ipv4(kClient, kServer, {.protocol = protocol}).raw(Bytes(40, 0)).bytes()).outcome;
  };
  EXPECT_EQ(transport(17), DecodeOutcome::udp);
  EXPECT_EQ(transport(50), DecodeOutcome::encrypted);
  EXPECT_EQ(transport(132), DecodeOutcome::not_tcp) << "SCTP";
  EXPECT_EQ(transport(0), DecodeOutcome::not_tcp) << "IPv4 has no hop-by-hop header";
  EXPECT_EQ(transport(58), DecodeOutcome::not_tcp) << "ICMPv6 belongs to IPv6";
  const auto transport6 = [](int next) {
    return decode(Frame().ethernet().ipv6(kClient6, kServer6, {.next_header = next}).raw(Bytes(40, 0)).bytes()).outcome;
  };
  EXPECT_EQ(transport6(59), DecodeOutcome::not_tcp);
  EXPECT_EQ(transport6(50), DecodeOutcome::encrypted);
  EXPECT_EQ(transport6(1), DecodeOutcome::not_tcp) << "ICMP belongs to IPv4";
}

TEST(Ipv6, LongerThanTheFrame) {
  const Bytes frame = Frame().ethernet().ipv6(kClient6, kServer6, {.payload_length = 2000}).tcp().bytes();
  EXPECT_EQ(decode(frame).outcome, DecodeOutcome::ip_truncated);
}

TEST(Ipv6, ExtensionBeyondTheDatagram) {
  const Bytes frame = Frame().ethernet().ipv6(kClient6, kServer6).extension(0, Bytes{200} + Bytes(6, 0)).tcp().bytes();
  EXPECT_EQ(decode(frame).outcome, DecodeOutcome::ip_header_bad);
}

TEST(Ipv6, ExtensionsWithoutEnd) {
  Frame frame = Frame().ethernet().ipv6(kClient6, kServer6);
  for (int i = 0; i < 40; ++i) frame.extension(60, Bytes{0} + Bytes(6, 0));
  EXPECT_EQ(decode(frame.tcp().bytes()).outcome, DecodeOutcome::ip_header_bad);
}

// The connection is that of the last hop, and its address is in the checksum (RFC 8200, section 8.1).
TEST(Ipv6, RoutingHeaderNamesTheFinalDestination) {
  const auto final_address = address(kServer6).octets;
  for (const std::uint8_t type : Bytes{0, 2, 4}) {
    const Bytes route = Bytes{2, type, 1, 0, 0, 0, 0} + Bytes(final_address.begin(), final_address.end());
    Bytes frame = Frame().ethernet().ipv6(kClient6, kServer6).extension(43, route).tcp().bytes();
    frame[kIp + 24 + 15] = 0x77;  // the packet is on its way to another address
    const Decoded decoded = decode(frame);
    ASSERT_EQ(decoded.outcome, DecodeOutcome::tcp);
    EXPECT_EQ(decoded.segment.destination.address, address(kServer6));
    EXPECT_FALSE(decoded.segment.checksum_bad);
  }
}

TEST(Ipv6, HomeAddressIsTheSource) {
  const auto home = address(kClient6).octets;
  const Bytes option = Bytes{2, 1, 2, 0, 0, 0xc9, 16} + Bytes(home.begin(), home.end());
  Bytes frame = Frame().ethernet().ipv6(kClient6, kServer6).extension(60, option).tcp().bytes();
  frame[kIp + 8 + 15] = 0x77;
  const Decoded decoded = decode(frame);
  ASSERT_EQ(decoded.outcome, DecodeOutcome::tcp);
  EXPECT_EQ(decoded.segment.source.address, address(kClient6));
  EXPECT_FALSE(decoded.segment.checksum_bad);
}

}  // namespace
}  // namespace doorslam::packet
