#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
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

/// One packet of the ladder. Without initial values, so that a ladder not climbed yet costs nothing: Rung{} is all 0.
struct Rung {
  flowtable::TimeNs time_ns;
  std::uint32_t seq;      ///< relative to the sender's initial sequence number
  std::uint32_t ack;      ///< relative to the other side's initial sequence number
  std::uint32_t skipped;  ///< segments of the connection before this one that were not recorded
  std::uint16_t length;   ///< payload octets
  std::uint16_t window;   ///< as sent
  std::uint16_t ip_id;
  std::uint8_t flags;
  std::uint8_t ttl;
  Side side;
  RungNote note;
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

/// The first octets of one side's payload, in stream order, with the offset at which each segment began. Copies take
/// along what is used.
struct PayloadHead {
  static constexpr std::size_t kCapacity = 256;
  static constexpr std::size_t kMaxSegments = 12;

  std::uint16_t length = 0;
  std::uint8_t segments = 0;
  bool incomplete = false;  ///< a gap, the snap length or the evidence policy took octets out of it
  std::array<std::uint16_t, kMaxSegments> segment_start{};
  std::array<std::uint8_t, kCapacity> bytes;  ///< set up to `length`

  PayloadHead() noexcept {}
  PayloadHead(const PayloadHead& other) noexcept { *this = other; }
  PayloadHead& operator=(const PayloadHead& other) noexcept {
    length = other.length;
    segments = other.segments;
    incomplete = other.incomplete;
    segment_start = other.segment_start;
    std::copy_n(other.bytes.begin(), length, bytes.begin());
    return *this;
  }

  packet::ByteView view() const noexcept { return {bytes.data(), length}; }
};

/// One side's part of the evidence but for its words. Times are kNoTime where the event was not seen.
struct SideFacts {
  flowtable::TimeNs first_payload_ns = 0;
  flowtable::TimeNs fin_ns = 0;                ///< first FIN
  flowtable::TimeNs rst_ns = 0;                ///< first RST
  flowtable::TimeNs zero_window_since_ns = 0;  ///< kNoTime when the window is open
  Fingerprint rst;                             ///< first RST
  std::uint32_t rst_seq = 0;                   ///< relative
  std::uint32_t next_seq = 0;                  ///< relative; highest octet sent + 1
  std::uint32_t acked = 0;                     ///< relative; highest octet of this side that the other has acknowledged
  std::uint32_t unseen_octets = 0;  ///< acknowledged by the other side although nothing of this one was captured
  std::uint8_t resets = 0;
  bool rst_with_ack : 1 = false;
  bool rst_unnumbered : 1 = false;    ///< sequence number 0: it answers a segment without ACK (RFC 9293, 3.10.7.1)
  std::uint16_t retransmissions = 0;  ///< of payload, SYN or FIN
  // From here on: what every segment touches, in one cache line with the beginning of SideEvidence::head.
  flowtable::TimeNs last_ns = 0;  ///< last segment of any kind
  flowtable::TimeNs last_payload_ns = 0;
  Fingerprint first;                   ///< SYN or SYN-ACK, else the first segment
  Fingerprint last;                    ///< last segment that was no RST
  std::uint16_t payload_segments = 0;  ///< segments with payload, retransmissions not counted
  std::uint8_t last_words_length = 0;
  std::uint8_t last_words_segment = 0;  ///< of the head, counted from 1, where they lie there; 0: in last_words
};

/// One side's part of the evidence. Copies take along what is used of the words.
struct alignas(64) SideEvidence : SideFacts {
  PayloadHead head;
  std::array<std::uint8_t, 160> last_words;  ///< where the head does not have them; see latest_words()

  SideEvidence() noexcept {}
  SideEvidence(const SideEvidence& other) noexcept : SideFacts(other), head(other.head) { copy_last_words(other); }
  SideEvidence& operator=(const SideEvidence& other) noexcept {
    SideFacts::operator=(other);
    head = other.head;
    copy_last_words(other);
    return *this;
  }

  /// The first octets of this side's latest payload segment.
  packet::ByteView latest_words() const noexcept {
    if (last_words_segment == 0) return {last_words.data(), last_words_length};
    return head.view().subspan(head.segment_start[last_words_segment - 1U], last_words_length);
  }
  /// Octets of last_words that are set.
  std::size_t words_apart() const noexcept { return last_words_segment == 0 ? last_words_length : 0; }

 private:
  void copy_last_words(const SideEvidence& other) noexcept {
    std::copy_n(other.last_words.begin(), other.words_apart(), last_words.begin());
  }
};

/// The first ICMP error that named this connection.
struct IcmpNote {
  flowtable::TimeNs time_ns = 0;  ///< kNoTime: none
  flowtable::IpAddress reporter;
  std::uint8_t type = 0;
  std::uint8_t code = 0;
  std::uint8_t ttl = 0;
  Side about = Side::originator;  ///< sender of the packet that the error quotes
};

/// Evidence but for its two sides and the ladder. In the first cache line.
struct ConnectionFacts {
  flowtable::TimeNs syn_ns = 0;       ///< first SYN
  flowtable::TimeNs last_syn_ns = 0;  ///< last SYN
  flowtable::TimeNs syn_ack_ns = 0;   ///< first SYN-ACK
  flowtable::TimeNs last_syn_ack_ns = 0;
  flowtable::TimeNs handshake_ns = 0;  ///< the ACK that completed the handshake
  std::uint8_t syns = 0;
  std::uint8_t syn_acks = 0;
  /// An ACK before the handshake was complete acknowledged another number than ISS + 1.
  bool handshake_ack_wrong = false;
  bool fast_open = false;             ///< RFC 7413: data in the SYN
  bool begins_late = false;           ///< what was recorded at first was given back to the pool (evidence_policy.h)
  std::uint32_t rung_count = 0;       ///< all segments recorded, kept or not
  std::uint32_t skipped = 0;          ///< segments not recorded, up to the time when recording was last taken up
  std::uint32_t uncounted_rungs = 0;  ///< recorded, but in no SideTotals::packets: their checksum is wrong
  std::uint16_t exchanges = 0;        ///< times that the responder sent payload after originator's payload
};

/// Fixed size; lives in a bounded pool, is copied out when the connection ends. What is not used yet is not
/// initialised, and not copied: tens of thousands of these are written to at a time, and do not fit into the cache.
struct Evidence : ConnectionFacts {
  static constexpr std::size_t kFirstRungs = 14;
  static constexpr std::size_t kLastRungs = 10;

  std::array<SideEvidence, 2> side;           ///< by index_of(Side)
  std::array<Rung, kFirstRungs> first_rungs;  ///< the first `rung_count` of them are set
  std::array<Rung, kLastRungs> last_rungs;    ///< ring: rung n, of those after the first, is at n % kLastRungs
  IcmpNote icmp;

  Evidence() noexcept {}
  Evidence(const Evidence& other) noexcept : ConnectionFacts(other), side(other.side), icmp(other.icmp) {
    copy_rungs(other);
  }
  Evidence& operator=(const Evidence& other) noexcept {
    ConnectionFacts::operator=(other);
    side = other.side;
    icmp = other.icmp;
    copy_rungs(other);
    return *this;
  }

  const SideEvidence& of(Side s) const noexcept { return side[index_of(s)]; }
  SideEvidence& of(Side s) noexcept { return side[index_of(s)]; }

  /// Where the rung of that number stands.
  Rung& place_of(std::uint32_t number) noexcept {
    return number < kFirstRungs ? first_rungs[number] : last_rungs[number % kLastRungs];
  }
  const Rung& place_of(std::uint32_t number) const noexcept { return const_cast<Evidence*>(this)->place_of(number); }

  /// Segments not recorded at all of a connection that has had `packets` (SideTotals::packets of both sides).
  std::uint32_t skipped_of(std::uint64_t packets) const noexcept {
    const std::uint64_t recorded = std::uint64_t{rung_count} - std::min(rung_count, uncounted_rungs);
    return static_cast<std::uint32_t>(packets - std::min(packets, recorded));
  }

  /// Calls `visit(rung, number)` for every rung that was kept, oldest first; `number` counts all segments from 0.
  template <class Visit>
  void for_each_rung(Visit visit) const {
    const std::uint32_t first = rung_count < kFirstRungs ? rung_count : std::uint32_t{kFirstRungs};
    for (std::uint32_t i = 0; i < first; ++i) visit(first_rungs[i], i);
    const std::uint32_t last = rung_count > kLastRungs ? rung_count - std::uint32_t{kLastRungs} : 0;
    for (std::uint32_t i = last > first ? last : first; i < rung_count; ++i) visit(last_rungs[i % kLastRungs], i);
  }

 private:
  void copy_rungs(const Evidence& other) noexcept {
    other.for_each_rung([this](const Rung& rung, std::uint32_t number) { place_of(number) = rung; });
  }
};

}  // namespace doorslam::tcp
