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

/// Reads the TCP options of `tcp_octets` of header, none of which is cut off. `datagram` begins with an IPv4 header.
/// The two layouts of nearly all segments need no loop: timestamps alone, and what Linux sends with a SYN.
inline void read_plain_options(const Reader& datagram, std::size_t tcp_octets, TcpOptions& options) noexcept {
  options = {};
  if (tcp_octets == 20) return;
  if (const auto usual = datagram.peek<52>(); tcp_octets == 32 && usual) [[likely]] {
    if (usual.be32<40>() == kPaddedTimestamps) [[likely]] {
      options.present = TcpOptions::kTimestamps;
      options.timestamp_value = usual.be32<44>();
      options.timestamp_echo = usual.be32<48>();
      return;
    }
  }
  if (const auto syn = datagram.peek<60>(); tcp_octets == 40 && syn) {
    // Segment size, selective acknowledgement, timestamps, no-operation, window scale.
    if (syn.be16<40>() == 0x0204 && syn.be32<44>() == 0x0402080a && syn.be32<56>() >> 8U == 0x010303) {
      options.present =
          TcpOptions::kMss | TcpOptions::kSackPermitted | TcpOptions::kTimestamps | TcpOptions::kWindowScale;
      options.mss = syn.be16<42>();
      options.timestamp_value = syn.be32<48>();
      options.timestamp_echo = syn.be32<52>();
      options.window_scale = syn.u8<59>();
      return;
    }
  }
  read_other_options(datagram.captured().subspan(40, tcp_octets - 20), options);
}

/// Decodes Ethernet with at most one 802.1Q tag, IPv4 without options, whole, and TCP, of which no header is cut off or
/// wrong. False: the frame is another one, nothing is decided, and `segment` is unspecified. What it fills is what the
/// general path (decode.cpp) would.
inline bool decode_plain_frame(const RawPacket& packet, bool verify_checksums, Segment& segment) noexcept {
  Reader reader(packet.captured, packet.wire_length);
  std::uint16_t vlan = 0;
  if (packet.link_type != link_type::kEthernet || !strip_plain_ethernet(reader, vlan)) [[unlikely]]
    return false;
  const auto headers = reader.peek<40>();
  if (!headers) [[unlikely]]
    return false;

  // Version with header length, and fragment with protocol, are compared together.
  constexpr std::uint32_t kFragmentAndProtocol = 0x3fff00ff;
  const std::size_t total_octets = headers.be16<2>();
  const std::uint32_t fragment_ttl_protocol = headers.be32<6>();
  const std::size_t captured_octets = std::min(total_octets, reader.captured_size());
  const std::size_t tcp_octets = (headers.u8<32>() & 0xf0U) >> 2U;
  if (headers.u8<0>() != 0x45 || (fragment_ttl_protocol & kFragmentAndProtocol) != ip_protocol::kTcp ||
      total_octets > reader.wire_size() || tcp_octets < 20 || captured_octets < 20 + tcp_octets) [[unlikely]]
    return false;
  const std::uint64_t addresses = sum_of_words<12, 2>(headers);
  if (verify_checksums && !checksum_holds(sum_of_words<0, 3>(headers) + addresses)) [[unlikely]]
    return false;

  segment.time_ns = packet.time_ns;
  segment.number = packet.number;
  assign(segment.source.address, headers.view<12, 4>());
  assign(segment.destination.address, headers.view<16, 4>());
  segment.source.port = headers.be16<20>();
  segment.destination.port = headers.be16<22>();
  segment.seq = headers.be32<24>();
  segment.ack = headers.be32<28>();
  segment.payload_length = static_cast<std::uint32_t>(total_octets - 20 - tcp_octets);
  segment.window = headers.be16<34>();
  segment.vlan = vlan;
  segment.ip_id = headers.be16<4>();
  segment.flags = headers.u8<33>();
  segment.ttl = headers.u8<8>();
  segment.dont_fragment = (fragment_ttl_protocol & 0x40000000U) != 0;
  segment.checksum_bad = false;
  segment.tunneled = false;
  const ByteView datagram = reader.captured().first(captured_octets);
  segment.payload = datagram.subspan(20 + tcp_octets);
  read_plain_options(reader, tcp_octets, segment.options);
  if (verify_checksums && captured_octets == total_octets) [[likely]] {
    const std::uint64_t sum = addresses + in_network_order(ip_protocol::kTcp) +
                              in_network_order(static_cast<std::uint16_t>(total_octets - 20)) +
                              sum_of_words<20, 5>(headers) + checksum_of_rest(datagram, 40);
    segment.checksum_bad = !checksum_holds(sum);
  }
  return true;
}

}  // namespace doorslam::packet
