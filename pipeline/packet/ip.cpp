#include "pipeline/packet/ip.h"

namespace doorslam::packet {
namespace {

constexpr int kMaxExtensions = 16;

/// The next `octets` as a view, moved past; empty when they were not captured.
ByteView take_view(Reader& reader, std::size_t octets) noexcept {
  if (reader.captured_size() < octets) return {};
  const ByteView view = reader.captured().first(octets);
  reader.skip(octets);
  return view;
}

/// A routing header with segments left: the checksum and the connection are those of the last address
/// (RFC 8200, section 8.1). Types: 0 source route, 2 mobile IPv6, 4 segment routing (last segment first).
void follow_route(ByteView header, IpHeader& ip) noexcept {
  const std::uint8_t type = header[2];
  const std::uint8_t segments_left = header[3];
  if (segments_left == 0 || header.size() < 24) return;
  if (type == 0) ip.destination = header.last(16);
  if (type == 2 || type == 4) ip.destination = header.subspan(8, 16);
}

/// Mobile IPv6 puts the sender's lasting address into a destination option (RFC 6275, section 6.3).
void follow_home_address(ByteView header, IpHeader& ip) noexcept {
  constexpr std::uint8_t kPad1 = 0;
  constexpr std::uint8_t kHomeAddress = 0xc9;
  std::size_t at = 2;
  while (at + 2 <= header.size()) {
    if (header[at] == kPad1) {
      ++at;
      continue;
    }
    const std::size_t length = header[at + 1];
    if (at + 2 + length > header.size()) return;
    if (header[at] == kHomeAddress && length == 16) ip.source = header.subspan(at + 2, 16);
    at += 2 + length;
  }
}

StopReason read_fragment_header(Reader& reader, IpHeader& ip) noexcept {
  const auto header = reader.take<8>();
  if (!header) return DecodeOutcome::ip_truncated;
  const std::uint16_t field = header.be16<2>();
  ip.protocol = header.u8<0>();
  ip.id = header.be32<4>();
  ip.offset = field & 0xfff8U;
  ip.more_fragments = (field & 1U) != 0;
  // An atomic fragment is the whole datagram (RFC 6946).
  ip.fragment = ip.offset != 0 || ip.more_fragments;
  return {};
}

}  // namespace

bool looks_like_ip(const Reader& reader) noexcept {
  const auto start = reader.peek<20>();
  if (!start) return false;
  const unsigned version = start.u8<0>() >> 4U;
  if (version == 4) {
    const std::size_t header_octets = (start.u8<0>() & 0x0fU) * 4U;
    return header_octets >= 20 && start.be16<2>() >= header_octets && start.be16<2>() <= reader.wire_size();
  }
  return version == 6 && start.be16<4>() + std::size_t{40} <= reader.wire_size();
}

StopReason parse_ip(Reader& reader, bool verify_checksums, IpHeader& ip) noexcept {
  const auto first = reader.peek<1>();
  if (!first) return DecodeOutcome::ip_truncated;
  switch (first.u8<0>() >> 4U) {
    case 4: {
      const StopReason stop = parse_ipv4(reader, verify_checksums, ip);
      if (stop || ip.fragment || ip.protocol != ip_protocol::kAh) return stop;
      return skip_extensions(reader, ip);
    }
    case 6: {
      const StopReason stop = parse_ipv6_header(reader, ip);
      return stop ? stop : skip_extensions(reader, ip);
    }
    default:
      return DecodeOutcome::ip_header_bad;
  }
}

StopReason skip_extensions(Reader& reader, IpHeader& ip) noexcept {
  for (int i = 0; i < kMaxExtensions; ++i) {
    const std::uint8_t type = ip.protocol;
    switch (type) {
      case ip_protocol::kFragment:
        // The fragmentable part of a datagram cannot hold another fragment header.
        if (ip.fragment || ip.is_v4()) return DecodeOutcome::ip_header_bad;
        if (const StopReason stop = read_fragment_header(reader, ip)) return stop;
        if (ip.fragment) return {};
        continue;
      case ip_protocol::kHopByHop:
      case ip_protocol::kRouting:
      case ip_protocol::kDestination:
      case ip_protocol::kMobility:
      case ip_protocol::kHip:
      case ip_protocol::kShim6:
        if (ip.is_v4()) return {};
        break;
      case ip_protocol::kAh:
        break;
      default:
        return {};
    }
    const auto start = reader.peek<2>();
    if (!start) return DecodeOutcome::ip_truncated;
    const std::size_t words = start.u8<1>();
    const std::size_t octets = type == ip_protocol::kAh ? (words + 2) * 4 : (words + 1) * 8;
    if (octets > reader.wire_size()) return DecodeOutcome::ip_header_bad;
    const ByteView header = take_view(reader, octets);
    if (header.empty()) return DecodeOutcome::ip_truncated;
    ip.protocol = header[0];
    if (type == ip_protocol::kRouting) follow_route(header, ip);
    if (type == ip_protocol::kDestination) follow_home_address(header, ip);
  }
  return DecodeOutcome::ip_header_bad;
}

StopReason parse_quoted_ip(Reader& reader, IpHeader& ip) noexcept {
  const auto first = reader.peek<1>();
  if (!first) return DecodeOutcome::icmp_truncated;
  if (first.u8<0>() >> 4U == 4) {
    const auto header = reader.peek<20>();
    if (!header || !reader.skip((first.u8<0>() & 0x0fU) * 4U)) return DecodeOutcome::icmp_truncated;
    ip = {};
    ip.source = header.view<12, 4>();
    ip.destination = header.view<16, 4>();
    ip.protocol = header.u8<9>();
    ip.offset = (header.be16<6>() & 0x1fffU) * 8U;
    return {};
  }
  const auto header = reader.take<40>();
  if (!header) return DecodeOutcome::icmp_truncated;
  ip = {};
  ip.source = header.view<8, 16>();
  ip.destination = header.view<24, 16>();
  ip.protocol = header.u8<6>();
  StopReason stop = skip_extensions(reader, ip);
  // A quoted first fragment has what is needed: read on after its fragment header.
  if (!stop && ip.fragment && ip.offset == 0) stop = skip_extensions(reader, ip);
  if (stop) return DecodeOutcome::icmp_truncated;
  return {};
}

}  // namespace doorslam::packet
