#include <gtest/gtest.h>

#include "tests/unit/packet/decoding.h"
#include "tests/unit/packet/sample_frames.h"

namespace doorslam::packet {
namespace {

using namespace doorslam::test;

constexpr std::string_view kRouter = "203.0.113.1";
constexpr std::string_view kRouter6 = "2001:db8:f::1";

Frame icmp4(std::uint8_t type, std::uint8_t code) {
  return Frame().ethernet().vlan(9).ipv4(kRouter, kClient, {.ttl = 250}).icmp(type, code);
}
Frame icmp6(std::uint8_t type, std::uint8_t code) {
  return Frame().ethernet().ipv6(kRouter6, kClient6, {.hop_limit = 60}).icmpv6(type, code);
}

TEST(Icmp, ErrorsQuoteTheSegment) {
  for (const std::uint8_t type : Bytes{3, 4, 5, 11, 12}) {
    const Decoded decoded = decode(icmp4(type, 13).ipv4(kClient, kServer).tcp(kSampleTcp).bytes());
    ASSERT_EQ(decoded.outcome, DecodeOutcome::icmp_error);
    EXPECT_EQ(decoded.error.type, type);
    EXPECT_EQ(decoded.error.code, 13);
    EXPECT_EQ(decoded.error.reporter, address(kRouter));
    EXPECT_EQ(decoded.error.source, endpoint(kClient, 50123));
    EXPECT_EQ(decoded.error.destination, endpoint(kServer, 8443));
    EXPECT_EQ(decoded.error.seq, 0x01020304U);
    EXPECT_EQ(decoded.error.ttl, 250);
    EXPECT_EQ(decoded.error.vlan, 9);
    EXPECT_EQ(decoded.error.time_ns, 1);
    EXPECT_EQ(decoded.error.number, 1U);
  }
}

TEST(Icmp, Version6ErrorsQuoteTheSegment) {
  for (const std::uint8_t type : Bytes{1, 2, 3, 4}) {
    const Decoded decoded = decode(icmp6(type, 1).ipv6(kClient6, kServer6).tcp(kSampleTcp).bytes());
    ASSERT_EQ(decoded.outcome, DecodeOutcome::icmp_error);
    EXPECT_EQ(decoded.error.type, type);
    EXPECT_EQ(decoded.error.reporter, address(kRouter6));
    EXPECT_EQ(decoded.error.source, endpoint(kClient6, 50123));
    EXPECT_EQ(decoded.error.destination, endpoint(kServer6, 8443));
    EXPECT_EQ(decoded.error.ttl, 60);
  }
}

TEST(Icmp, EightOctetsOfTcpAreEnough) {
  const Bytes eight = {0xc3, 0xcb, 0x20, 0xfb, 1, 2, 3, 4};
  const auto quote = [&](std::size_t octets) {
    const Bytes start(eight.begin(), eight.begin() + static_cast<long>(octets));
    return decode(icmp4(3, 1).ipv4(kClient, kServer, {.protocol = 6, .total_length = 1500}).raw(start).bytes());
  };
  EXPECT_EQ(quote(8).outcome, DecodeOutcome::icmp_error) << "the quoted total length is that of the whole packet";
  EXPECT_EQ(quote(8).error.seq, 0x01020304U);
  EXPECT_EQ(quote(7).outcome, DecodeOutcome::icmp_truncated);
  EXPECT_EQ(quote(0).outcome, DecodeOutcome::icmp_truncated);
}

TEST(Icmp, QuotedOptionsAndExtensions) {
  EXPECT_EQ(decode(icmp4(3, 3).ipv4(kClient, kServer, {.options = Bytes(8, 1)}).tcp(kSampleTcp).bytes()).error.seq,
            0x01020304U);
  const Bytes hop_by_hop = Bytes{0} + Bytes(6, 0);
  const Decoded decoded = decode(
      icmp6(1, 4).ipv6(kClient6, kServer6).extension(0, hop_by_hop).ipv6_fragment(0, true, 5).tcp(kSampleTcp).bytes());
  ASSERT_EQ(decoded.outcome, DecodeOutcome::icmp_error);
  EXPECT_EQ(decoded.error.seq, 0x01020304U);
}

TEST(Icmp, OtherMessages) {
  EXPECT_EQ(decode(icmp4(8, 0).raw(Bytes(56, 0)).bytes()).outcome, DecodeOutcome::icmp_other) << "echo";
  EXPECT_EQ(decode(icmp6(135, 0).raw(Bytes(24, 0)).bytes()).outcome, DecodeOutcome::icmp_other) << "neighbour";
  EXPECT_EQ(decode(icmp4(3, 3).ipv4(kClient, kServer).udp().bytes()).outcome, DecodeOutcome::icmp_other);
  const Ipv4Fields later = {.fragment_octets = 1480};
  EXPECT_EQ(decode(icmp4(11, 1).ipv4(kClient, kServer, later).tcp().bytes()).outcome, DecodeOutcome::icmp_other)
      << "a later fragment has no TCP header";
  const Bytes quoted = icmp4(3, 3).bytes();
  EXPECT_EQ(decode(quoted).outcome, DecodeOutcome::icmp_truncated) << "an error that quotes nothing";
}

TEST(Icmp, WrongChecksumIsDropped) {
  Bytes frame = icmp4(3, 1).ipv4(kClient, kServer).tcp(kSampleTcp).bytes();
  frame.back() ^= 1U;
  EXPECT_EQ(decode(frame).outcome, DecodeOutcome::icmp_checksum_bad);
  Bytes frame6 = icmp6(1, 1).ipv6(kClient6, kServer6).tcp(kSampleTcp).bytes();
  frame6.back() ^= 1U;
  EXPECT_EQ(decode(frame6).outcome, DecodeOutcome::icmp_checksum_bad);
  DecodeOptions options;
  options.verify_checksums = false;
  EXPECT_EQ(decode(frame, 1, options).outcome, DecodeOutcome::icmp_error);
}

// Cut at every octet: named, and an error as soon as ports and sequence number are there.
TEST(Icmp, CutByTheSnapLength) {
  for (const Bytes& frame : {icmp4(3, 1).ipv4(kClient, kServer).tcp(kSampleTcp).bytes(),
                             icmp6(1, 1).ipv6(kClient6, kServer6).tcp(kSampleTcp).bytes()}) {
    for (std::size_t snap = 0; snap < frame.size(); ++snap) {
      Decoder decoder({});
      const Decoded decoded = decode_with(decoder, raw_packet(frame, 1, 1, snap));
      EXPECT_EQ(decoded.outcome == DecodeOutcome::icmp_error, snap >= frame.size() - 12) << snap;
    }
  }
}

}  // namespace
}  // namespace doorslam::packet
