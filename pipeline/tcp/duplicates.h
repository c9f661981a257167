#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "pipeline/tcp/flow_record.h"

/// Mirror duplicates: a SPAN port that copies a frame where it comes in and where it goes out delivers it twice.
///
/// The copy follows within a millisecond, may carry another TTL or VLAN tag, and agrees in everything else. A real
/// retransmission comes later than that and has a new IP identification. Where the identification says nothing (IPv6,
/// and hosts that send 0 with DF), a segment that occupies sequence space is taken for a copy, as no sender
/// retransmits within a millisecond; a bare ACK or a RST only once the connection has proven to be mirrored, because
/// duplicate ACKs look just like it.
namespace doorslam::tcp {

/// What must agree, boiled down. Equal segments give equal numbers; others rarely (1 in 65,536).
inline std::uint16_t segment_hash(const packet::Segment& segment) noexcept {
  // In the order in which they lie in memory, so that a load brings all of a line.
  const std::uint64_t numbers = std::uint64_t{segment.ack} << 32U | segment.seq;
  const std::uint64_t stamps = std::uint64_t{segment.options.timestamp_echo} << 32U | segment.options.timestamp_value;
  const std::uint64_t sizes =
      std::uint64_t{segment.ip_id} << 48U | std::uint64_t{segment.window} << 32U | segment.payload_length;
  const std::uint64_t sender = std::uint64_t{segment.flags} << 56U ^ std::uint64_t{segment.source.port} << 40U;
  const std::uint64_t mixed = numbers * 0xff51afd7ed558ccdU ^ (stamps ^ sender) * 0xc4ceb9fe1a85ec53U ^ sizes;
  return static_cast<std::uint16_t>(((mixed ^ mixed >> 32U) * 0x94d049bb133111ebU) >> 48U);
}

/// Remembers a segment as the latest of its connection.
inline void remember_segment(FlowRecord& flow, std::uint16_t hash) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    // Four in one word: element by element it takes a dozen instructions, and what is stored in pieces that overlap
    // makes the next segment's load wait.
    std::uint64_t latest = 0;
    static_assert(sizeof(latest) == sizeof(flow.recent) - sizeof(hash));
    std::memcpy(&latest, flow.recent.data(), sizeof(latest));
    flow.recent.back() = static_cast<std::uint16_t>(latest >> 48U);
    latest = latest << 16U | hash;
    std::memcpy(flow.recent.data(), &latest, sizeof(latest));
  } else {
    std::copy_backward(flow.recent.begin(), flow.recent.end() - 1, flow.recent.end());
    flow.recent[0] = hash;
  }
}

namespace detail {

/// The hash collided: this segment tells something that none before it has told.
inline bool is_news(const FlowRecord& flow, const packet::Segment& segment, Side side) noexcept {
  using namespace packet::tcp_flag;
  const std::size_t own = index_of(side);
  const std::size_t peer = own ^ 1U;
  if (!segment.checksum_bad && flow.packets[own] == 0 && flow.states().of(side) == EndpointState::inactive) return true;
  if (segment.has(kRst)) return false;
  if (segment.payload_length != 0 || segment.has(kSyn | kFin)) {
    const std::uint32_t last = segment.seq + std::max(segment.payload_length, 1U);
    return sequence_distance(last, flow.next_seq[own]) > 0;
  }
  return segment.has(kAck) && !segment.checksum_bad && sequence_distance(segment.ack, flow.acked[peer]) > 0 &&
         sequence_distance(segment.ack, flow.next_seq[peer]) <= 0;
}

}  // namespace detail

/// Is this a copy of one of the connection's latest segments? Marks the connection as mirrored where that is certain.
inline bool is_mirror_duplicate(FlowRecord& flow, const packet::Segment& segment, std::uint16_t hash, Side side,
                                flowtable::DurationNs window_ns) noexcept {
  using namespace packet::tcp_flag;
  if (segment.time_ns - flow.last_seen() > window_ns) return false;
  if (std::find(flow.recent.begin(), flow.recent.end(), hash) == flow.recent.end()) return false;
  if (detail::is_news(flow, segment, side)) return false;
  const bool takes_space = segment.payload_length != 0 || segment.has(kSyn | kFin);
  if (segment.ip_id != 0 || (takes_space && !segment.has(kRst))) {
    flow.set(FlowFlag::mirrored);
    return true;
  }
  return flow.has(FlowFlag::mirrored);
}

}  // namespace doorslam::tcp
