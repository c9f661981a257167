#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "pipeline/base/named.h"

namespace doorslam::packet {

/// What became of a packet: used, or the one reason why not. Every packet counts under exactly one.
enum class DecodeOutcome : std::uint8_t {
  tcp,                 ///< a Segment
  icmp_error,          ///< an IcmpError about a TCP segment
  frame_truncated,     ///< ends inside a link-layer header
  link_type_unknown,   ///< a LINKTYPE_* that doorslam does not read
  arp,                 ///< ARP or RARP
  not_ip,              ///< another protocol than IP and ARP
  nested_too_deep,     ///< more tunnels or tags inside each other than any network has
  ip_header_bad,       ///< version, header length or extension headers make no sense
  ip_checksum_bad,     ///< IPv4 header checksum wrong
  ip_truncated,        ///< IP headers not captured, or a datagram longer than its frame
  fragment_held,       ///< waits for the other fragments of its datagram
  fragment_duplicate,  ///< the same octets were there already
  fragment_overlap,    ///< contradicts another fragment: its datagram is given up (RFC 5722)
  fragment_bad,        ///< offset or length that no sender may use
  fragment_lost,       ///< could not be reassembled: no memory left, or cut off by the snap length
  udp,                 ///< UDP that is no tunnel
  encrypted,           ///< ESP
  not_tcp,             ///< another transport protocol, or none
  icmp_other,          ///< ICMP that is no error, or an error about another protocol
  icmp_truncated,      ///< ICMP error without ports and sequence number
  icmp_checksum_bad,   ///< ICMP checksum wrong
  tcp_header_bad,      ///< data offset makes no sense, or a datagram shorter than a TCP header
  tcp_truncated,       ///< TCP header not captured
  tunnel_bad,          ///< GRE header that makes no sense or was not captured
  tunnel_other,        ///< a tunnel's own signalling, or a protocol in it that doorslam does not read
};

inline constexpr auto kDecodeOutcomeNames = names_of<DecodeOutcome>({
    {DecodeOutcome::tcp, "tcp"},
    {DecodeOutcome::icmp_error, "icmp_error"},
    {DecodeOutcome::frame_truncated, "frame_truncated"},
    {DecodeOutcome::link_type_unknown, "link_type_unknown"},
    {DecodeOutcome::arp, "arp"},
    {DecodeOutcome::not_ip, "not_ip"},
    {DecodeOutcome::nested_too_deep, "nested_too_deep"},
    {DecodeOutcome::ip_header_bad, "ip_header_bad"},
    {DecodeOutcome::ip_checksum_bad, "ip_checksum_bad"},
    {DecodeOutcome::ip_truncated, "ip_truncated"},
    {DecodeOutcome::fragment_held, "fragment_held"},
    {DecodeOutcome::fragment_duplicate, "fragment_duplicate"},
    {DecodeOutcome::fragment_overlap, "fragment_overlap"},
    {DecodeOutcome::fragment_bad, "fragment_bad"},
    {DecodeOutcome::fragment_lost, "fragment_lost"},
    {DecodeOutcome::udp, "udp"},
    {DecodeOutcome::encrypted, "encrypted"},
    {DecodeOutcome::not_tcp, "not_tcp"},
    {DecodeOutcome::icmp_other, "icmp_other"},
    {DecodeOutcome::icmp_truncated, "icmp_truncated"},
    {DecodeOutcome::icmp_checksum_bad, "icmp_checksum_bad"},
    {DecodeOutcome::tcp_header_bad, "tcp_header_bad"},
    {DecodeOutcome::tcp_truncated, "tcp_truncated"},
    {DecodeOutcome::tunnel_bad, "tunnel_bad"},
    {DecodeOutcome::tunnel_other, "tunnel_other"},
});

inline constexpr std::size_t kDecodeOutcomeCount = kDecodeOutcomeNames.size();
static_assert(static_cast<std::size_t>(DecodeOutcome::tunnel_other) + 1 == kDecodeOutcomeCount);

constexpr std::size_t index_of(DecodeOutcome outcome) { return static_cast<std::size_t>(outcome); }
constexpr std::string_view name_of(DecodeOutcome outcome) { return kDecodeOutcomeNames[index_of(outcome)]; }

/// Counters of one decoder. worker-bound; another thread reads a copy.
struct DecodeCounters {
  std::array<std::uint64_t, kDecodeOutcomeCount> packets{};  ///< by index_of(DecodeOutcome); their sum is all packets

  // Beside the outcomes, not part of the sum:
  std::uint64_t tcp_checksum_bad = 0;       ///< of the packets counted as tcp
  std::uint64_t tunneled = 0;               ///< of the packets counted as tcp
  std::uint64_t datagrams_reassembled = 0;  ///< put together from fragments
  std::uint64_t datagrams_expired = 0;      ///< fragments did not all come in time
  std::uint64_t datagrams_evicted = 0;      ///< given up, unfinished, for newer ones

  std::uint64_t of(DecodeOutcome outcome) const noexcept { return packets[index_of(outcome)]; }
  std::uint64_t received() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : packets) sum += count;
    return sum;
  }
};

}  // namespace doorslam::packet
