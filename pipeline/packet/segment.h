#pragma once

#include <cstdint>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/packet/raw_packet.h"

/// What decoding makes of a frame: a TCP segment, or an ICMP error about one.
namespace doorslam::packet {

/// TCP header flags (RFC 9293, section 3.1).
namespace tcp_flag {
inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kSyn = 0x02;
inline constexpr std::uint8_t kRst = 0x04;
inline constexpr std::uint8_t kPsh = 0x08;
inline constexpr std::uint8_t kAck = 0x10;
inline constexpr std::uint8_t kUrg = 0x20;
inline constexpr std::uint8_t kEce = 0x40;
inline constexpr std::uint8_t kCwr = 0x80;
}  // namespace tcp_flag

/// TCP options that the diagnosis reads. Bits of `present` say which were there.
struct TcpOptions {
  static constexpr std::uint8_t kMss = 0x01;            ///< RFC 9293
  static constexpr std::uint8_t kWindowScale = 0x02;    ///< RFC 7323
  static constexpr std::uint8_t kSackPermitted = 0x04;  ///< RFC 2018
  static constexpr std::uint8_t kTimestamps = 0x08;     ///< RFC 7323
  static constexpr std::uint8_t kFastOpen = 0x10;       ///< RFC 7413
  static constexpr std::uint8_t kSack = 0x20;           ///< RFC 2018
  static constexpr std::uint8_t kMalformed = 0x80;

  std::uint8_t present = 0;
  std::uint8_t window_scale = 0;      ///< shift count, as sent
  std::uint16_t mss = 0;              ///< octets
  std::uint32_t timestamp_value = 0;  ///< TSval
  std::uint32_t timestamp_echo = 0;   ///< TSecr

  friend bool operator==(const TcpOptions&, const TcpOptions&) = default;
};

/// A decoded TCP segment. `payload` borrows from the RawPacket, or, of a reassembled datagram, from the decoder until
/// its recycle().
struct Segment {
  flowtable::TimeNs time_ns = 0;
  std::uint64_t number = 0;  ///< of the packet in its source
  flowtable::Endpoint source;
  flowtable::Endpoint destination;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint32_t payload_length = 0;  ///< octets by the IP and TCP headers; payload.size() may be less (snap length)
  std::uint16_t window = 0;          ///< as sent, not scaled
  std::uint16_t ip_id = 0;           ///< IPv4 identification; 0 for IPv6
  std::uint16_t vlan = 0;            ///< innermost 802.1Q VLAN ID, 0: none
  std::uint8_t flags = 0;            ///< tcp_flag bits
  bool checksum_bad = false;         ///< TCP checksum verified and wrong
  std::uint8_t ttl = 0;              ///< TTL or hop limit of the innermost IP header
  bool dont_fragment = false;        ///< IPv4 DF; true for IPv6
  bool tunneled = false;             ///< the innermost IP header was not the first
  TcpOptions options;
  ByteView payload;

  bool has(std::uint8_t flag) const noexcept { return (flags & flag) != 0; }
};

/// An ICMP or ICMPv6 error with the inner TCP header's addresses, as the reporter saw the packet go by.
struct IcmpError {
  flowtable::TimeNs time_ns = 0;
  std::uint64_t number = 0;
  flowtable::IpAddress reporter;    ///< source address of the ICMP message
  flowtable::Endpoint source;       ///< inner packet's source: who sent what could not be delivered
  flowtable::Endpoint destination;  ///< inner packet's destination
  std::uint32_t seq = 0;            ///< inner TCP sequence number
  std::uint16_t vlan = 0;
  std::uint8_t type = 0;  ///< ICMP (RFC 792) or ICMPv6 (RFC 4443) type, by reporter.version
  std::uint8_t code = 0;
  std::uint8_t ttl = 0;      ///< of the ICMP message
  bool reassembled = false;  ///< the message was put together of fragments: no single frame holds it
};

}  // namespace doorslam::packet
