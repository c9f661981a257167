#include <gtest/gtest.h>

#include "tests/unit/packet/decoding.h"
#include "tests/unit/packet/sample_frames.h"

namespace doorslam::packet {
namespace {

using namespace doorslam::test;

Bytes frame_of(const TcpFields& fields, std::string_view payload = {}) {
  return Frame().ethernet().ipv4(kClient, kServer).tcp(fields).payload(payload).bytes();
}

TcpOptions options_of(const Bytes& options) { return decode(frame_of({.options = options})).segment.options; }

TEST(Tcp, OptionsOfAUsualSyn) {
  const TcpOptions options =
      options_of(tcp_option::mss(1460) + tcp_option::sack_permitted() + tcp_option::timestamps(0x11223344, 0x55667788) +
                 tcp_option::nop() + tcp_option::window_scale(7));
  EXPECT_EQ(options.present,
            TcpOptions::kMss | TcpOptions::kSackPermitted | TcpOptions::kTimestamps | TcpOptions::kWindowScale);
  EXPECT_EQ(options.mss, 1460);
  EXPECT_EQ(options.window_scale, 7);
  EXPECT_EQ(options.timestamp_value, 0x11223344U);
  EXPECT_EQ(options.timestamp_echo, 0x55667788U);
}

// The short cut for padded timestamps gives what the loop gives for other paddings.
TEST(Tcp, TimestampsInAnyPadding) {
  const TcpOptions usual = options_of(tcp_option::nop() + tcp_option::nop() + tcp_option::timestamps(7, 8));
  EXPECT_EQ(usual.present, TcpOptions::kTimestamps);
  EXPECT_EQ(usual.timestamp_value, 7U);
  EXPECT_EQ(usual.timestamp_echo, 8U);
  EXPECT_EQ(options_of(tcp_option::timestamps(7, 8)), usual);
  EXPECT_EQ(options_of(tcp_option::nop() + tcp_option::timestamps(7, 8)), usual);
}

TEST(Tcp, OtherOptions) {
  EXPECT_EQ(options_of({5, 10, 0, 0, 0, 1, 0, 0, 0, 2}).present, TcpOptions::kSack);
  EXPECT_EQ(options_of({34, 2}).present, TcpOptions::kFastOpen) << "cookie request";
  EXPECT_EQ(options_of({34, 10, 1, 2, 3, 4, 5, 6, 7, 8}).present, TcpOptions::kFastOpen);
  EXPECT_EQ(options_of({254, 4, 0xf9, 0x89}).present, TcpOptions::kFastOpen) << "experimental";
  EXPECT_EQ(options_of({254, 4, 0xf9, 0x88}).present, 0);
  EXPECT_EQ(options_of({30, 4, 0, 0}).present, 0) << "MPTCP is skipped";
  EXPECT_EQ(options_of({0, 3, 3, 7}).present, 0) << "nothing after the end of the list";
}

TEST(Tcp, MalformedOptions) {
  EXPECT_EQ(options_of({30, 1, 1, 1}).present, TcpOptions::kMalformed) << "length 1";
  EXPECT_EQ(options_of({30, 0, 1, 1}).present, TcpOptions::kMalformed) << "length 0 must not loop";
  EXPECT_EQ(options_of({30, 5, 1, 1}).present, TcpOptions::kMalformed) << "beyond the header";
  EXPECT_EQ(options_of({1, 1, 1, 30}).present, TcpOptions::kMalformed) << "no length";
  EXPECT_EQ(options_of({2, 3, 1, 0}).present, TcpOptions::kMalformed) << "MSS of one octet";
  EXPECT_EQ(options_of({3, 4, 1, 0}).present, TcpOptions::kMalformed);
  EXPECT_EQ(options_of({4, 3, 1, 0}).present, TcpOptions::kMalformed);
  EXPECT_EQ(options_of({5, 4, 1, 0}).present, TcpOptions::kMalformed);
  EXPECT_EQ(options_of({8, 4, 1, 0}).present, TcpOptions::kMalformed);
  EXPECT_EQ(options_of(tcp_option::mss(9) + Bytes{30, 9, 0, 0}).present, TcpOptions::kMss | TcpOptions::kMalformed);
}

TEST(Tcp, DataOffsetThatMakesNoSense) {
  EXPECT_EQ(decode(frame_of({.data_offset = 4})).outcome, DecodeOutcome::tcp_header_bad);
  EXPECT_EQ(decode(frame_of({.data_offset = 6})).outcome, DecodeOutcome::tcp_header_bad);
  EXPECT_EQ(decode(frame_of({.data_offset = 6}, "data")).outcome, DecodeOutcome::tcp);
}

TEST(Tcp, DatagramShorterThanAHeader) {
  const Bytes frame = Frame().ethernet().ipv4(kClient, kServer, {.protocol = 6}).raw(Bytes(19, 0)).bytes();
  EXPECT_EQ(decode(frame).outcome, DecodeOutcome::tcp_header_bad);
}

TEST(Tcp, BadChecksumIsReportedNotDropped) {
  Decoder decoder({});
  const Bytes frame = frame_of({.bad_checksum = true}, "abc");
  const Decoded decoded = decode_with(decoder, raw_packet(frame));
  EXPECT_EQ(decoded.outcome, DecodeOutcome::tcp);
  EXPECT_TRUE(decoded.segment.checksum_bad);
  EXPECT_EQ(decoded.payload(), "abc");
  EXPECT_EQ(decoder.counters().tcp_checksum_bad, 1U);
  EXPECT_EQ(decoder.counters().of(DecodeOutcome::tcp), 1U);
}

TEST(Tcp, ChecksumsAreIgnoredWhenTold) {
  DecodeOptions options;
  options.verify_checksums = false;
  EXPECT_FALSE(decode(frame_of({.bad_checksum = true}), 1, options).segment.checksum_bad);
}

// Every single octet counts into the checksum, those of the addresses included.
TEST(Tcp, EveryOctetIsVerified) {
  const Bytes good = Frame().ethernet().ipv6(kClient6, kServer6).tcp(kSampleTcp).payload("odd").bytes();
  for (std::size_t at = 14 + 8; at < good.size(); ++at) {
    Bytes frame = good;
    frame[at] ^= 0x04;
    const Decoded decoded = decode(frame);
    if (decoded.outcome == DecodeOutcome::tcp) {
      EXPECT_TRUE(decoded.segment.checksum_bad) << at;
    }
  }
}

TEST(Tcp, NothingIsLeftOfTheSegmentBefore) {
  Decoder decoder({});
  Segment segment;
  IcmpError error;
  const Bytes first = Frame()
                          .ethernet()
                          .vlan(5)
                          .ipv6("fd00::1", "fd00::2")
                          .ipv6(kClient6, kServer6)
                          .tcp({.options = tcp_option::mss(9), .bad_checksum = true})
                          .bytes();
  const Bytes second = sample_v4(Frame().ethernet());
  ASSERT_EQ(decoder.decode(raw_packet(first), segment, error), DecodeOutcome::tcp);
  ASSERT_EQ(decoder.decode(raw_packet(second, 1, 99), segment, error), DecodeOutcome::tcp);
  EXPECT_EQ(segment.source, endpoint(kClient, 50123));
  EXPECT_EQ(segment.destination, endpoint(kServer, 8443));
  EXPECT_EQ(segment.options, TcpOptions{});
  EXPECT_EQ(segment.vlan, 0);
  EXPECT_EQ(segment.time_ns, 99);
  EXPECT_FALSE(segment.tunneled);
  EXPECT_FALSE(segment.checksum_bad);
}

}  // namespace
}  // namespace doorslam::packet
