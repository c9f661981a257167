#include <gtest/gtest.h>

#include "tests/unit/packet/decoding.h"
#include "tests/unit/packet/sample_frames.h"

namespace doorslam::packet {
namespace {

using namespace doorslam::test;

Frame outer() { return Frame().ethernet().vlan(3).ipv4("10.0.0.1", "10.0.0.2"); }
Frame udp(std::uint16_t source, std::uint16_t destination) {
  return outer().udp({.source_port = source, .destination_port = destination});
}
const Bytes kVni = {8, 0, 0, 0, 0, 0, 42, 0};

TEST(Tunnel, FiveDeepIsTooDeep) {
  Frame frame = outer();
  for (int i = 0; i < 4; ++i) frame.ipv4("10.1.0.1", "10.1.0.2");
  EXPECT_EQ(decode(sample_v4(frame)).outcome, DecodeOutcome::nested_too_deep);
}

TEST(Tunnel, CountsAndKeepsTheOuterVlan) {
  Decoder decoder({});
  const Bytes frame = sample_v4(outer().gre());
  const Decoded decoded = decode_with(decoder, raw_packet(frame));
  EXPECT_EQ(decoded.segment.vlan, 3);
  EXPECT_EQ(decoder.counters().tunneled, 1U);
}

TEST(Tunnel, OnlyTheConfiguredPortsAreTried) {
  const Bytes frame = sample_v4(udp(50000, 4790).raw(kVni).ethernet());
  EXPECT_EQ(decode(frame).outcome, DecodeOutcome::udp);
  DecodeOptions options;
  options.tunnel_ports.vxlan = {4790};
  EXPECT_EQ(decode(frame, 1, options).outcome, DecodeOutcome::tcp);
  EXPECT_EQ(decode(sample_v4(udp(50000, 4789).raw(kVni).ethernet()), 1, options).outcome, DecodeOutcome::udp);
}

TEST(Tunnel, PortsBeyondTheLimitAreIgnored) {
  TunnelPorts ports;
  ports.vxlan.assign(UdpTunnels::kMaxPorts + 5, 1);
  EXPECT_EQ(UdpTunnels(ports).between(6081, 2), UdpTunnel::none);
  EXPECT_EQ(UdpTunnels(ports).between(2, 1), UdpTunnel::vxlan);
}

// A port is only a hint: what is no plausible IP packet inside stays UDP.
TEST(Tunnel, ImplausibleContentStaysUdp) {
  for (const std::uint16_t port : std::vector<std::uint16_t>{4789, 8472, 6081, 2152, 3544, 5072}) {
    for (const std::uint8_t octet : Bytes{0x00, 0x08, 0x30, 0x44, 0x45, 0x60, 0xff}) {
      for (std::size_t length = 0; length < 80; ++length) {
        EXPECT_EQ(decode(udp(50000, port).raw(Bytes(length, octet)).bytes()).outcome, DecodeOutcome::udp)
            << port << " " << int{octet} << " " << length;
      }
    }
  }
  EXPECT_EQ(decode(sample_v4(udp(50000, 4789).raw(Bytes(8, 0)).ethernet())).outcome, DecodeOutcome::udp)
      << "VXLAN without its flag";
  EXPECT_EQ(decode(sample_v4(udp(50000, 2152).raw(Bytes{0x30, 1, 0, 0, 0, 0, 0, 0}))).outcome, DecodeOutcome::udp)
      << "GTP echo";
  EXPECT_EQ(decode(udp(50000, 4789).raw(kVni).ethernet().next(0x0806).raw(Bytes(28, 0)).bytes()).outcome,
            DecodeOutcome::udp)
      << "ARP in VXLAN";
  EXPECT_EQ(decode(sample_v4(udp(50000, 3544))).outcome, DecodeOutcome::udp) << "Teredo carries IPv6 only";
}

TEST(Tunnel, VlanOfARejectedTunnelDoesNotLeak) {
  const Bytes frame = udp(50000, 4789).raw(kVni).ethernet().vlan(77).raw(Bytes(30, 0xff)).bytes();
  EXPECT_EQ(decode(frame).outcome, DecodeOutcome::udp);
}

// Teredo clients speak to relays on any port; one of their addresses is of 2001::/32 and the length fits.
TEST(Tunnel, TeredoBetweenPeersIsKnownByItsAddresses) {
  const auto inner = [](std::string_view a, std::string_view b) {
    return udp(3797, 32900).ipv6(a, b).tcp(kSampleTcp).payload(kSamplePayload);
  };
  constexpr std::string_view kTeredo = "2001:0:4137:9e50:8000:f12a:b9c8:2815";
  EXPECT_EQ(decode(inner(kTeredo, kServer6).bytes()).outcome, DecodeOutcome::tcp);
  EXPECT_EQ(decode(inner(kServer6, kTeredo).bytes()).outcome, DecodeOutcome::tcp);
  EXPECT_EQ(decode(inner(kClient6, kServer6).bytes()).outcome, DecodeOutcome::udp) << "other addresses";
  EXPECT_EQ(decode(udp(3797, 32900).ipv6(kTeredo, kServer6, {.payload_length = 20}).tcp().payload("x").bytes()).outcome,
            DecodeOutcome::udp)
      << "wrong length";
}

TEST(Tunnel, GreThatMakesNoSense) {
  const auto gre = [](std::uint16_t flags, std::uint16_t protocol, const Bytes& rest = {}) {
    return decode(outer().gre(flags).next(protocol).raw(rest).bytes()).outcome;
  };
  EXPECT_EQ(gre(0x0002, 0x0800, Bytes(40, 0)), DecodeOutcome::tunnel_bad) << "version 2";
  EXPECT_EQ(gre(0x4000, 0x0800, Bytes(40, 0)), DecodeOutcome::tunnel_bad) << "source routing";
  EXPECT_EQ(gre(0xb000, 0x0800, Bytes(11, 0)), DecodeOutcome::tunnel_bad) << "optional fields missing";
  EXPECT_EQ(gre(0x2001, 0x0800, Bytes(40, 0)), DecodeOutcome::tunnel_bad) << "version 1 is PPP";
  EXPECT_EQ(gre(0x2081, 0x880b, Bytes(8, 0)), DecodeOutcome::tunnel_other) << "PPTP acknowledgement";
  EXPECT_EQ(gre(0, 0x00fe, Bytes(40, 0)), DecodeOutcome::tunnel_other) << "OSI";
  EXPECT_EQ(gre(0, 0x0806, Bytes(40, 0)), DecodeOutcome::arp);
  EXPECT_EQ(gre(0x1000, 0x88be, Bytes(6, 0)), DecodeOutcome::tunnel_bad) << "ERSPAN II header missing";
  EXPECT_EQ(gre(0x1000, 0x22eb, Bytes(10, 0)), DecodeOutcome::tunnel_bad) << "ERSPAN III header missing";
  EXPECT_EQ(gre(0x1000, 0x22eb, Bytes(14, 0) + Bytes{0x04, 0} + Bytes(40, 0)), DecodeOutcome::tunnel_other)
      << "ERSPAN III with another frame type";
}

TEST(Tunnel, GtpExtensionOfLengthZeroEnds) {
  const Bytes header = {0x34, 0xff, 0, 60, 0, 0, 0, 1, 0, 0, 0, 0x85};
  EXPECT_EQ(decode(sample_v4(udp(50000, 2152).raw(header).raw(Bytes(4, 0)))).outcome, DecodeOutcome::udp);
  Frame endless = udp(50000, 2152).raw(header);
  for (int i = 0; i < 100; ++i) endless.raw({1, 0, 0, 0x85});
  EXPECT_EQ(decode(sample_v4(endless)).outcome, DecodeOutcome::udp);
}

}  // namespace
}  // namespace doorslam::packet
