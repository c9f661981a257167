#pragma once

#include "pipeline/tcp/duplicates.h"
#include "pipeline/tcp/flow_record.h"
#include "pipeline/tcp/state_table.h"

/// The short way through the ordinary beginning and end of a connection: SYN, SYN-ACK, ACK, and later FIN and ACK.
///
/// Most segments outside mid-flow are just the next in order of a connection about which nothing is remarkable
/// (FlowFlag::orderly). For them most stages have nothing to find. What is left is done here in one go, with the same
/// result; whatever is not certain to be ordinary is refused, before anything was changed, and takes all stages.
namespace doorslam::tcp {

/// What a segment was to its connection.
enum class InOrder : std::uint8_t {
  no,      ///< not for this path; nothing has changed
  yes,     ///< the next in order
  opens,   ///< and completed the handshake
  closes,  ///< and was the second FIN: begin_linger() is to follow
};

/// The flags that tell segments apart, as far as the tracker is concerned.
constexpr std::uint8_t order_flags(const packet::Segment& segment) noexcept {
  using namespace packet::tcp_flag;
  return segment.flags & (kSyn | kFin | kRst | kAck);
}

inline bool is_plain_syn(const packet::Segment& segment) noexcept {
  return order_flags(segment) == packet::tcp_flag::kSyn && segment.payload_length == 0 && segment.window != 0 &&
         !segment.checksum_bad;
}

/// Is nothing of either end acknowledged that the capture does not have?
inline bool is_acknowledged_as_seen(const FlowRecord& flow) noexcept {
  return sequence_distance(flow.next_seq[0], flow.acked[0]) >= 0 &&
         sequence_distance(flow.next_seq[1], flow.acked[1]) >= 0;
}

/// Is there nothing about the connection's beginning, or end, that wants watching?
inline bool is_orderly(const FlowRecord& flow) noexcept {
  const bool regular = !flow.has(FlowFlag::unreachable) && !flow.has_any(SideFlag::irregular) &&
                       !flow.has_any(SideFlag::zero_window) && is_acknowledged_as_seen(flow);
  if (!regular || !flow.has(FlowFlag::syn_seen)) return false;
  if (flow.has(FlowFlag::served) && flow.has(FlowFlag::recording)) return false;
  if (flow.endpoints_are(EndpointState::syn_sent, EndpointState::inactive)) return true;
  if (!flow.has(FlowFlag::syn_ack_seen)) return false;
  if (!flow.has(FlowFlag::open)) return flow.endpoints_are(EndpointState::established, EndpointState::established);
  const EndpointStates states = flow.states();
  const auto talks = [&states](Side side) {
    return states.of(side) == EndpointState::established || states.of(side) == EndpointState::closed;
  };
  return talks(Side::originator) && talks(Side::responder);
}

/// May the next segment take the shortest path of all? Not while anything about the connection wants watching.
inline bool is_in_mid_flow(const FlowRecord& flow) noexcept {
  const EndpointStates states = flow.states();
  const auto talks = [&states](Side side) {
    return states.of(side) == EndpointState::established || states.of(side) == EndpointState::partial;
  };
  const bool settled = flow.has(FlowFlag::open) && !flow.has(FlowFlag::unreachable) &&
                       !flow.has_any(SideFlag::irregular) && !flow.has_any(SideFlag::zero_window) &&
                       is_acknowledged_as_seen(flow) && talks(Side::originator) && talks(Side::responder);
  if (!settled) return false;
  // While it is served and recorded there is trouble; while it is not served and goes without, it may be due some.
  const bool recording = flow.has(FlowFlag::recording);
  return flow.has(FlowFlag::served) ? !recording : recording || flow.has(FlowFlag::evidence_missing);
}

namespace detail {

/// What the state table makes of one segment.
consteval EndpointStates stepped(EndpointStates ends, Side side, FlagClass flags) {
  step(ends, side, flags);
  return ends;
}

/// Once both ends are established a FIN closes its sender, whether or not the other has closed, and ACKs and payload
/// move nobody: continue_in_order() goes by that.
consteval bool only_a_fin_moves() {
  constexpr std::array kTalking = {EndpointState::established, EndpointState::closed};
  for (const Side side : {Side::originator, Side::responder}) {
    for (const EndpointState own : kTalking) {
      for (const EndpointState peer : kTalking) {
        EndpointStates ends;
        ends.set(side, own);
        ends.set(other(side), peer);
        if (stepped(ends, side, FlagClass::ack) != ends || stepped(ends, side, FlagClass::data) != ends) return false;
        EndpointStates closed = ends;
        closed.set(side, EndpointState::closed);
        if (stepped(ends, side, FlagClass::fin) != closed) return false;
      }
    }
  }
  return true;
}
static_assert(only_a_fin_moves());

inline constexpr EndpointStates kBegun = stepped({}, Side::originator, FlagClass::syn);
inline constexpr EndpointStates kAnswered = stepped(kBegun, Side::responder, FlagClass::syn_ack);
static_assert(kAnswered.of(Side::originator) == EndpointState::established);
static_assert(kAnswered.of(Side::responder) == EndpointState::established);

}  // namespace detail

/// A plain SYN has begun the connection.
inline void begin_in_order(FlowRecord& flow, FlowDetails& details, const packet::Segment& segment) noexcept {
  constexpr std::size_t kOriginator = index_of(Side::originator);
  flow.set(FlowFlag::orderly);
  flow.set(FlowFlag::syn_seen);
  flow.set(SideFlag::letter_syn, Side::originator);
  flow.set_states(detail::kBegun);
  details.history.append(HistoryLetter::syn, Side::originator);
  details.of(Side::originator).start_seq = segment.seq;
  flow.acked[kOriginator] = segment.seq;
  flow.next_seq[kOriginator] = segment.seq + 1;
  flow.packets[kOriginator] = 1;
  remember_segment(flow, segment_hash(segment));
}

/// The responder's first segment: its SYN-ACK, of all that the originator has sent.
inline InOrder answer_in_order(FlowRecord& flow, FlowDetails& details, Side side,
                               const packet::Segment& segment) noexcept {
  using namespace packet::tcp_flag;
  constexpr std::size_t kOriginator = index_of(Side::originator);
  constexpr std::size_t kResponder = index_of(Side::responder);
  const bool answers = order_flags(segment) == (kSyn | kAck) && side == Side::responder &&
                       segment.payload_length == 0 && segment.ack == flow.next_seq[kOriginator] &&
                       segment.ack > flow.acked[kOriginator];  // where the number wraps, the details keep count
  if (!answers) return InOrder::no;
  flow.set(FlowFlag::syn_ack_seen);
  flow.set(SideFlag::letter_syn, Side::responder);
  flow.set_states(detail::kAnswered);
  details.history.append(HistoryLetter::syn_ack, Side::responder);
  details.of(Side::responder).start_seq = segment.seq;
  flow.acked[kOriginator] = segment.ack;
  flow.acked[kResponder] = segment.seq;
  flow.next_seq[kResponder] = segment.seq + 1;
  ++flow.packets[kResponder];
  flow.set_last_seen(segment.time_ns);
  remember_segment(flow, segment_hash(segment));
  return InOrder::yes;
}

namespace detail {

/// ACK, payload or FIN: the next of its sender, and acknowledges nothing but what was seen.
inline bool continues(const FlowRecord& flow, const FlowDetails& details, Side side, const packet::Segment& segment,
                      std::uint32_t next) noexcept {
  const std::size_t own = index_of(side);
  const std::size_t peer = own ^ 1U;
  const std::uint32_t acknowledged = segment.ack - flow.acked[peer];
  const bool sends = next != segment.seq;
  if (segment.seq != flow.next_seq[own] || acknowledged > flow.next_seq[peer] - flow.acked[peer]) return false;
  if (!sends && acknowledged == 0) return false;                                 // a duplicate, or a window update
  if (next < segment.seq || segment.ack < flow.acked[peer]) return false;        // a number wraps: see the details
  if (flow.packets[own] == 0xffff) return false;                                 // as above
  if (sends && flow.state_of(side) != EndpointState::established) return false;  // after its own FIN
  if (flow.has(FlowFlag::open)) return true;
  return side == Side::originator && !sends && segment.ack == details.side[peer].start_seq + 1;
}

}  // namespace detail

/// Any later segment.
[[gnu::always_inline]] inline InOrder continue_in_order(FlowRecord& flow, FlowDetails& details, Side side,
                                                        const packet::Segment& segment) noexcept {
  using namespace packet::tcp_flag;
  const std::size_t own = index_of(side);
  const std::uint8_t flags = order_flags(segment);
  const bool fin = flags == (kFin | kAck);
  const std::uint32_t next = segment.seq + segment.payload_length + (fin ? 1U : 0U);
  if ((flags != kAck && !fin) || !detail::continues(flow, details, side, segment, next)) return InOrder::no;
  const bool peer_is_over = flow.state_of(other(side)) == EndpointState::closed;
  // The server hangs up on a connection that was served, or of which there was no room to keep anything: that is
  // trouble.
  const bool unrecorded = flow.has(FlowFlag::served) || flow.has(FlowFlag::evidence_missing);
  if (fin && side == Side::responder && !peer_is_over && unrecorded) return InOrder::no;

  InOrder result = InOrder::yes;
  if (fin) {
    details.history.append(HistoryLetter::fin, side);
    details.of(side).fin_end = next;
    flow.move(side, EndpointState::closed);
    flow.clear(FlowFlag::quick);
    if (peer_is_over && !flow.has(FlowFlag::closing)) result = InOrder::closes;
  } else {
    const bool data = segment.payload_length != 0;
    const SideFlag letter = data ? SideFlag::letter_data : SideFlag::letter_ack;
    if (!flow.has(letter, side)) {
      flow.set(letter, side);
      details.history.append(data ? HistoryLetter::data : HistoryLetter::ack, side);
    }
    if (!flow.has(FlowFlag::open)) {
      flow.set(FlowFlag::open);
      result = InOrder::opens;
    }
  }
  if (segment.payload_length != 0) flow.note_payload(side);
  flow.next_seq[own] = next;
  flow.acked[own ^ 1U] = segment.ack;
  ++flow.packets[own];
  flow.set_last_seen(segment.time_ns);
  remember_segment(flow, segment_hash(segment));
  return result;
}

}  // namespace doorslam::tcp
