#pragma once

#include <algorithm>

#include "pipeline/packet/checksum.h"
#include "pipeline/packet/ip.h"
#include "pipeline/packet/link_layer.h"
#include "pipeline/packet/tcp_header.h"

/// The frame that nearly every packet is, in one straight line.
namespace doorslam::packet {

/// `sum` and that of `Count` octets, a multiple of four, from `At` octets into `octets` on (sum_with_carry()).
template <std::size_t At, std::size_t Count, std::size_t N>
std::uint64_t sum_with(std::uint64_t sum, const Octets<N>& octets) noexcept {
  if constexpr (Count == 0) {
    return sum;
  } else if constexpr (Count == 4) {
    return sum_with_carry(sum, octets.template raw<std::uint32_t, At>());
  } else {
    return sum_with<At + 8, Count - 8>(sum_with_carry(sum, octets.template raw<std::uint64_t, At>()), octets);
  }
}

/// Reads the TCP options that end at `header_octets`, none of which is cut off. `datagram` begins with an IP header of
/// `kIp` octets. What Linux sends with a SYN needs no loop. Out of the way of the others, and given what it reads by
/// value, so that these keep it in registers.
template <std::size_t kIp>
[[gnu::noinline]] void read_rare_options(ByteView datagram, std::size_t header_octets, TcpOptions& options) noexcept {
  constexpr std::size_t kAt = kIp + 20;
  if (const auto syn = Reader(datagram).peek<kAt + 20>(); header_octets == kAt + 20 && syn) {
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
  parse_tcp_options(Reader(datagram.subspan(kAt, header_octets - kAt)), options);
}

/// The same for any segment: nearly all have no options, or timestamps alone.
template <std::size_t kIp>
[[gnu::always_inline]] inline void read_plain_options(const Reader& datagram, std::size_t header_octets,
                                                      TcpOptions& options) noexcept {
  constexpr std::size_t kAt = kIp + 20;
  options = {};
  if (header_octets == kAt) return;
  if (const auto usual = datagram.peek<kAt + 12>(); header_octets == kAt + 12 && usual) [[likely]] {
    if (usual.template be32<kAt>() == kPaddedTimestamps) [[likely]] {
      options.present = TcpOptions::kTimestamps;
      options.timestamp_value = usual.template be32<kAt + 4>();
      options.timestamp_echo = usual.template be32<kAt + 8>();
      return;
    }
  }
  read_rare_options<kIp>(datagram.captured(), header_octets, options);
}

/// Decodes TCP after an IP header of `kIp` octets that is all right and says that the datagram has `total_octets`, of
/// which the wire had all. `headers` are both headers, and `pseudo_header` is its sum. False: as of
/// decode_plain_frame().
template <std::size_t kIp>
[[gnu::always_inline]] inline bool decode_plain_tcp(const Reader& reader, const Octets<kIp + 20>& headers,
                                                    std::size_t total_octets, std::uint64_t pseudo_header,
                                                    bool verify_checksums, Segment& segment) noexcept {
  const std::size_t captured_octets = std::min(total_octets, reader.captured_size());
  const std::size_t header_octets = kIp + (std::size_t{headers.template u8<kIp + 12>()} >> 2U & 0x3cU);
  if (header_octets < kIp + 20 || captured_octets < header_octets) [[unlikely]]
    return false;
  segment.source.port = headers.template be16<kIp>();
  segment.destination.port = headers.template be16<kIp + 2>();
  segment.seq = headers.template be32<kIp + 4>();
  segment.ack = headers.template be32<kIp + 8>();
  segment.payload_length = static_cast<std::uint32_t>(total_octets - header_octets);
  segment.window = headers.template be16<kIp + 14>();
  segment.flags = headers.template u8<kIp + 13>();
  segment.checksum_bad = false;
  segment.tunneled = false;
  const ByteView datagram = reader.captured().first(captured_octets);
  segment.payload = datagram.subspan(header_octets);
  read_plain_options<kIp>(reader, header_octets, segment.options);
  if (verify_checksums && captured_octets == total_octets) [[likely]] {
    const std::uint64_t sum = sum_with<kIp, 20>(pseudo_header, headers);
    segment.checksum_bad = !checksum_of_something_holds(sum_with_carry(sum, checksum_of_rest(datagram, kIp + 20)));
  }
  return true;
}

/// decode_plain_frame() from the IPv4 header on.
[[gnu::always_inline]] inline bool decode_plain_ipv4(const Reader& reader, bool verify_checksums,
                                                     Segment& segment) noexcept {
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
  const auto addresses = headers.raw<std::uint64_t, 12>();
  if (verify_checksums && !checksum_of_something_holds(sum_with<0, 12>(addresses, headers))) [[unlikely]]
    return false;
  // The length of what IPv4 carries is the total less its header, also of sums.
  constexpr std::uint64_t kTcpLessHeader = in_network_order(ip_protocol::kTcp) + 0xffffU - in_network_order(20);
  const std::uint64_t pseudo_header = sum_with_carry(addresses, kTcpLessHeader + headers.raw<std::uint16_t, 2>());
  assign(segment.source.address, headers.view<12, 4>());
  assign(segment.destination.address, headers.view<16, 4>());
  segment.ip_id = headers.be16<4>();
  segment.ttl = headers.u8<8>();
  segment.dont_fragment = (fragment_ttl_protocol & 0x40000000U) != 0;
  return decode_plain_tcp<20>(reader, headers, total_octets, pseudo_header, verify_checksums, segment);
}

/// decode_plain_frame() from the IPv6 header on. Out of the way of IPv4, whose registers it would take.
[[gnu::noinline]] inline bool decode_plain_ipv6(Reader reader, bool verify_checksums, Segment& segment) noexcept {
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
  const std::uint64_t tcp = std::uint64_t{in_network_order(ip_protocol::kTcp)} + headers.raw<std::uint16_t, 4>();
  const std::uint64_t pseudo_header = sum_with<8, 32>(tcp, headers);
  return decode_plain_tcp<40>(reader, headers, 40 + payload_octets, pseudo_header, verify_checksums, segment);
}

/// Decodes Ethernet with at most one 802.1Q tag, IPv4 or IPv6 without options, whole, and TCP, of which no header is
/// cut off or wrong. False: the frame is another one, nothing is decided, and `segment` is unspecified. What it fills
/// is what the general path (decode.cpp) would.
[[gnu::always_inline]] inline bool decode_plain_frame(const RawPacket& packet, bool verify_checksums,
                                                      Segment& segment) noexcept {
  Reader reader(packet.captured, packet.wire_length);
  std::uint16_t vlan = 0;
  if (packet.link_type != link_type::kEthernet || !strip_plain_ethernet(reader, vlan)) [[unlikely]]
    return false;
  const flowtable::TimeNs time_ns = packet.time_ns;
  const std::uint64_t number = packet.number;
  segment.time_ns = time_ns;
  segment.number = number;
  segment.vlan = vlan;
  // The version is asked of the header itself, as the general path does: a type may say anything.
  return decode_plain_ipv4(reader, verify_checksums, segment) || decode_plain_ipv6(reader, verify_checksums, segment);
}

}  // namespace doorslam::packet
