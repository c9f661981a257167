#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flowtable/ip_address.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/packet/segment.h"

/// Frames for tests, written from the outermost header inwards:
///
///     Bytes frame = Frame().ethernet().vlan(7).ipv4("192.0.2.1", "192.0.2.2").tcp({.flags =
///     kSyn}).payload("hi").bytes();
///
/// Each layer fills in the "what follows" field of the layer before it. Lengths and checksums are computed by bytes(),
/// innermost first, and are right unless a test says otherwise.
namespace doorslam::test {

using Bytes = std::vector<std::uint8_t>;

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.reserve(left.size() + right.size());
  for (const std::uint8_t octet : right) left.push_back(octet);
  return left;
}

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

/// Parses "192.0.2.1" or "2001:db8::1".
inline flowtable::IpAddress address(std::string_view text) {
  const std::string name(text);
  flowtable::IpAddress parsed;
  parsed.version = name.find(':') == std::string::npos ? flowtable::IpVersion::v4 : flowtable::IpVersion::v6;
  const int family = parsed.version == flowtable::IpVersion::v4 ? AF_INET : AF_INET6;
  if (inet_pton(family, name.c_str(), parsed.octets.data()) != 1) throw std::invalid_argument("no address: " + name);
  return parsed;
}

inline flowtable::Endpoint endpoint(std::string_view text, std::uint16_t port) { return {address(text), port}; }

/// The Internet checksum (RFC 1071), octet pair by octet pair: slow and plain, to check the fast one against.
inline std::uint16_t internet_checksum(std::span<const std::uint8_t> octets, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i < octets.size(); ++i) sum += i % 2 == 0 ? std::uint32_t{octets[i]} << 8 : octets[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

/// TCP options as octets; join them with +. tcp() pads them to a multiple of four.
namespace tcp_option {
inline Bytes nop() { return {1}; }
inline Bytes mss(std::uint16_t octets) {
  return {2, 4, static_cast<std::uint8_t>(octets >> 8), static_cast<std::uint8_t>(octets)};
}
inline Bytes window_scale(std::uint8_t shift) { return {3, 3, shift}; }
inline Bytes sack_permitted() { return {4, 2}; }
inline Bytes timestamps(std::uint32_t value, std::uint32_t echo) {
  Bytes option{8, 10};
  for (const std::uint32_t number : {value, echo}) {
    for (int shift = 24; shift >= 0; shift -= 8) option.push_back(static_cast<std::uint8_t>(number >> shift));
  }
  return option;
}
}  // namespace tcp_option

struct Ipv4Fields {
  std::uint8_t ttl = 64;
  std::uint16_t id = 1;
  bool dont_fragment = true;
  bool more_fragments = false;
  std::uint16_t fragment_octets = 0;  ///< offset in octets, a multiple of eight
  Bytes options{};                    ///< padded to a multiple of four
  int protocol = -1;                  ///< -1: what the next layer says
  int total_length = -1;              ///< -1: up to the end of the frame, but for trailer()
  bool bad_checksum = false;
};

struct Ipv6Fields {
  std::uint8_t hop_limit = 64;
  int next_header = -1;
  int payload_length = -1;
};

struct TcpFields {
  std::uint16_t source_port = 40000;
  std::uint16_t destination_port = 80;
  std::uint32_t seq = 1000;
  std::uint32_t ack = 0;
  std::uint8_t flags = packet::tcp_flag::kSyn;
  std::uint16_t window = 64240;
  Bytes options{};
  int data_offset = -1;  ///< in 32-bit words; -1: as the options need
  bool bad_checksum = false;
};

struct UdpFields {
  std::uint16_t source_port = 50000;
  std::uint16_t destination_port = 53;
};

class Frame {
 public:
  // --- link layers -------------------------------------------------------------------------------------------------
  Frame& ethernet() {
    static constexpr std::array<std::uint8_t, 12> kMacs = {0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1};
    follow(0x6558, -1, -1);
    append(kMacs);
    return ethertype_slot();
  }
  Frame& vlan(std::uint16_t id, std::uint16_t tag_protocol = 0x8100) {
    follow(tag_protocol, -1, -1);
    append16(id);
    return ethertype_slot();
  }
  Frame& mpls(std::uint32_t label, bool bottom = true) {
    follow(0x8847, 137, 0x0281);
    append32(label << 12 | (bottom ? 0x100U : 0U) | 64U);
    slot_ = Slot::none;
    return *this;
  }
  Frame& pppoe() {
    follow(0x8864, -1, -1);
    append(Bytes{0x11, 0x00, 0x00, 0x07});
    const std::size_t at = append16(0);
    fixups_.push_back([at](Bytes& b, std::size_t end) { put16(b, at, end - at - 2); });
    return ppp();
  }
  Frame& ppp() {
    follow(0x880b, -1, -1);
    slot_at_ = append16(0);
    slot_ = Slot::ppp;
    return *this;
  }
  /// 802.3 length in place of an ethertype, LLC and SNAP headers.
  Frame& llc_snap() {
    const std::size_t at = slot_at_;
    fixups_.push_back([at](Bytes& b, std::size_t end) { put16(b, at, end - at - 2); });
    append(Bytes{0xaa, 0xaa, 0x03, 0, 0, 0});
    return ethertype_slot();
  }
  Frame& linux_cooked() {
    append(Bytes{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0});
    return ethertype_slot();
  }
  Frame& linux_cooked_v2() {
    ethertype_slot();
    append(Bytes{0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0});
    return *this;
  }

  // --- network layer -----------------------------------------------------------------------------------------------
  Frame& ipv4(std::string_view source, std::string_view destination, const Ipv4Fields& fields = {}) {
    follow(0x0800, 4, 0x0021);
    Bytes options = fields.options;
    options.resize((options.size() + 3) / 4 * 4, 0);
    const std::size_t header = 20 + options.size();
    const std::size_t at = bytes_.size();
    append(Bytes{static_cast<std::uint8_t>(0x40 | header / 4), 0});
    append16(0);
    append16(fields.id);
    append16((fields.dont_fragment ? 0x4000U : 0U) | (fields.more_fragments ? 0x2000U : 0U) |
             fields.fragment_octets / 8U);
    append(Bytes{fields.ttl, static_cast<std::uint8_t>(std::max(fields.protocol, 0)), 0, 0});
    append_address(source, 4);
    append_address(destination, 4);
    append(options);
    fixups_.push_back([at, header, length = fields.total_length, bad = fields.bad_checksum](Bytes& b, std::size_t end) {
      put16(b, at + 2, length >= 0 ? static_cast<std::size_t>(length) : end - at);
      const std::uint16_t sum = internet_checksum(std::span(b).subspan(at, header));
      put16(b, at + 10, bad ? sum ^ 0x5555U : sum);
    });
    pseudo_ = {at + 12, 8};
    slot_ = fields.protocol < 0 ? Slot::ip_protocol : Slot::none;
    slot_at_ = at + 9;
    return *this;
  }
  Frame& ipv6(std::string_view source, std::string_view destination, const Ipv6Fields& fields = {}) {
    follow(0x86dd, 41, 0x0057);
    const std::size_t at = bytes_.size();
    append32(0x60000000);
    append16(0);
    append(Bytes{static_cast<std::uint8_t>(std::max(fields.next_header, 0)), fields.hop_limit});
    append_address(source, 16);
    append_address(destination, 16);
    fixups_.push_back([at, length = fields.payload_length](Bytes& b, std::size_t end) {
      put16(b, at + 4, length >= 0 ? static_cast<std::size_t>(length) : end - at - 40);
    });
    pseudo_ = {at + 8, 32};
    slot_ = fields.next_header < 0 ? Slot::ip_protocol : Slot::none;
    slot_at_ = at + 6;
    return *this;
  }
  /// An IPv6 extension header: `type` is its own number, `body` what follows the next-header octet.
  Frame& extension(std::uint8_t type, const Bytes& body) {
    follow(-1, type, -1);
    slot_at_ = bytes_.size();
    slot_ = Slot::ip_protocol;
    bytes_.push_back(0);
    return raw(body);
  }
  Frame& ipv6_fragment(std::uint16_t offset_octets, bool more, std::uint32_t id) {
    return extension(44, Bytes{0} + big_endian(offset_octets | (more ? 1U : 0U), 2) + big_endian(id, 4));
  }

  // --- transport layer ---------------------------------------------------------------------------------------------
  Frame& tcp(const TcpFields& fields = {}) {
    follow(-1, 6, -1);
    Bytes options = fields.options;
    options.resize((options.size() + 3) / 4 * 4, 0);
    const std::size_t at = bytes_.size();
    append16(fields.source_port);
    append16(fields.destination_port);
    append32(fields.seq);
    append32(fields.ack);
    const auto words = fields.data_offset >= 0 ? static_cast<std::size_t>(fields.data_offset) : 5 + options.size() / 4;
    append(Bytes{static_cast<std::uint8_t>(words << 4), fields.flags});
    append16(fields.window);
    append32(0);
    append(options);
    transport_checksum(at, at + 16, 6, fields.bad_checksum);
    slot_ = Slot::none;
    return *this;
  }
  Frame& udp(const UdpFields& fields = {}) {
    follow(-1, 17, -1);
    append16(fields.source_port);
    append16(fields.destination_port);
    const std::size_t at = append32(0);
    fixups_.push_back([at](Bytes& b, std::size_t end) { put16(b, at, end - at + 4); });
    slot_ = Slot::none;
    return *this;
  }
  /// An ICMP message: four octets follow type, code and checksum; append the rest with raw() or the inner layers.
  Frame& icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0) {
    follow(-1, 1, -1);
    const std::size_t at = icmp_header(type, code, rest);
    fixups_.push_back(
        [at](Bytes& b, std::size_t end) { put16(b, at + 2, internet_checksum(std::span(b).subspan(at, end - at))); });
    return *this;
  }
  Frame& icmpv6(std::uint8_t type, std::uint8_t code, std::uint32_t rest = 0) {
    follow(-1, 58, -1);
    const std::size_t at = icmp_header(type, code, rest);
    transport_checksum(at, at + 2, 58, false);
    return *this;
  }

  // --- tunnels -----------------------------------------------------------------------------------------------------
  /// GRE: the flags' optional fields are to be given in `optional_fields`. The next layer sets the protocol type.
  Frame& gre(std::uint16_t flags = 0, const Bytes& optional_fields = {}) {
    follow(-1, 47, -1);
    append16(flags);
    ethertype_slot();
    return raw(optional_fields);
  }

  // --- anything ----------------------------------------------------------------------------------------------------
  /// Octets as they are, between layers; the layer after them still fills in the slot of the layer before.
  Frame& raw(const Bytes& octets) {
    append(octets);
    return *this;
  }
  /// Says what follows by number, for layers that this builder has no name for.
  Frame& next(std::uint16_t number) {
    follow(number, number, number);
    return *this;
  }
  Frame& payload(std::string_view text) { return raw(bytes_of(text)); }
  /// Octets after the end of the datagram: Ethernet padding, a frame check sequence.
  Frame& trailer(const Bytes& octets) {
    trailer_ = octets;
    return *this;
  }

  Bytes bytes() const {
    Bytes finished = bytes_;
    for (auto fixup = fixups_.rbegin(); fixup != fixups_.rend(); ++fixup) (*fixup)(finished, bytes_.size());
    return finished + trailer_;
  }

  static Bytes big_endian(std::uint64_t number, std::size_t octets) {
    Bytes out;
    for (std::size_t i = octets; i-- > 0;) out.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
    return out;
  }

 private:
  enum class Slot { none, ethertype, ip_protocol, ppp };
  struct PseudoHeader {
    std::size_t addresses_at = 0;
    std::size_t octets = 0;
  };
  using Fixup = std::function<void(Bytes&, std::size_t end)>;

  static void put16(Bytes& b, std::size_t at, std::size_t number) {
    b.at(at) = static_cast<std::uint8_t>(number >> 8);
    b.at(at + 1) = static_cast<std::uint8_t>(number);
  }

  void append(std::span<const std::uint8_t> octets) { bytes_.insert(bytes_.end(), octets.begin(), octets.end()); }
  void append_address(std::string_view text, std::size_t octets) {
    const flowtable::IpAddress parsed = address(text);
    append(std::span(parsed.octets).first(octets));
  }
  std::size_t append16(std::size_t number) {
    append(big_endian(number, 2));
    return bytes_.size() - 2;
  }
  std::size_t append32(std::size_t number) {
    append(big_endian(number, 4));
    return bytes_.size() - 4;
  }

  Frame& ethertype_slot() {
    slot_at_ = append16(0);
    slot_ = Slot::ethertype;
    return *this;
  }

  void follow(int ethertype, int ip_protocol, int ppp) {
    if (slot_ == Slot::ethertype && ethertype >= 0) put16(bytes_, slot_at_, static_cast<std::size_t>(ethertype));
    if (slot_ == Slot::ppp && ppp >= 0) put16(bytes_, slot_at_, static_cast<std::size_t>(ppp));
    if (slot_ == Slot::ip_protocol && ip_protocol >= 0) bytes_.at(slot_at_) = static_cast<std::uint8_t>(ip_protocol);
    slot_ = Slot::none;
  }

  std::size_t icmp_header(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
    const std::size_t at = bytes_.size();
    append(Bytes{type, code, 0, 0});
    append32(rest);
    slot_ = Slot::none;
    return at;
  }

  void transport_checksum(std::size_t at, std::size_t field_at, std::uint8_t protocol, bool bad) {
    fixups_.push_back([=, pseudo = pseudo_](Bytes& b, std::size_t end) {
      const Bytes addresses(b.begin() + static_cast<std::ptrdiff_t>(pseudo.addresses_at),
                            b.begin() + static_cast<std::ptrdiff_t>(pseudo.addresses_at + pseudo.octets));
      const std::uint16_t folded = internet_checksum(addresses + big_endian(end - at, 4) + big_endian(protocol, 4));
      const auto sum = internet_checksum(std::span(b).subspan(at, end - at), static_cast<std::uint16_t>(~folded));
      put16(b, field_at, bad ? sum ^ 0x5555U : sum);
    });
  }

  Bytes bytes_;
  Bytes trailer_;
  std::vector<Fixup> fixups_;
  PseudoHeader pseudo_;
  Slot slot_ = Slot::none;
  std::size_t slot_at_ = 0;
};

/// A RawPacket that borrows `frame`. `snap_length` cuts what is captured.
inline packet::RawPacket raw_packet(const Bytes& frame, std::uint32_t link_type = 1, flowtable::TimeNs time_ns = 1,
                                    std::size_t snap_length = SIZE_MAX) {
  return {.captured = packet::ByteView(frame).first(std::min(frame.size(), snap_length)),
          .wire_length = static_cast<std::uint32_t>(frame.size()),
          .link_type = link_type,
          .time_ns = time_ns,
          .number = 1};
}

}  // namespace doorslam::test
