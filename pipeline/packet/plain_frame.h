#pragma once

#include <algorithm>

#include "pipeline/packet/checksum.h"
#include "pipeline/packet/ip.h"
#include "pipeline/packet/link_layer.h"
#include "pipeline/packet/tcp_header.h"

/// The frame that nearly every packet is, in one straight line.
namespace doorslam::packet {

/// The sum of `Words` 32-bit words, beginning `At` octets into `octets` (checksum.h).
template <std::size_t At, std::size_t Words, std::size_t N>
std::uint64_t sum_of_words(const Octets<N>& octets) noexcept {
  if constexpr (Words == 0) {
    return 0;
  } else {
    return octets.template raw<std::uint32_t, At>() + sum_of_words<At + 4, Words - 1>(octets);
  }
}

/// Reads TCP options of any layout.
[[gnu::noinline]] inline void read_other_options(ByteView octets, TcpOptions& options) noexcept {
  parse_tcp_options(Reader(octets), options);
}

/// Reads the TCP options of `tcp_octets` of header, none of which is cut off. `datagram` begins with an IP header of
/// `kIp` octets. The two layouts of nearly all segments need no loop: timestamps alone, and what Linux sends with a
/// SYN.
template <std::size_t kIp>
void read_plain_options(const Reader& datagram, std::size_t tcp_octets, TcpOptions& options) noexcept {
  constexpr std::size_t kAt = kIp + 20;
  options = {};
  if (tcp_octets == 20) return;
  if (const auto usual = datagram.peek<kAt + 12>(); tcp_octets == 32 && usual) [[likely]] {
    if (usual.template be32<kAt>() == kPaddedTimestamps) [[likely]] {
      options.present = TcpOptions::kTimestamps;
      options.timestamp_value = usual.template be32<kAt + 4>();
      options.timestamp_echo = usual.template be32<kAt + 8>();
      return;
    }
  }
  if (const auto syn = datagram.peek<kAt + 20>(); tcp_octets == 40 && syn) {
    // Segment size, selective acknowledgement, timestamps, no-operation, window scale.
    if (syn.template be16<kAt>() == 0x0204 && syn.template be32<kAt + 4>() == 0x0402080a &&
        syn.template be32<kAt + 16>() >> 8U == 0x010303) {
      options.present =
          TcpOptions::kMss | TcpOptions::kSackPermitted | TcpOptions::kTimestamps | TcpOptions::kWindowScale;
      options.mss = syn.template be16<kAt + 2>();
      options.timestamp_value = syn.template be32<kAt + 8>();
      options.timestamp_echo = syn.template be32<kAt + 12>();
      options.window_scale = syn.template u8<kAt + 19>();
      return;
    }
  }
  read_other_options(datagram.captured().subspan(kAt, tcp_octets - 20), options);
}

/// Decodes TCP behind an IP header of `kIp` octets that is all right and says that the datagram has `total_octets`, of
/// which the wire had all. `headers` are both headers, and `addresses` the sum of both addresses. False: as of
/// decode_plain_frame().
template <std::size_t kIp>
bool decode_plain_tcp(const Reader& reader, const Octets<kIp + 20>& headers, std::size_t total_octets,
                      std::uint64_t addresses, bool verify_checksums, Segment& segment) noexcept {
  const std::size_t captured_octets = std::min(total_octets, reader.captured_size());
  const std::size_t tcp_octets = (headers.template u8<kIp + 12>() & 0xf0U) >> 2U;
  if (tcp_octets < 20 || captured_octets < kIp + tcp_octets) [[unlikely]]
    return false;
  segment.source.port = headers.template be16<kIp>();
  segment.destination.port = headers.template be16<kIp + 2>();
  segment.seq = headers.template be32<kIp + 4>();
  segment.ack = headers.template be32<kIp + 8>();
  segment.payload_length = static_cast<std::uint32_t>(total_octets - kIp - tcp_octets);
  segment.window = headers.template be16<kIp + 14>();
  segment.flags = headers.template u8<kIp + 13>();
  segment.checksum_bad = false;
  segment.tunneled = false;
  const ByteView datagram = reader.captured().first(captured_octets);
  segment.payload = datagram.subspan(kIp + tcp_octets);
  read_plain_options<kIp>(reader, tcp_octets, segment.options);
  if (verify_checksums && captured_octets == total_octets) [[likely]] {
    const std::uint64_t sum = addresses + in_network_order(ip_protocol::kTcp) +
                              in_network_order(static_cast<std::uint16_t>(total_octets - kIp)) +
                              sum_of_words<kIp, 5>(headers) + checksum_of_rest(datagram, kIp + 20);
    segment.checksum_bad = !checksum_holds(sum);
  }
  return true;
}

/// decode_plain_frame() from the IPv4 header on.
inline bool decode_plain_ipv4(const Reader& reader, bool verify_checksums, Segment& segment) noexcept {
  const auto headers = reader.peek<40>();
  if (!headers) [[unlikely]]
    return false;
  // Version with header length, and fragment with protocol, are compared together.
  constexpr std::uint32_t kFragmentAndProtocol = 0x3fff00ff;
  const std::size_t total_octets = headers.be16<2>();
  const std::uint32_t fragment_ttl_protocol = headers.be32<6>();
  if (headers.u8<0>() != 0x45 || (fragment_ttl_protocol & kFragmentAndProtocol) != ip_protocol::kTcp ||
      total_octets > reader.wire_size()) [[unlikely]]
    return false;
  const std::uint64_t addresses = sum_of_words<12, 2>(headers);
  if (verify_checksums && !checksum_holds(sum_of_words<0, 3>(headers) + addresses)) [[unlikely]]
    return false;
  assign(segment.source.address, headers.view<12, 4>());
  assign(segment.destination.address, headers.view<16, 4>());
  segment.ip_id = headers.be16<4>();
  segment.ttl = headers.u8<8>();
  segment.dont_fragment = (fragment_ttl_protocol & 0x40000000U) != 0;
  return decode_plain_tcp<20>(reader, headers, total_octets, addresses, verify_checksums, segment);
}

/// decode_plain_frame() from the IPv6 header on.
inline bool decode_plain_ipv6(const Reader& reader, bool verify_checksums, Segment& segment) noexcept {
  const auto headers = reader.peek<60>();
  if (!headers) [[unlikely]]
    return false;
  const std::size_t payload_octets = headers.be16<4>();  // 0 is a jumbogram, or segmentation offload
  if (headers.u8<0>() >> 4U != 6 || headers.u8<6>() != ip_protocol::kTcp || payload_octets == 0 ||
      40 + payload_octets > reader.wire_size()) [[unlikely]]
    return false;
  assign(segment.source.address, headers.view<8, 16>());
  assign(segment.destination.address, headers.view<24, 16>());
  segment.ip_id = 0;
  segment.ttl = headers.u8<7>();
  segment.dont_fragment = true;
  return decode_plain_tcp<40>(reader, headers, 40 + payload_octets, sum_of_words<8, 8>(headers), verify_checksums,
                              segment);
}

/// Decodes Ethernet with at most one 802.1Q tag, IPv4 or IPv6 without options, whole, and TCP, of which no header is
/// cut off or wrong. False: the frame is another one, nothing is decided, and `segment` is unspecified. What it fills
/// is what the general path (decode.cpp) would.
inline bool decode_plain_frame(const RawPacket& packet, bool verify_checksums, Segment& segment) noexcept {
  Reader reader(packet.captured, packet.wire_length);
  std::uint16_t vlan = 0;
  if (packet.link_type != link_type::kEthernet || !strip_plain_ethernet(reader, vlan)) [[unlikely]]
    return false;
  segment.time_ns = packet.time_ns;
  segment.number = packet.number;
  segment.vlan = vlan;
  // The version is asked of the header itself, as the general path does: a type may say anything.
  return decode_plain_ipv4(reader, verify_checksums, segment) || decode_plain_ipv6(reader, verify_checksums, segment);
}

}  // namespace doorslam::packet
