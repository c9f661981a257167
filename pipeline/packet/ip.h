#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "flowtable/ip_address.h"
#include "pipeline/packet/checksum.h"
#include "pipeline/packet/decode_outcome.h"
#include "pipeline/packet/reader.h"

/// IPv4 (RFC 791) and IPv6 (RFC 8200) headers.
namespace doorslam::packet {

/// Empty: go on. Otherwise the reason why the packet ends here.
using StopReason = std::optional<DecodeOutcome>;

namespace ip_protocol {
inline constexpr std::uint8_t kHopByHop = 0;
inline constexpr std::uint8_t kIcmp = 1;
inline constexpr std::uint8_t kIpv4 = 4;
inline constexpr std::uint8_t kTcp = 6;
inline constexpr std::uint8_t kUdp = 17;
inline constexpr std::uint8_t kIpv6 = 41;
inline constexpr std::uint8_t kRouting = 43;
inline constexpr std::uint8_t kFragment = 44;
inline constexpr std::uint8_t kGre = 47;
inline constexpr std::uint8_t kEsp = 50;
inline constexpr std::uint8_t kAh = 51;
inline constexpr std::uint8_t kIcmpv6 = 58;
inline constexpr std::uint8_t kNone = 59;
inline constexpr std::uint8_t kDestination = 60;
inline constexpr std::uint8_t kMobility = 135;
inline constexpr std::uint8_t kMpls = 137;
inline constexpr std::uint8_t kHip = 139;
inline constexpr std::uint8_t kShim6 = 140;
}  // namespace ip_protocol

/// What the layers above need of an IP header. Views borrow from the packet.
struct IpHeader {
  ByteView source;           ///< 4 or 16 octets
  ByteView destination;      ///< 4 or 16 octets; the final one where a routing header names it
  std::uint32_t id = 0;      ///< IPv4 identification; IPv6: of the fragment header
  std::uint32_t offset = 0;  ///< of the fragment, in octets
  std::uint8_t protocol = 0;
  std::uint8_t ttl = 0;
  bool dont_fragment = false;
  bool more_fragments = false;
  bool fragment = false;
  bool whole = true;  ///< false: the first fragment alone; lengths and checksums of the layers above do not hold

  bool is_v4() const noexcept { return source.size() == 4; }
};

/// Copies 4 or 16 octets out of the packet.
inline void assign(flowtable::IpAddress& address, ByteView octets) noexcept {
  if (octets.size() == 4) {
    // Made whole first: one store of sixteen octets, as a reader of them all would wait for two that overlap.
    std::uint32_t word = 0;
    std::memcpy(&word, octets.data(), 4);
    address.octets = std::bit_cast<std::array<std::uint8_t, 16>>(std::array<std::uint32_t, 4>{word, 0, 0, 0});
    address.version = flowtable::IpVersion::v4;
  } else {
    std::memcpy(address.octets.data(), octets.data(), 16);
    address.version = flowtable::IpVersion::v6;
  }
}

/// Sum of the pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1). `octets` is the upper layer's length.
inline std::uint64_t pseudo_header_sum(const IpHeader& ip, std::uint8_t protocol, std::size_t octets) noexcept {
  const auto word = [](ByteView address, std::size_t at) {
    std::uint32_t value;
    std::memcpy(&value, address.data() + at, sizeof(value));
    return std::uint64_t{value};
  };
  std::uint64_t sum = word(ip.source, 0) + word(ip.destination, 0);
  if (!ip.is_v4()) {
    for (std::size_t at = 4; at < 16; at += 4) sum += word(ip.source, at) + word(ip.destination, at);
  }
  sum += in_network_order(protocol);
  sum += in_network_order(static_cast<std::uint16_t>(octets));
  sum += in_network_order(static_cast<std::uint16_t>(octets >> 16));
  return sum;
}

/// True when an IP packet may start here: version and lengths fit into what the wire had.
bool looks_like_ip(const Reader& reader) noexcept;

/// Reads an IP header of either version, with the extension headers up to a fragment header. The reader is left at
/// the payload, without the padding after the datagram.
StopReason parse_ip(Reader& reader, bool verify_checksums, IpHeader& ip) noexcept;

/// Goes on through extension headers (authentication headers, too) until ip.protocol is an upper layer or a fragment.
StopReason skip_extensions(Reader& reader, IpHeader& ip) noexcept;

/// Reads the header that an ICMP error quotes. Its lengths and checksum are not to be relied upon.
StopReason parse_quoted_ip(Reader& reader, IpHeader& ip) noexcept;

/// parse_ip() for IPv4; `reader` must be at a version nibble of 4. Inline: it lies on the plain path.
inline StopReason parse_ipv4(Reader& reader, bool verify_checksums, IpHeader& ip) noexcept {
  const auto header = reader.peek<20>();
  if (!header) [[unlikely]]
    return DecodeOutcome::ip_truncated;
  const std::size_t header_octets = (header.u8<0>() & 0x0fU) * 4U;
  std::size_t total_octets = header.be16<2>();
  // Segmentation offload leaves 0 in the packets that a host captures of itself.
  if (total_octets == 0) [[unlikely]]
    total_octets = reader.wire_size();
  if (header_octets < 20 || total_octets < header_octets) [[unlikely]]
    return DecodeOutcome::ip_header_bad;
  if (total_octets > reader.wire_size() || header_octets > reader.captured_size()) [[unlikely]] {
    return DecodeOutcome::ip_truncated;
  }
  if (verify_checksums) {
    std::uint64_t sum = std::uint64_t{header.raw<std::uint32_t, 0>()} + header.raw<std::uint32_t, 4>() +
                        header.raw<std::uint32_t, 8>() + header.raw<std::uint32_t, 12>() +
                        header.raw<std::uint32_t, 16>();
    if (header_octets > 20) [[unlikely]]
      sum = checksum_of(reader.captured().first(header_octets));
    if (!checksum_holds(sum)) [[unlikely]]
      return DecodeOutcome::ip_checksum_bad;
  }
  const std::uint16_t fragment = header.be16<6>();
  ip.source = header.view<12, 4>();
  ip.destination = header.view<16, 4>();
  ip.id = header.be16<4>();
  ip.offset = (fragment & 0x1fffU) * 8U;
  ip.protocol = header.u8<9>();
  ip.ttl = header.u8<8>();
  ip.dont_fragment = (fragment & 0x4000U) != 0;
  ip.more_fragments = (fragment & 0x2000U) != 0;
  ip.fragment = (fragment & 0x3fffU) != 0;
  ip.whole = true;
  reader.skip(header_octets);
  reader.limit(total_octets - header_octets);
  return {};
}

/// The fixed IPv6 header alone; `reader` must be at a version nibble of 6. Inline as parse_ipv4() is.
inline StopReason parse_ipv6_header(Reader& reader, IpHeader& ip) noexcept {
  const auto header = reader.take<40>();
  if (!header) [[unlikely]]
    return DecodeOutcome::ip_truncated;
  const std::size_t payload_octets = header.be16<4>();
  if (payload_octets > reader.wire_size()) [[unlikely]]
    return DecodeOutcome::ip_truncated;
  // 0: a jumbogram (RFC 2675), or segmentation offload.
  if (payload_octets != 0) [[likely]]
    reader.limit(payload_octets);
  ip = {};
  ip.source = header.view<8, 16>();
  ip.destination = header.view<24, 16>();
  ip.protocol = header.u8<6>();
  ip.ttl = header.u8<7>();
  ip.dont_fragment = true;
  return {};
}

}  // namespace doorslam::packet
