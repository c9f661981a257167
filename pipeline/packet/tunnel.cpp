#include "pipeline/packet/tunnel.h"

#include "pipeline/packet/link_layer.h"

namespace doorslam::packet {
namespace {

constexpr Position kBad = {.reason = DecodeOutcome::tunnel_bad};
constexpr Position kOther = {.reason = DecodeOutcome::tunnel_other};
constexpr Position kNoTunnel = {.reason = DecodeOutcome::udp};
constexpr Position kIp = {.layer = Layer::ip};
constexpr Position kEthernet = {.layer = Layer::ethernet};

// --- GRE (RFC 2784, RFC 2890; version 1: RFC 2637) ------------------------------------------------------------------

namespace gre {
constexpr std::uint16_t kChecksum = 0x8000;
constexpr std::uint16_t kRouting = 0x4000;
constexpr std::uint16_t kKey = 0x2000;
constexpr std::uint16_t kSequence = 0x1000;
constexpr std::uint16_t kAcknowledgement = 0x0080;
constexpr std::uint16_t kVersion = 0x0007;
constexpr std::uint16_t kErspan = 0x88be;
constexpr std::uint16_t kErspan3 = 0x22eb;
constexpr std::uint16_t kWccp = 0x883e;
constexpr std::uint16_t kArubaFirst = 0x8200;
constexpr std::uint16_t kArubaLast = 0x8370;
constexpr std::uint16_t kArubaOther = 0x9000;
}  // namespace gre

/// ERSPAN II has a sequence number and an 8-octet header; type I has neither
/// (draft-foschiano-erspan-03).
Position enter_erspan(std::uint16_t flags, Reader& reader) noexcept {
  if ((flags & gre::kSequence) == 0) return kEthernet;
  return reader.skip(8) ? kEthernet : kBad;
}

/// ERSPAN III: a 12-octet header, an 8-octet subheader when the O bit says so; the frame type tells Ethernet from IP.
Position enter_erspan3(Reader& reader) noexcept {
  const auto header = reader.take<12>();
  if (!header) return kBad;
  const std::uint16_t field = header.be16<10>();
  if ((field & 1U) != 0 && !reader.skip(8)) return kBad;
  const unsigned frame_type = (field >> 10U) & 0x1fU;
  if (frame_type == 0) return kEthernet;
  return frame_type == 2 ? kIp : kOther;
}

/// WCCP version 2 puts a redirect header of four octets before the packet; version 1 does not.
Position enter_wccp(Reader& reader) noexcept {
  const auto first = reader.peek<1>();
  if (!first) return kBad;
  if (first.u8<0>() >> 4U != 4 && !reader.skip(4)) return kBad;
  return kIp;
}

Position enter_gre(Reader& reader) noexcept {
  const auto header = reader.take<4>();
  if (!header) return kBad;
  const std::uint16_t flags = header.be16<0>();
  const std::uint16_t protocol = header.be16<2>();
  const unsigned version = flags & gre::kVersion;
  if (version > 1 || (flags & gre::kRouting) != 0) return kBad;
  std::size_t optional_octets = 0;
  if ((flags & gre::kChecksum) != 0) optional_octets += 4;
  if ((flags & gre::kKey) != 0) optional_octets += 4;
  if ((flags & gre::kSequence) != 0) optional_octets += 4;
  if (version == 1 && (flags & gre::kAcknowledgement) != 0) optional_octets += 4;
  if (!reader.skip(optional_octets)) return kBad;
  if (version == 1) {
    if (protocol != ethertype::kPpp) return kBad;
    // An acknowledgement alone has no payload.
    return (flags & gre::kSequence) != 0 ? Position{.layer = Layer::ppp} : kOther;
  }
  if (protocol == gre::kErspan) return enter_erspan(flags, reader);
  if (protocol == gre::kErspan3) return enter_erspan3(reader);
  if (protocol == gre::kWccp) return enter_wccp(reader);
  if ((protocol >= gre::kArubaFirst && protocol <= gre::kArubaLast) || protocol == gre::kArubaOther) {
    return {.layer = Layer::wlan};
  }
  if (protocol < 0x0600) return kOther;  // no ethertype, and GRE has no lengths here
  return {.layer = Layer::ethertype, .ethertype = protocol};
}

// --- over UDP -------------------------------------------------------------------------------------------------------

Position enter_vxlan(Reader& reader) noexcept {
  const auto header = reader.take<8>();
  if (!header || (header.u8<0>() & 0x08U) == 0) return kNoTunnel;
  return kEthernet;
}

Position enter_geneve(Reader& reader) noexcept {
  const auto header = reader.take<8>();
  if (!header || header.u8<0>() >> 6U != 0) return kNoTunnel;
  if (!reader.skip((header.u8<0>() & 0x3fU) * 4U)) return kNoTunnel;
  return {.layer = Layer::ethertype, .ethertype = header.be16<2>()};
}

Position enter_gtp_u(Reader& reader) noexcept {
  constexpr std::uint8_t kVersion1 = 0x30;  // with the protocol type bit that tells it from GTP'
  constexpr std::uint8_t kExtension = 0x04;
  constexpr std::uint8_t kAnyOptional = 0x07;
  constexpr std::uint8_t kUserData = 0xff;
  constexpr int kMaxExtensions = 8;
  const auto header = reader.take<8>();
  if (!header || (header.u8<0>() & 0xf0U) != kVersion1 || header.u8<1>() != kUserData) return kNoTunnel;
  if ((header.u8<0>() & kAnyOptional) == 0) return kIp;
  const auto optional_fields = reader.take<4>();
  if (!optional_fields) return kNoTunnel;
  std::uint8_t next = (header.u8<0>() & kExtension) != 0 ? optional_fields.u8<3>() : 0;
  for (int i = 0; next != 0; ++i) {
    const auto length = reader.peek<1>();
    if (i == kMaxExtensions || !length || length.u8<0>() == 0) return kNoTunnel;
    if (!reader.skip(length.u8<0>() * 4U - 1U)) return kNoTunnel;
    const auto type = reader.take<1>();
    if (!type) return kNoTunnel;
    next = type.u8<0>();
  }
  return kIp;
}

/// The authentication and origin headers that may come first (RFC 4380, section 5.1.1).
Position enter_teredo(Reader& reader) noexcept {
  if (const auto mark = reader.peek<4>(); mark && mark.be16<0>() == 0x0001) {
    const std::size_t identifier_octets = mark.u8<2>();
    const std::size_t authentication_octets = mark.u8<3>();
    if (!reader.skip(4 + identifier_octets + authentication_octets + 9)) return kNoTunnel;
  }
  if (const auto mark = reader.peek<2>(); mark && mark.be16<0>() == 0x0000 && !reader.skip(8)) return kNoTunnel;
  const auto inner = reader.peek<1>();
  return inner && inner.u8<0>() >> 4U == 6 ? kIp : kNoTunnel;
}

/// Teredo clients speak to relays and to each other on ports of their own. Their IPv6 addresses give them away: one of
/// the two is of the Teredo prefix 2001::/32 (RFC 4380, section 2.6), and the length is right to the octet.
bool is_teredo_between_peers(const Reader& reader) noexcept {
  constexpr std::uint32_t kPrefix = 0x20010000;
  const auto inner = reader.peek<40>();
  if (!inner || inner.u8<0>() >> 4U != 6) return false;
  if (inner.be16<4>() + std::size_t{40} != reader.wire_size()) return false;
  return inner.be32<8>() == kPrefix || inner.be32<24>() == kPrefix;
}

Position enter_ayiya(Reader& reader) noexcept {
  constexpr unsigned kForward = 1;
  const auto header = reader.take<8>();
  if (!header) return kNoTunnel;
  const std::size_t identity_octets = std::size_t{1} << (header.u8<0>() >> 4U);
  const std::size_t signature_octets = (header.u8<1>() >> 4U) * std::size_t{4};
  const std::uint8_t next = header.u8<3>();
  if ((header.u8<2>() & 0x0fU) != kForward) return kNoTunnel;
  if (next != ip_protocol::kIpv4 && next != ip_protocol::kIpv6) return kNoTunnel;
  return reader.skip(identity_octets + signature_octets) ? kIp : kNoTunnel;
}

Position enter_udp(const UdpTunnels& tunnels, Reader& reader) noexcept {
  const auto header = reader.take<8>();
  if (!header) return kNoTunnel;
  const UdpTunnel kind = tunnels.between(header.be16<0>(), header.be16<2>());
  switch (kind) {
    case UdpTunnel::vxlan:
      return enter_vxlan(reader);
    case UdpTunnel::geneve:
      return enter_geneve(reader);
    case UdpTunnel::gtp_u:
      return enter_gtp_u(reader);
    case UdpTunnel::teredo:
      return enter_teredo(reader);
    case UdpTunnel::ayiya:
      return enter_ayiya(reader);
    case UdpTunnel::none:
      break;
  }
  return is_teredo_between_peers(reader) ? kIp : kNoTunnel;
}

}  // namespace

UdpTunnels::UdpTunnels(const TunnelPorts& ports) {
  add(ports.vxlan, UdpTunnel::vxlan);
  add(ports.geneve, UdpTunnel::geneve);
  add(ports.gtp_u, UdpTunnel::gtp_u);
  add(ports.teredo, UdpTunnel::teredo);
  add(ports.ayiya, UdpTunnel::ayiya);
}

void UdpTunnels::add(const std::vector<std::uint16_t>& ports, UdpTunnel kind) {
  for (const std::uint16_t port : ports) {
    if (count_ == kMaxPorts) return;
    ports_[count_] = port;
    kinds_[count_] = kind;
    ++count_;
  }
}

UdpTunnel UdpTunnels::between(std::uint16_t port_a, std::uint16_t port_b) const noexcept {
  for (std::size_t i = 0; i < count_; ++i) {
    if (ports_[i] == port_a || ports_[i] == port_b) return kinds_[i];
  }
  return UdpTunnel::none;
}

StopReason enter_tunnel(const IpHeader& ip, const UdpTunnels& udp_tunnels, Reader& reader,
                        std::uint16_t& vlan) noexcept {
  switch (ip.protocol) {
    case ip_protocol::kIpv4:
    case ip_protocol::kIpv6:
      return {};
    case ip_protocol::kMpls:
      return reach_ip({.layer = Layer::mpls}, reader, vlan);
    case ip_protocol::kGre:
      return reach_ip(enter_gre(reader), reader, vlan);
    case ip_protocol::kEsp:
      return DecodeOutcome::encrypted;
    case ip_protocol::kUdp:
      break;
    default:
      return DecodeOutcome::not_tcp;
  }
  Reader inside = reader;
  std::uint16_t inner_vlan = vlan;
  if (reach_ip(enter_udp(udp_tunnels, inside), inside, inner_vlan) || !looks_like_ip(inside)) return DecodeOutcome::udp;
  reader = inside;
  vlan = inner_vlan;
  return {};
}

}  // namespace doorslam::packet
