#include "pipeline/tcp/sequence.h"

#include <algorithm>
#include <optional>

namespace doorslam::tcp {
namespace {

using namespace packet::tcp_flag;

/// A SYN or RST that jumps farther than this is a forger's or another connection's; its number is not believed.
constexpr std::int32_t kImplausibleJump = 1 << 20;
/// An acknowledgement of more than this that no packet shows is damaged: sixteen of the widest windows in one hole of
/// the capture.
constexpr std::int32_t kLargestHole = kWidestWindow << 4;
/// A RST within this distance may follow octets that the capture lacks; a farther one is a guess or a forgery.
constexpr std::int32_t kLargestUnscaledWindow = 65535;

void number_from(SegmentContext& context, Side side, std::uint32_t start, std::uint32_t next) {
  context.details.of(side).start_seq = start;
  if (IrregularityPool::has(context.details)) {
    context.make_irregular(side).seq_wraps = 0;
    context.make_irregular(side).ack_wraps = 0;
  }
  context.flow.acked[index_of(side)] = start;
  context.flow.next_seq[index_of(side)] = next;
}

/// In the sequence space of a whole connection. Beyond 1,020 GiB it stands still.
std::uint64_t position(std::uint8_t wraps, std::uint32_t number) noexcept {
  return std::uint64_t{wraps} << 32U | (wraps == SideIrregularities::kMostWraps ? 0 : number);
}

void move_next(SegmentContext& context, Side side, std::uint32_t next) {
  std::uint32_t& known = context.flow.next_seq[index_of(side)];
  if (next < known) count_up(context.make_irregular(side).seq_wraps);
  known = next;
}

/// Farther beyond what was seen or acknowledged of that side than can be believed of one segment alone.
bool is_far_ahead(const FlowRecord& flow, Side side, std::uint32_t number) noexcept {
  const std::size_t i = index_of(side);
  return sequence_distance(number, flow.next_seq[i]) > kWidestWindow &&
         sequence_distance(number, flow.acked[i]) > kWidestWindow;
}

/// Between `delivered` and next_seq nothing is missing any more.
void settle(SegmentContext& context, Side side) {
  const SideIrregularities& noted = context.irregular(side);
  const bool hole = sequence_distance(noted.hole_end, noted.delivered) > 0;
  const bool ahead = sequence_distance(noted.delivered, context.flow.next_seq[index_of(side)]) > 0;
  context.flow.put(SideFlag::irregular, side, hole || ahead);
}

/// The payload begins beyond what was seen: remembers the first hole. A later hole is remembered when the first is
/// filled only; of several holes at a time the first counts.
void open_hole(SegmentContext& context, std::uint32_t hole_end) {
  SideIrregularities& own = context.make_irregular(context.side);
  if (!context.flow.has(SideFlag::irregular, context.side)) {
    own.delivered = context.next_seq();
    own.hole_end = hole_end;
    context.flow.set(SideFlag::irregular, context.side);
  } else if (sequence_distance(own.delivered, context.next_seq()) >= 0 &&
             sequence_distance(context.segment.seq, own.delivered) > 0) {
    own.hole_end = context.segment.seq;  // acknowledged ahead so far; now there is a hole after that
  }
}

/// How far beyond where that side has jumped to a number is, if near it. `hole_end` holds it while the side is not
/// irregular, and 0 where it has not jumped.
std::optional<std::int32_t> beyond_jump(const SideIrregularities& noted, std::uint32_t number) noexcept {
  if (noted.hole_end == 0) return std::nullopt;
  const std::int32_t beyond = sequence_distance(number, noted.hole_end);
  if (beyond < 0 || beyond > kWidestWindow) return std::nullopt;
  return beyond;
}

/// The segment begins beyond what was seen. False: that cannot be believed yet. `only_syn_and_fin`: nothing but them
/// was captured of its side, and no more is to come.
bool jump_ahead(SegmentContext& context, bool only_syn_and_fin) {
  const std::uint32_t seq = context.segment.seq;
  const bool may_lack = only_syn_and_fin || context.flow.has(SideFlag::irregular, context.side);
  if (may_lack || !is_far_ahead(context.flow, context.side, seq)) {
    open_hole(context, seq);
    return true;
  }
  SideIrregularities& own = context.make_irregular(context.side);
  if (beyond_jump(own, seq) > 0) {  // at 0 it may be a copy of what has jumped
    open_hole(context, own.hole_end);
    return true;
  }
  own.hole_end = seq != 0 ? seq : 1;  // 0: it has not jumped
  return false;
}

/// An acknowledgement far ahead: is it known that the capture lacks what the other side sends, or has that jumped
/// there?
bool is_borne_out(SegmentContext& context, std::uint32_t ack) {
  const Side side = context.peer();
  if (context.flow.has(SideFlag::irregular, side)) return !context.flow.has(SideFlag::payload, side);
  if (!beyond_jump(context.irregular(side), ack)) return false;
  context.make_irregular(side).delivered = context.flow.next_seq[index_of(side)];
  context.flow.set(SideFlag::irregular, side);
  move_next(context, side, ack);
  return true;
}

/// Payload below next_seq while a hole is open, or below what was acknowledged ahead.
void fill_hole(SegmentContext& context, std::uint32_t begin, std::uint32_t end) {
  SideIrregularities& own = context.make_irregular(context.side);
  if (sequence_distance(own.hole_end, own.delivered) <= 0) return;
  const bool reaches_in = sequence_distance(end, own.delivered) > 0 && sequence_distance(begin, own.hole_end) < 0;
  if (!reaches_in) return;
  context.fills_hole = true;
  if (sequence_distance(begin, own.delivered) <= 0) {
    own.delivered = sequence_distance(end, own.hole_end) < 0 ? end : own.hole_end;
  } else if (sequence_distance(end, own.hole_end) >= 0) {
    own.hole_end = begin;
  }
}

/// What was counted as a gap has come after all: the mirror port had turned data and acknowledgement round.
void take_back_gap(SegmentContext& context, std::uint32_t begin, std::uint32_t end) {
  SideIrregularities& own = context.make_irregular(context.side);
  const std::int32_t covered = std::min(sequence_distance(own.delivered, begin), sequence_distance(end, begin));
  if (covered > 0) own.gap_bytes -= std::min(own.gap_bytes, static_cast<std::uint32_t>(covered));
}

void note_late_payload(SegmentContext& context, std::uint32_t begin, std::uint32_t end) {
  SideIrregularities& own = context.make_irregular(context.side);
  if (context.flow.has(SideFlag::irregular, context.side)) {
    fill_hole(context, begin, end);
    settle(context, context.side);
  }
  context.late = true;
  count_up(own.late_segments);
  if (is_history_milestone(own.late_segments)) {
    context.details.history.append(HistoryLetter::late, context.side);
  }
  // A keep-alive (RFC 9293, 3.8.4) sends the last octet again; so does a probe of a zero window.
  if (context.segment.payload_length == 1 && end == context.next_seq()) return;
  if (context.fills_hole) return;
  count_up(own.retransmissions);
  if (own.resent_seq != begin) own.resent_times = 0;
  own.resent_seq = begin;
  own.resent_times = one_more<2>(own.resent_times) & 3U;
}

void spot_keep_alive(SegmentContext& context) {
  const packet::Segment& segment = context.segment;
  if (context.first_of_side || segment.has(kSyn | kFin | kRst) || segment.payload_length > 1) return;
  const bool peer_closed_window = context.flow.has(SideFlag::zero_window, context.peer());
  const std::int32_t distance = sequence_distance(segment.seq, context.next_seq());
  const bool repeats_last_octet = distance == -1;
  if (peer_closed_window && (repeats_last_octet || (distance == 0 && segment.payload_length == 1))) {
    context.window_probe = true;
  } else if (repeats_last_octet) {
    context.keep_alive = true;
  }
}

/// The first segment of a server whose SYN-ACK the capture lacks: where its numbers begin, the acknowledgements of the
/// client have told, and what lies between was lost. Without the client's SYN it may have passed before the capture
/// began instead. False where nothing is missing, or but one octet, which may have been its FIN.
bool continues_unseen(SegmentContext& context) {
  const packet::Segment& segment = context.segment;
  const std::uint32_t start = context.own().start_seq;
  if (context.side != Side::responder || !context.flow.has(FlowFlag::syn_seen) || segment.has(kRst)) return false;
  if (start == 0) return false;  // nothing was acknowledged
  const std::uint32_t acknowledged = context.irregular(context.side).gap_bytes;
  const std::int32_t jump = sequence_distance(segment.seq, start + 1);
  if (jump < 0 || jump > kImplausibleJump || (jump == 0 && acknowledged <= 1)) return false;
  context.make_irregular(context.side).gap_bytes += static_cast<std::uint32_t>(jump);
  number_from(context, context.side, start - acknowledged, segment.seq);
  context.flow.note_payload(context.side);
  return true;
}

/// Acknowledgements of a side that was never captured have advanced: it spoke. One octet may have been its FIN.
void note_unseen(SegmentContext& context, std::int32_t octets) {
  if (octets <= 0 || octets > kWidestWindow) return;
  context.flow.set(FlowFlag::acks_unseen);
  context.make_irregular(context.peer()).gap_bytes += static_cast<std::uint32_t>(octets);
  if (octets > 1) context.flow.note_payload(context.peer());
}

}  // namespace

void begin_side(SegmentContext& context) noexcept {
  const packet::Segment& segment = context.segment;
  const SideDetails& own = context.own();
  const std::uint32_t end = segment.seq + sequence_length(segment);
  const EndpointStates states = context.flow.states();
  const bool syn = segment.has(kSyn);
  const std::int32_t jump = sequence_distance(segment.seq, context.next_seq());
  const bool far = jump > kWidestWindow || jump < -kWidestWindow;
  switch (states.of(context.side)) {
    case EndpointState::inactive:
      context.first_of_side = true;
      if (syn) {
        number_from(context, context.side, segment.seq, end);
      } else if (!continues_unseen(context)) {
        // As though a SYN had been there, so that the first octet seen is number 1.
        number_from(context, context.side, segment.seq - 1, segment.seq);
      }
      return;
    case EndpointState::syn_sent:
      if (segment.payload_length != 0 && !syn && !segment.has(kRst) && far &&
          !context.flow.has(SideFlag::payload, context.side)) {
        return number_from(context, context.side, segment.seq - 1, segment.seq);
      }
      [[fallthrough]];
    case EndpointState::partial:
    case EndpointState::established:
      if (!syn) return;
      context.syn_again = segment.seq == own.start_seq;
      context.out_of_window = far && context.flow.has(FlowFlag::open);
      if (!context.syn_again && !context.out_of_window) number_from(context, context.side, segment.seq, end);
      return;
    case EndpointState::reset:
      // The RST that came first may have been forged; a SYN knows better.
      if (syn && states.before_of(context.side) == EndpointState::inactive) {
        number_from(context, context.side, segment.seq, end);
      }
      return;
    case EndpointState::closed:
      return;
  }
}

void take_acknowledgement(SegmentContext& context) noexcept {
  const packet::Segment& segment = context.segment;
  if (!segment.has(kAck)) return;
  const std::size_t i = index_of(context.peer());
  const SideDetails& peers = context.peers();
  if (context.flow.states().of(context.peer()) == EndpointState::inactive) {
    const std::uint32_t start = segment.ack - 1;
    if (!context.first_of_side && peers.start_seq != 0) note_unseen(context, sequence_distance(start, peers.start_seq));
    number_from(context, context.peer(), start, start);
    return;
  }
  if (segment.has(kRst) || context.wrong_handshake_ack) return;
  const bool before_start =
      context.irregular(context.peer()).ack_wraps == 0 && sequence_distance(segment.ack, peers.start_seq) < 0;
  const std::int32_t advance = sequence_distance(segment.ack, context.flow.acked[i]);
  if (before_start || advance <= 0 || (segment.ack == 0 && advance > kImplausibleJump)) return;
  if (is_far_ahead(context.flow, context.peer(), segment.ack) && !is_borne_out(context, segment.ack)) {
    context.ack_out_of_window = true;
    return;
  }
  if (segment.ack < context.flow.acked[i]) count_up(context.make_irregular(context.peer()).ack_wraps);
  context.flow.acked[i] = segment.ack;
}

void advance_sequence(SegmentContext& context) noexcept {
  const packet::Segment& segment = context.segment;
  const std::uint32_t next = context.next_seq();
  const std::uint32_t end = segment.seq + sequence_length(segment);
  const std::int32_t distance = sequence_distance(end, next);
  const bool control = segment.has(kSyn | kRst);
  spot_keep_alive(context);
  const std::int32_t jump = sequence_distance(segment.seq, next);
  const bool speaks = segment.payload_length != 0 && !segment.has(kRst);
  context.out_of_window |= !context.first_of_side && !segment.has(kSyn) && !speaks &&
                           (jump > kLargestUnscaledWindow || jump < -kLargestUnscaledWindow);
  if (segment.has(kFin) && context.flow.states().of(context.side) == EndpointState::closed && distance <= 0) {
    context.fin_again = true;
    count_up(context.make_irregular(context.side).retransmissions);
  }
  if (context.syn_again) count_up(context.make_irregular(context.side).retransmissions);

  if (control && (distance > kImplausibleJump || distance < -kImplausibleJump)) return;
  // A RST before the handshake is complete answers what it was sent, and has no number of its own.
  if (segment.has(kRst) && (context.out_of_window || !context.flow.has(FlowFlag::open))) return;
  const bool only_syn_and_fin = segment.has(kFin) && next == context.own().start_seq + 1;
  const bool after_reset = context.flow.states().of(context.side) == EndpointState::reset;
  if (after_reset && !only_syn_and_fin) return;
  if (distance > 0 || only_syn_and_fin) {
    const bool jumps = jump > 0 && !segment.has(kSyn) && !segment.has(kRst);
    if (jumps && !context.first_of_side && !jump_ahead(context, only_syn_and_fin)) {
      context.out_of_window = true;
      return;
    }
    if (context.flow.has(SideFlag::irregular, context.side) && !jumps) take_back_gap(context, next, end);
    context.advances = distance != 0;
    move_next(context, context.side, end);
    if (context.flow.has(SideFlag::irregular, context.side)) settle(context, context.side);
  } else if (segment.payload_length > 0 && !segment.has(kSyn)) {
    note_late_payload(context, segment.seq, end);
  }
  context.advances |= context.first_of_side && sequence_length(segment) != 0;
}

void find_gap(SegmentContext& context) noexcept {
  const packet::Segment& segment = context.segment;
  if (!segment.has(kAck) || context.wrong_handshake_ack || context.ack_out_of_window) return;
  const Side side = context.peer();
  const std::uint32_t next = context.flow.next_seq[index_of(side)];
  const SideIrregularities& before = context.irregular(side);
  const bool irregular = context.flow.has(SideFlag::irregular, side);
  const std::uint32_t delivered = irregular ? before.delivered : next;
  const std::int32_t missing = sequence_distance(segment.ack, delivered);
  if (missing <= 0 || missing > kLargestHole) return;

  const EndpointStates states = context.flow.states();
  const auto clean = [&states](Side end) {
    const EndpointState now = states.of(end);
    return now == EndpointState::established ||
           (now == EndpointState::closed && states.before_of(end) == EndpointState::established);
  };
  if (!clean(Side::originator) || !clean(Side::responder)) return;

  const bool hole = irregular && sequence_distance(before.hole_end, delivered) > 0;
  const std::uint32_t seen_from = hole ? before.hole_end : delivered;
  std::uint32_t lost = 0;
  if (hole) {
    const bool whole = sequence_distance(segment.ack, before.hole_end) >= 0;
    lost = (whole ? before.hole_end : segment.ack) - delivered;
  }
  const std::uint32_t known_to = sequence_distance(next, seen_from) > 0 ? next : seen_from;
  const std::int32_t beyond = sequence_distance(segment.ack, known_to);
  if (beyond > 0) lost += static_cast<std::uint32_t>(beyond);
  if (lost == 0) return;

  context.reveals_gap = true;
  SideIrregularities& noted = context.make_irregular(side);
  noted.gap_bytes += lost;
  noted.gaps = one_more<7>(noted.gaps) & 127U;
  if (is_history_milestone(noted.gaps)) context.details.history.append(HistoryLetter::gap, side);
  noted.delivered = segment.ack;
  if (!hole || sequence_distance(segment.ack, noted.hole_end) >= 0) {
    // Everything up to the acknowledgement is settled, and what was seen beyond the hole with it.
    if (sequence_distance(next, segment.ack) > 0) noted.delivered = next;
    noted.hole_end = noted.delivered;
  }
  settle(context, side);
}

void watch_window(SegmentContext& context) noexcept {
  const packet::Segment& segment = context.segment;
  if (segment.has(kRst)) return;
  const EndpointStates states = context.flow.states();
  if (segment.window != 0) {
    context.flow.clear(SideFlag::zero_window, context.side);
    return;
  }
  if (states.of(context.peer()) == EndpointState::closed || states.of(context.side) == EndpointState::reset) return;
  context.flow.set(SideFlag::zero_window, context.side);
  SideIrregularities& own = context.make_irregular(context.side);
  count_up(own.zero_windows);
  if (is_history_milestone(own.zero_windows)) context.details.history.append(HistoryLetter::zero_window, context.side);
}

std::uint64_t detail::payload_octets_beyond_wraps(const FlowRecord& flow, const FlowDetails& details,
                                                  const Irregularities& irregular, Side side) noexcept {
  const std::size_t i = index_of(side);
  const SideDetails& own = details.of(side);
  const SideIrregularities& wrapped = irregular.of(side);
  const std::uint64_t sent = position(wrapped.seq_wraps, flow.next_seq[i]);
  const std::uint64_t acked = position(wrapped.ack_wraps, flow.acked[i]);
  std::int64_t octets = static_cast<std::int64_t>(std::max(sent, acked)) - std::int64_t{own.start_seq};
  // Sequence space wraps where numbering began just below 2^32 as well: then the start lies "before zero".
  if (octets < 0) octets += std::int64_t{1} << 32U;
  if (octets > 0) --octets;                      // SYN
  if (own.fin_end != 0 && octets > 0) --octets;  // FIN
  return static_cast<std::uint64_t>(octets);
}

bool may_have_sent(const FlowRecord& flow, const FlowDetails& details, const Irregularities& irregular, Side side,
                   std::uint32_t seq) noexcept {
  const std::uint32_t next = flow.next_seq[index_of(side)];
  if (flow.state_of(side) == EndpointState::inactive) {  // nothing of it was captured
    const std::int32_t distance = sequence_distance(seq, next);
    return details.of(side).start_seq != 0 && distance <= kWidestWindow && distance >= -kWidestWindow;
  }
  const std::uint32_t behind = next - seq;
  const bool from_start = !flow.has(FlowFlag::mid_stream) && irregular.of(side).seq_wraps == 0;
  std::uint32_t sent = kWidestWindow;
  if (from_start) sent = std::min(sent, next - details.of(side).start_seq);
  if (behind != 0 && behind <= sent) return true;
  if (flow.has(FlowFlag::mid_stream)) return seq - next <= static_cast<std::uint32_t>(kWidestWindow);
  return flow.has(FlowFlag::open) && seq - next <= static_cast<std::uint32_t>(kLargestUnscaledWindow);
}

}  // namespace doorslam::tcp
