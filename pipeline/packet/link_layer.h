#pragma once

#include <cstdint>

#include "pipeline/packet/ip.h"
#include "pipeline/packet/reader.h"

/// Everything between the start of a frame and its IP header. Lengths in link-layer headers are not used: the IP header
/// has its own, and there are devices that get the others wrong.
namespace doorslam::packet {

/// LINKTYPE_* values (https://www.tcpdump.org/linktypes.html) that doorslam reads.
namespace link_type {
inline constexpr std::uint32_t kNull = 0;
inline constexpr std::uint32_t kEthernet = 1;
inline constexpr std::uint32_t kPpp = 9;
inline constexpr std::uint32_t kFddi = 10;
inline constexpr std::uint32_t kDltRaw = 12;
inline constexpr std::uint32_t kOpenBsdRaw = 14;
inline constexpr std::uint32_t kPppHdlc = 50;
inline constexpr std::uint32_t kPppEther = 51;
inline constexpr std::uint32_t kRaw = 101;
inline constexpr std::uint32_t kCiscoHdlc = 104;
inline constexpr std::uint32_t kIeee80211 = 105;
inline constexpr std::uint32_t kLoop = 108;
inline constexpr std::uint32_t kLinuxSll = 113;
inline constexpr std::uint32_t kIeee80211Radiotap = 127;
inline constexpr std::uint32_t kMpls = 219;
inline constexpr std::uint32_t kIpv4 = 228;
inline constexpr std::uint32_t kIpv6 = 229;
inline constexpr std::uint32_t kLinuxSll2 = 276;
}  // namespace link_type

/// Whether frames of this LINKTYPE_* can be decoded at all.
bool reads_link_type(std::uint32_t link_type) noexcept;

namespace ethertype {
inline constexpr std::uint16_t kIpv4 = 0x0800;
inline constexpr std::uint16_t kArp = 0x0806;
inline constexpr std::uint16_t kTransparentEthernet = 0x6558;
inline constexpr std::uint16_t kRarp = 0x8035;
inline constexpr std::uint16_t kVlan = 0x8100;
inline constexpr std::uint16_t kIpv6 = 0x86dd;
inline constexpr std::uint16_t kPpp = 0x880b;
inline constexpr std::uint16_t kMpls = 0x8847;
inline constexpr std::uint16_t kMplsMulticast = 0x8848;
inline constexpr std::uint16_t kPppoeSession = 0x8864;
inline constexpr std::uint16_t kServiceVlan = 0x88a8;
inline constexpr std::uint16_t kPbb = 0x88e7;
inline constexpr std::uint16_t kFabricPath = 0x8903;
inline constexpr std::uint16_t kVnTag = 0x8926;
inline constexpr std::uint16_t kOldQinq = 0x9100;
inline constexpr std::uint16_t kOldQinq2 = 0x9200;
}  // namespace ethertype

/// What the next octets are.
enum class Layer : std::uint8_t { ethernet, ethertype, llc, mpls, ppp, pppoe, wlan, ip, none };

/// A place in a packet between two headers: the layer that follows; for Layer::ethertype, which; for Layer::none, why
/// the packet ends here.
struct Position {
  Layer layer = Layer::none;
  std::uint16_t ethertype = 0;
  DecodeOutcome reason = DecodeOutcome::not_ip;
};

/// Where a frame of this link type begins, its capture-only header (Linux cooked, loopback, radiotap) taken off.
Position start_of_frame(std::uint32_t link_type, Reader& reader) noexcept;

/// Strips headers from `position` on until the reader is at an IP header. Sets `vlan` to the innermost 802.1Q VLAN ID;
/// leaves it where there is none.
StopReason reach_ip(Position position, Reader& reader, std::uint16_t& vlan) noexcept;

/// The usual frame, Ethernet with at most one 802.1Q tag: true, and at the IP header. Otherwise nothing has changed.
inline bool strip_plain_ethernet(Reader& reader, std::uint16_t& vlan) noexcept {
  const auto header = reader.peek<18>();
  if (!header) [[unlikely]]
    return false;
  const std::uint16_t type = header.be16<12>();
  if (type == ethertype::kIpv4 || type == ethertype::kIpv6) [[likely]]
    return reader.skip(14);
  const std::uint16_t tagged = header.be16<16>();
  if (type != ethertype::kVlan || (tagged != ethertype::kIpv4 && tagged != ethertype::kIpv6)) return false;
  vlan = header.be16<14>() & 0x0fffU;
  return reader.skip(18);
}

}  // namespace doorslam::packet
