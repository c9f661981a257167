#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "flowtable/time.h"
#include "pipeline/packet/segment.h"
#include "pipeline/tcp/connection.h"

/// What an analyst would want to look at again: kept for a connection until it is plainly served.
namespace doorslam::tcp {

/// What was remarkable about one segment.
enum class RungNote : std::uint8_t {
  none,
  retransmission,
  out_of_order,
  gap_before,  ///< data ACKed by the peer that the capture does not have
  keep_alive,
  zero_window,
  window_probe,
  bad_handshake_ack,  ///< the third handshake segment acknowledges a number that the SYN-ACK did not offer
  bad_checksum,
  foreign_ttl,  ///< TTL differs from that side's other packets: somebody else may have sent it
  out_of_window,
};

/// One packet of the ladder.
struct Rung {
  flowtable::TimeNs time_ns = 0;
  std::uint32_t seq = 0;     ///< relative to the sender's initial sequence number
  std::uint32_t ack = 0;     ///< relative to the other side's initial sequence number
  std::uint16_t length = 0;  ///< payload octets
  std::uint16_t window = 0;  ///< as sent
  std::uint16_t ip_id = 0;
  std::uint8_t flags = 0;
  std::uint8_t ttl = 0;
  Side side = Side::originator;
  RungNote note = RungNote::none;
};

/// The IP and TCP header habits of a sender, to tell its own packets from a forger's.
struct Fingerprint {
  std::uint8_t ttl = 0;
  std::uint8_t options = 0;  ///< TcpOptions::present
  std::uint16_t ip_id = 0;
  std::uint16_t window = 0;
  bool dont_fragment = false;
  bool seen = false;
};

/// The first octets of one side's payload, in stream order, with the offset at which each segment began.
struct PayloadHead {
  static constexpr std::size_t kCapacity = 256;
  static constexpr std::size_t kMaxSegments = 12;

  std::array<std::uint8_t, kCapacity> bytes{};
  std::array<std::uint16_t, kMaxSegments> segment_start{};
  std::uint16_t length = 0;
  std::uint8_t segments = 0;
  bool incomplete = false;  ///< a gap or the snap length took octets out of it

  packet::ByteView view() const noexcept { return {bytes.data(), length}; }
};

/// One side's part of the evidence. Times are kNoTime where the event was not seen.
struct SideEvidence {
  flowtable::TimeNs first_payload_ns = 0;
  flowtable::TimeNs last_payload_ns = 0;
  flowtable::TimeNs fin_ns = 0;                ///< first FIN
  flowtable::TimeNs rst_ns = 0;                ///< first RST
  flowtable::TimeNs last_ns = 0;               ///< last segment of any kind
  flowtable::TimeNs zero_window_since_ns = 0;  ///< kNoTime when the window is open
  Fingerprint first;                           ///< SYN or SYN-ACK, else the first segment
  Fingerprint last;                            ///< last segment that was no RST
  Fingerprint rst;                             ///< first RST
  std::uint32_t rst_seq = 0;                   ///< relative
  std::uint32_t next_seq = 0;                  ///< relative; highest octet sent + 1
  std::uint32_t acked = 0;                     ///< relative; highest octet of this side that the other has acknowledged
  std::uint32_t unseen_octets = 0;     ///< acknowledged by the other side although nothing of this one was captured
  std::uint16_t payload_segments = 0;  ///< segments with payload, retransmissions not counted
  std::uint16_t retransmissions = 0;   ///< of payload, SYN or FIN
  std::uint8_t resets = 0;
  bool rst_with_ack = false;
  PayloadHead head;
  std::array<std::uint8_t, 160> last_words{};  ///< first octets of this side's latest payload segment
  std::uint8_t last_words_length = 0;
};

/// The first ICMP error that named this connection.
struct IcmpNote {
  flowtable::TimeNs time_ns = 0;  ///< kNoTime: none
  flowtable::IpAddress reporter;
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint8_t ttl = 0;
};

/// Fixed size; lives in a bounded pool, is copied out when the connection ends.
struct Evidence {
  static constexpr std::size_t kFirstRungs = 14;
  static constexpr std::size_t kLastRungs = 10;
  /// What nearly every segment touches: the head with the originator's times and habits, and as much of the
  /// responder's.
  static constexpr std::size_t kHotSideOctets = 128;
  static constexpr std::size_t kHotOctets = 80 + kHotSideOctets;

  flowtable::TimeNs syn_ns = 0;       ///< first SYN
  flowtable::TimeNs last_syn_ns = 0;  ///< last SYN
  flowtable::TimeNs syn_ack_ns = 0;   ///< first SYN-ACK
  flowtable::TimeNs last_syn_ack_ns = 0;
  flowtable::TimeNs handshake_ns = 0;  ///< the ACK that completed the handshake
  std::uint8_t syns = 0;
  std::uint8_t syn_acks = 0;
  bool handshake_ack_wrong =
      false;                     ///< an ACK before the handshake was complete acknowledged another number than ISS + 1
  bool fast_open = false;        ///< RFC 7413: data in the SYN
  std::uint32_t rung_count = 0;  ///< all segments seen, kept or not
  std::uint16_t exchanges = 0;   ///< times that the responder sent payload after originator's payload
  IcmpNote icmp;
  std::array<SideEvidence, 2> side;  ///< by index_of(Side)
  std::array<Rung, kFirstRungs> first_rungs;
  std::array<Rung, kLastRungs> last_rungs;  ///< ring: rung n, of those behind the first, is at n % kLastRungs

  const SideEvidence& of(Side s) const noexcept { return side[index_of(s)]; }
  SideEvidence& of(Side s) noexcept { return side[index_of(s)]; }

  /// Calls `visit(rung, number)` for every rung that was kept, oldest first; `number` counts all segments from 0.
  template <class Visit>
  void for_each_rung(Visit visit) const {
    const std::uint32_t first = rung_count < kFirstRungs ? rung_count : std::uint32_t{kFirstRungs};
    for (std::uint32_t i = 0; i < first; ++i) visit(first_rungs[i], i);
    const std::uint32_t last = rung_count > kLastRungs ? rung_count - std::uint32_t{kLastRungs} : 0;
    for (std::uint32_t i = last > first ? last : first; i < rung_count; ++i) visit(last_rungs[i % kLastRungs], i);
  }
};

}  // namespace doorslam::tcp
