#include <gtest/gtest.h>

#include <array>
#include <random>

#include "pipeline/packet/plain_frame.h"
#include "tests/unit/packet/decoding.h"

// The straight line for plain frames against the general path, which reads the same datagrams under another link layer.
namespace doorslam::packet {
namespace {

using namespace doorslam::test;

constexpr std::uint32_t kRawIp = 101;

Bytes linux_syn_options() {
  return tcp_option::mss(1460) + tcp_option::sack_permitted() + tcp_option::timestamps(0x01020304, 0x05060708) +
         tcp_option::nop() + tcp_option::window_scale(7);
}
Bytes padded_timestamps() { return tcp_option::nop() + tcp_option::nop() + tcp_option::timestamps(70'000, 80'000); }

/// Options of all kinds and lengths, among them those that have a short cut, and near misses of these.
std::vector<Bytes> option_layouts() {
  Bytes wrong_syn = linux_syn_options();
  wrong_syn[17] = 4;
  return {{},
          padded_timestamps(),
          linux_syn_options(),
          wrong_syn,
          tcp_option::timestamps(1, 2) + tcp_option::nop() + tcp_option::nop(),
          tcp_option::mss(1400),
          tcp_option::mss(1460) + tcp_option::nop() + tcp_option::window_scale(8) + tcp_option::nop() +
              tcp_option::nop() + tcp_option::sack_permitted(),
          padded_timestamps() + Bytes{1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2},
          {30, 1, 1, 1}};
}

constexpr std::array kVersions = {flowtable::IpVersion::v4, flowtable::IpVersion::v6};

std::size_t ip_octets(flowtable::IpVersion version) { return version == flowtable::IpVersion::v4 ? 20 : 40; }

Bytes plain_frame(flowtable::IpVersion version, const Bytes& options, std::string_view payload, bool tagged,
                  const Bytes& trailer = {}) {
  Frame frame;
  frame.ethernet();
  if (tagged) frame.vlan(77);
  if (version == flowtable::IpVersion::v4) {
    frame.ipv4("192.0.2.1", "198.51.100.200", {.ttl = 57, .id = 0xbeef});
  } else {
    frame.ipv6("2001:db8::1", "2001:db8:ffff:1::c8", {.hop_limit = 57});
  }
  return frame.tcp({.seq = 0xfffffff0, .ack = 0x80000001, .flags = 0x18, .window = 501, .options = options})
      .payload(payload)
      .trailer(trailer)
      .bytes();
}

std::string text_of(const Decoded& decoded) {
  const Segment& s = decoded.segment;
  std::string text(name_of(decoded.outcome));
  if (decoded.outcome != DecodeOutcome::tcp) return text;
  for (const flowtable::Endpoint& end : {s.source, s.destination}) {
    text += end.address.version == flowtable::IpVersion::v4 ? " v4" : " v6";
    for (const std::uint8_t octet : end.address.octets) text += " " + std::to_string(octet);
    text += " port " + std::to_string(end.port);
  }
  for (const std::uint64_t number :
       {static_cast<std::uint64_t>(s.time_ns), s.number, std::uint64_t{s.seq}, std::uint64_t{s.ack},
        std::uint64_t{s.payload_length}, std::uint64_t{s.window}, std::uint64_t{s.ip_id}, std::uint64_t{s.flags},
        std::uint64_t{s.ttl}, std::uint64_t{s.dont_fragment}, std::uint64_t{s.checksum_bad}, std::uint64_t{s.tunneled},
        std::uint64_t{s.options.present}, std::uint64_t{s.options.window_scale}, std::uint64_t{s.options.mss},
        std::uint64_t{s.options.timestamp_value}, std::uint64_t{s.options.timestamp_echo}})
    text += " " + std::to_string(number);
  return text + " payload " + std::string(decoded.payload());
}

// A card that has verified the checksums is believed; one that has not, or a tunnel around, changes nothing.
TEST(PlainFrame, WhatTheCardCallsGoodIsNotVerifiedAgain) {
  Bytes frame = plain_frame(flowtable::IpVersion::v4, {}, "payload", false);
  frame.back() ^= 1;
  RawPacket packet{frame, static_cast<std::uint32_t>(frame.size()), link_type::kEthernet, 1, 1};
  Decoder decoder{DecodeOptions{}};
  EXPECT_TRUE(decode_with(decoder, packet).segment.checksum_bad);
  packet.checksums_good = true;
  EXPECT_FALSE(decode_with(decoder, packet).segment.checksum_bad);
  EXPECT_EQ(decoder.counters().tcp_checksum_bad, 1U);

  Bytes tunneled = Frame()
                       .ethernet()
                       .ipv4("10.0.0.1", "10.0.0.2")
                       .ipv4("192.0.2.1", "198.51.100.200")
                       .tcp({})
                       .payload("payload")
                       .bytes();
  tunneled.back() ^= 1;
  RawPacket inside{tunneled, static_cast<std::uint32_t>(tunneled.size()), link_type::kEthernet, 1, 1, true};
  EXPECT_TRUE(decode_with(decoder, inside).segment.checksum_bad);
}

/// Decodes the frame as it is, and its datagram without the link layer.
void expect_same(const RawPacket& packet, std::size_t link_octets, bool verify) {
  DecodeOptions options;
  options.verify_checksums = verify;
  options.reassembly_bytes = 0;
  Decoder plain(options);
  Decoder general(options);
  RawPacket datagram = packet;
  datagram.link_type = kRawIp;
  datagram.captured = packet.captured.subspan(link_octets);
  datagram.wire_length -= static_cast<std::uint32_t>(link_octets);
  const Decoded as_frame = decode_with(plain, packet);
  const Decoded as_datagram = decode_with(general, datagram);
  ASSERT_EQ(text_of(as_frame), text_of(as_datagram));
  ASSERT_EQ(plain.counters().packets, general.counters().packets);
  ASSERT_EQ(plain.counters().tcp_checksum_bad, general.counters().tcp_checksum_bad);
}

/// Calls `use(version, options, tagged)` for all that a plain frame may have.
template <class Use>
void for_each_layout(const Use& use) {
  for (const flowtable::IpVersion version : kVersions) {
    for (const Bytes& options : option_layouts()) {
      for (const bool tagged : {false, true}) use(version, options, tagged);
    }
  }
}

TEST(PlainFrame, IsWhatTheStraightLineTakes) {
  for_each_layout([](flowtable::IpVersion version, const Bytes& options, bool tagged) {
    const Bytes frame = plain_frame(version, options, "hello", tagged);
    Segment segment;
    ASSERT_TRUE(decode_plain_frame(raw_packet(frame), true, segment));
    EXPECT_EQ(segment.source.address.version, version);
    EXPECT_EQ(segment.vlan, tagged ? 77 : 0);
    EXPECT_FALSE(segment.checksum_bad);
    EXPECT_EQ(segment.payload.size(), 5U);
  });
}

// Every length up to several steps of the sum, and long ones.
TEST(PlainFrame, ReadsWhatTheGeneralPathReads) {
  std::vector<std::size_t> lengths = {300, 333, 1399, 1400};
  for (std::size_t length = 0; length < 160; ++length) lengths.push_back(length);
  for_each_layout([&lengths](flowtable::IpVersion version, const Bytes& options, bool tagged) {
    for (const std::size_t length : lengths) {
      const Bytes frame = plain_frame(version, options, std::string(length, 'x'), tagged, Bytes(length % 5, 0xaa));
      expect_same(raw_packet(frame), tagged ? 18 : 14, true);
    }
  });
}

TEST(PlainFrame, CutAnywhereReadsWhatTheGeneralPathReads) {
  for (const flowtable::IpVersion version : kVersions) {
    for (const Bytes& options : option_layouts()) {
      const Bytes frame = plain_frame(version, options, "payload of some length", false, Bytes(4, 0xaa));
      for (std::size_t snap = 14; snap <= frame.size(); ++snap) expect_same(raw_packet(frame, 1, 1, snap), 14, true);
    }
  }
}

// Checksums are not verified in half of the cases, or a changed header would not get far.
TEST(PlainFrame, DamagedAnywhereReadsWhatTheGeneralPathReads) {
  std::mt19937 random(11);
  const std::vector<Bytes> layouts = option_layouts();
  for (int i = 0; i < 40'000; ++i) {
    const bool tagged = random() % 4 == 0;
    const std::size_t link_octets = tagged ? 18 : 14;
    const flowtable::IpVersion version = kVersions[random() % kVersions.size()];
    Bytes frame = plain_frame(version, layouts[random() % layouts.size()], std::string(random() % 40, 'x'), tagged,
                              Bytes(random() % 3, 0xaa));
    for (std::size_t changes = 1 + random() % 3; changes > 0; --changes) {
      // Mostly in the headers; single bits and whole octets.
      const std::size_t range = random() % 8 == 0 ? frame.size() - link_octets : ip_octets(version) + 20;
      const std::size_t at = link_octets + random() % range;
      frame[at] = static_cast<std::uint8_t>(random() % 2 == 0 ? random() : frame[at] ^ 1U << random() % 8);
    }
    const std::size_t snap = random() % 4 == 0 ? link_octets + random() % 80 : SIZE_MAX;
    SCOPED_TRACE(i);
    expect_same(raw_packet(frame, 1, 1, snap), link_octets, random() % 2 == 0);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace doorslam::packet
