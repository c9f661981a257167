#pragma once

#include <algorithm>
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
  std::uint64_t h = (std::uint64_t{segment.seq} << 32U | segment.ack) * 0x9e3779b97f4a7c15U;
  h ^= (std::uint64_t{segment.options.timestamp_value} << 32U | segment.options.timestamp_echo) + segment.ip_id;
  h = (h ^ h >> 29U) * 0xbf58476d1ce4e5b9U;
  h ^= std::uint64_t{segment.payload_length} << 24U | std::uint64_t{segment.window} << 8U | segment.flags;
  h ^= std::uint64_t{segment.source.port} << 40U;
  return static_cast<std::uint16_t>((h * 0x94d049bb133111ebU) >> 48U);
}

/// Remembers a segment as the latest of its connection.
inline void remember_segment(FlowRecord& flow, std::uint16_t hash) noexcept {
  std::uint64_t latest = 0;  // in one word: element by element, this takes a dozen instructions of every packet
  static_assert(sizeof(latest) == sizeof(flow.recent) - sizeof(hash));
  std::memcpy(&latest, flow.recent.data(), sizeof(latest));
  std::memcpy(flow.recent.data() + 1, &latest, sizeof(latest));
  flow.recent[0] = hash;
}

namespace detail {

/// The hash collided: this segment tells something that none before it has told.
inline bool is_news(const FlowRecord& flow, const packet::Segment& segment, Side side) noexcept {
  using namespace packet::tcp_flag;
  const std::size_t own = index_of(side);
  const std::size_t peer = own ^ 1U;
  if (!segment.checksum_bad && flow.packets[own] == 0 && flow.states().of(side) == EndState::inactive) return true;
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
