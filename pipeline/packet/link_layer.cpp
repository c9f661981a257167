#include "pipeline/packet/link_layer.h"

#include "pipeline/packet/wlan.h"

namespace doorslam::packet {
namespace {

constexpr int kMaxLinkHeaders = 24;  ///< tags, labels and frames inside frames
constexpr Position kTruncated = {.reason = DecodeOutcome::frame_truncated};
constexpr Position kNotIp = {.reason = DecodeOutcome::not_ip};

constexpr Position at_ethertype(std::uint16_t type) { return {.layer = Layer::ethertype, .ethertype = type}; }

/// BSD loopback: the address family in the byte order of the host that captured.
Position strip_loopback(Reader& reader) noexcept {
  const auto header = reader.take<4>();
  if (!header) return kTruncated;
  const std::uint32_t big = header.be32<0>();
  const std::uint32_t family = big > 0xffff ? __builtin_bswap32(big) : big;
  // AF_INET6 has another number in Linux, NetBSD and OpenBSD, FreeBSD, macOS.
  const bool ip = family == 2 || family == 10 || family == 24 || family == 28 || family == 30;
  return ip ? Position{.layer = Layer::ip} : kNotIp;
}

/// The protocol field of Linux cooked captures: an ethertype, or a small number for 802.3 frames.
Position after_cooked(std::uint16_t protocol) noexcept {
  constexpr std::uint16_t kLlc = 0x0004;
  return protocol == kLlc ? Position{.layer = Layer::llc} : at_ethertype(protocol);
}

Position strip_ethernet(Reader& reader) noexcept {
  const auto header = reader.take<14>();
  return header ? at_ethertype(header.be16<12>()) : kTruncated;
}

Position strip_vlan(Reader& reader, std::uint16_t& vlan) noexcept {
  const auto tag = reader.take<4>();
  if (!tag) return kTruncated;
  vlan = tag.be16<0>() & 0x0fffU;
  return at_ethertype(tag.be16<2>());
}

Position strip_tag(Reader& reader, std::size_t octets, Layer next) noexcept {
  return reader.skip(octets) ? Position{.layer = next} : kTruncated;
}

Position strip_vn_tag(Reader& reader) noexcept {
  const auto tag = reader.take<6>();
  return tag ? at_ethertype(tag.be16<4>()) : kTruncated;
}

Position strip_ethertype(std::uint16_t type, Reader& reader, std::uint16_t& vlan) noexcept {
  constexpr std::uint16_t kMaxLength = 1500;
  switch (type) {
    case ethertype::kIpv4:
    case ethertype::kIpv6:
      return {.layer = Layer::ip};
    case ethertype::kVlan:
    case ethertype::kServiceVlan:
    case ethertype::kOldQinq:
    case ethertype::kOldQinq2:
      return strip_vlan(reader, vlan);
    case ethertype::kMpls:
    case ethertype::kMplsMulticast:
      return {.layer = Layer::mpls};
    case ethertype::kPppoeSession:
      return {.layer = Layer::pppoe};
    case ethertype::kPpp:
      return {.layer = Layer::ppp};
    case ethertype::kTransparentEthernet:
      return {.layer = Layer::ethernet};
    case ethertype::kPbb:
      return strip_tag(reader, 4, Layer::ethernet);  // IEEE 802.1ah: I-TAG
    case ethertype::kFabricPath:
      return strip_tag(reader, 2, Layer::ethernet);  // FTag and TTL
    case ethertype::kVnTag:
      return strip_vn_tag(reader);
    case ethertype::kArp:
    case ethertype::kRarp:
      return {.reason = DecodeOutcome::arp};
    default:
      break;
  }
  return type > kMaxLength ? kNotIp : Position{.layer = Layer::llc};
}

/// IEEE 802.2: IP by its own service access point, or in SNAP.
Position strip_llc(Reader& reader) noexcept {
  constexpr std::uint16_t kSnap = 0xaaaa;
  constexpr std::uint16_t kIp = 0x0606;
  const auto header = reader.take<3>();
  if (!header) return kTruncated;
  if (header.be16<0>() == kIp) return {.layer = Layer::ip};
  if (header.be16<0>() != kSnap) return kNotIp;
  const auto snap = reader.take<5>();
  if (!snap) return kTruncated;
  const std::uint32_t organisation = snap.be32<0>() >> 8U;
  const bool ethertype_follows = organisation == 0 || organisation == 0x0000f8;  // RFC 1042, 802.1H
  return ethertype_follows ? at_ethertype(snap.be16<3>()) : kNotIp;
}

Position strip_pppoe(Reader& reader) noexcept {
  const auto header = reader.take<6>();
  if (!header) return kTruncated;
  if (header.be16<0>() != 0x1100) return kNotIp;  // version, type, code of session data (RFC 2516)
  return {.layer = Layer::ppp};
}

/// PPP (RFC 1661), with or without HDLC's address and control (RFC 1662); the protocol may have one octet.
Position strip_ppp(Reader& reader) noexcept {
  if (const auto hdlc = reader.peek<2>(); hdlc && hdlc.be16<0>() == 0xff03) reader.skip(2);
  const auto first = reader.take<1>();
  if (!first) return kTruncated;
  std::uint16_t protocol = first.u8<0>();
  if ((protocol & 1U) == 0) {
    const auto second = reader.take<1>();
    if (!second) return kTruncated;
    protocol = static_cast<std::uint16_t>(protocol << 8U | second.u8<0>());
  }
  switch (protocol) {
    case 0x0021:
    case 0x0057:
      return {.layer = Layer::ip};
    case 0x0281:
    case 0x0283:
      return {.layer = Layer::mpls};
    default:
      return kNotIp;
  }
}

enum class Likeness : std::uint8_t { none, by_length, by_ethertype };

Likeness likeness_to_ethernet(const Reader& reader) noexcept {
  const auto header = reader.peek<14>();
  if (!header) return Likeness::none;
  switch (header.be16<12>()) {
    case ethertype::kIpv4:
    case ethertype::kIpv6:
    case ethertype::kVlan:
    case ethertype::kServiceVlan:
    case ethertype::kArp:
    case ethertype::kMpls:
    case ethertype::kPppoeSession:
      return Likeness::by_ethertype;
    default:
      return header.be16<12>() <= 1500 ? Likeness::by_length : Likeness::none;
  }
}

/// Labels do not say what they carry: the first nibble is 4 or 6 for IP, 0 for a pseudowire's control word (RFC 4928);
/// a pseudowire without control word starts with a MAC address, which may look like either.
Position strip_mpls(Reader& reader) noexcept {
  constexpr int kMaxLabels = 16;
  bool bottom = false;
  for (int i = 0; i < kMaxLabels && !bottom; ++i) {
    const auto label = reader.take<4>();
    if (!label) return kTruncated;
    bottom = (label.u8<2>() & 1U) != 0;
  }
  if (!bottom) return {.reason = DecodeOutcome::nested_too_deep};
  const auto first = reader.peek<1>();
  if (!first) return kTruncated;
  if (looks_like_ip(reader)) return {.layer = Layer::ip};
  const unsigned nibble = first.u8<0>() >> 4U;
  const Likeness direct = likeness_to_ethernet(reader);
  Reader past_control_word = reader;
  if (nibble == 0 && direct != Likeness::by_ethertype && past_control_word.skip(4)) {
    const Likeness with_control_word = likeness_to_ethernet(past_control_word);
    if (with_control_word != Likeness::none && with_control_word >= direct) {
      reader = past_control_word;
      return {.layer = Layer::ethernet};
    }
  }
  if (direct != Likeness::none) return {.layer = Layer::ethernet};
  return nibble == 4 || nibble == 6 ? Position{.layer = Layer::ip} : kNotIp;
}

}  // namespace

Position start_of_frame(std::uint32_t type, Reader& reader) noexcept {
  switch (type) {
    case link_type::kEthernet:
      return {.layer = Layer::ethernet};
    case link_type::kDltRaw:
    case link_type::kOpenBsdRaw:
    case link_type::kRaw:
    case link_type::kIpv4:
    case link_type::kIpv6:
      return {.layer = Layer::ip};
    case link_type::kNull:
    case link_type::kLoop:
      return strip_loopback(reader);
    case link_type::kPpp:
    case link_type::kPppHdlc:
      return {.layer = Layer::ppp};
    case link_type::kPppEther:
      return {.layer = Layer::pppoe};
    case link_type::kMpls:
      return {.layer = Layer::mpls};
    case link_type::kFddi:
      return strip_tag(reader, 13, Layer::llc);  // frame control and two addresses
    case link_type::kIeee80211:
      return {.layer = Layer::wlan};
    case link_type::kIeee80211Radiotap: {
      const auto header = reader.peek<4>();
      return header && reader.skip(header.le16<2>()) ? Position{.layer = Layer::wlan} : kTruncated;
    }
    case link_type::kCiscoHdlc: {
      const auto header = reader.take<4>();
      return header ? at_ethertype(header.be16<2>()) : kTruncated;
    }
    case link_type::kLinuxSll: {
      const auto header = reader.take<16>();
      return header ? after_cooked(header.be16<14>()) : kTruncated;
    }
    case link_type::kLinuxSll2: {
      const auto header = reader.take<20>();
      return header ? after_cooked(header.be16<0>()) : kTruncated;
    }
    default:
      return {.reason = DecodeOutcome::link_type_unknown};
  }
}

bool reads_link_type(std::uint32_t link_type) noexcept {
  Reader nothing(ByteView{}, 0);
  return start_of_frame(link_type, nothing).reason != DecodeOutcome::link_type_unknown;
}

StopReason reach_ip(Position position, Reader& reader, std::uint16_t& vlan) noexcept {
  for (int i = 0; i < kMaxLinkHeaders; ++i) {
    switch (position.layer) {
      case Layer::ethernet:
        position = strip_ethernet(reader);
        break;
      case Layer::ethertype:
        position = strip_ethertype(position.ethertype, reader, vlan);
        break;
      case Layer::llc:
        position = strip_llc(reader);
        break;
      case Layer::mpls:
        position = strip_mpls(reader);
        break;
      case Layer::ppp:
        position = strip_ppp(reader);
        break;
      case Layer::pppoe:
        position = strip_pppoe(reader);
        break;
      case Layer::wlan:
        position = strip_wlan(reader);
        break;
      case Layer::ip:
        return {};
      case Layer::none:
        return position.reason;
    }
  }
  return DecodeOutcome::nested_too_deep;
}

}  // namespace doorslam::packet
