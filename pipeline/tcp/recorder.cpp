#include "pipeline/tcp/recorder.h"

#include <algorithm>

namespace doorslam::tcp {
namespace {

using namespace packet::tcp_flag;
using packet::Segment;

/// Somebody else may have sent it. Routes change by a hop now and then; what matters is said by the diagnosis.
bool has_foreign_ttl(const SideEvidence& own, const Segment& segment) {
  return own.first.seen && own.first.ttl != segment.ttl;
}

RungNote note_of(const SegmentContext& context) {
  if (context.wrong_handshake_ack) return RungNote::bad_handshake_ack;
  if (has_foreign_ttl(context.evidence->of(context.side), context.segment)) return RungNote::foreign_ttl;
  if (context.window_probe) return RungNote::window_probe;
  if (context.keep_alive) return RungNote::keep_alive;
  if (context.fills_hole) return RungNote::out_of_order;
  if (context.late || context.syn_again || context.fin_again) return RungNote::retransmission;
  if (context.flow.has(SideFlag::zero_window, context.side)) return RungNote::zero_window;
  if (context.reveals_gap) return RungNote::gap_before;
  if (context.out_of_window || context.ack_out_of_window) return RungNote::out_of_window;
  return RungNote::none;
}

/// `unseen`: octets that it has acknowledged of a side of which nothing was captured.
void add_rung(Evidence& evidence, const FlowDetails& details, Side side, const Segment& segment, RungNote note,
              std::uint32_t unseen = 0) {
  Rung& rung = evidence.place_of(evidence.rung_count++);
  rung.time_ns = segment.time_ns;
  rung.seq = segment.seq - details.of(side).start_seq;
  rung.ack = segment.has(kAck) ? segment.ack - details.of(other(side)).start_seq + unseen : 0;
  rung.skipped = evidence.skipped;
  rung.length = static_cast<std::uint16_t>(std::min(segment.payload_length, 65535U));
  rung.window = segment.window;
  rung.ip_id = segment.ip_id;
  rung.flags = segment.flags;
  rung.ttl = segment.ttl;
  rung.side = side;
  rung.note = note;
}

Fingerprint fingerprint_of(const Segment& segment) {
  Fingerprint print;
  print.ttl = segment.ttl;
  print.options = segment.options.present;
  print.ip_id = segment.ip_id;
  print.window = segment.window;
  print.dont_fragment = segment.dont_fragment;
  print.seen = true;
  return print;
}

void set_once(flowtable::TimeNs& time, flowtable::TimeNs now) {
  if (time == flowtable::kNoTime) time = now;
}

void record_syn(Evidence& evidence, Side side, const Segment& segment) {
  if (segment.has(kAck) || side == Side::responder) {
    set_once(evidence.syn_ack_ns, segment.time_ns);
    evidence.last_syn_ack_ns = segment.time_ns;
    count_up(evidence.syn_acks);
  } else {
    set_once(evidence.syn_ns, segment.time_ns);
    evidence.last_syn_ns = segment.time_ns;
    count_up(evidence.syns);
  }
  evidence.fast_open |= segment.payload_length != 0;
}

void record_handshake(SegmentContext& context) {
  const Segment& segment = context.segment;
  Evidence& evidence = *context.evidence;
  if (segment.has(kSyn) && !segment.has(kRst) && !context.out_of_window) record_syn(evidence, context.side, segment);
  if (context.wrong_handshake_ack) evidence.handshake_ack_wrong = true;
  if (context.opened) {
    evidence.handshake_ack_wrong = false;  // it was the capture that lacked something
    if (context.flow.has(FlowFlag::syn_seen) || context.flow.has(FlowFlag::syn_ack_seen)) {
      evidence.handshake_ns = segment.time_ns;
    }
  }
}

/// `offset`: of the payload in its side's stream. Gives the number of the head's segment, counted from 1, from whose
/// start on it has the first `telling` octets of the payload; 0: it does not have them.
std::uint8_t record_head(PayloadHead& head, const Segment& segment, std::int32_t offset, std::size_t telling) {
  if (offset < 0) return 0;
  const auto begin = static_cast<std::size_t>(offset);
  if (begin > head.length && head.length < PayloadHead::kCapacity) head.incomplete = true;
  if (begin >= PayloadHead::kCapacity) return 0;
  const std::size_t wanted = std::min<std::size_t>(segment.payload_length, PayloadHead::kCapacity - begin);
  const std::size_t available = std::min(wanted, segment.payload.size());
  if (available < wanted) head.incomplete = true;  // the snap length cut it
  const auto at = static_cast<std::ptrdiff_t>(begin);
  // What lies between was lost.
  if (begin > head.length) std::fill(head.bytes.begin() + head.length, head.bytes.begin() + at, std::uint8_t{0});
  std::copy_n(segment.payload.begin(), available, head.bytes.begin() + at);
  head.length = std::max(head.length, static_cast<std::uint16_t>(begin + available));
  if (head.segments == PayloadHead::kMaxSegments) return 0;
  head.segment_start[head.segments++] = static_cast<std::uint16_t>(begin);
  return telling <= available ? head.segments : std::uint8_t{0};
}

/// Payload that was not seen before. `latest`: it goes beyond all that was.
void record_words(SideEvidence& own, const SideDetails& details, const Segment& segment, bool latest) {
  // Told by the count, which lies with what is written anyway.
  if (own.payload_segments == 0) own.first_payload_ns = segment.time_ns;
  own.last_payload_ns = segment.time_ns;
  count_up(own.payload_segments);
  const std::uint32_t first_octet = segment.seq + (segment.has(kSyn) ? 1U : 0U);
  const std::size_t telling = std::min(segment.payload.size(), own.last_words.size());
  const std::uint8_t in_head =
      record_head(own.head, segment, sequence_distance(first_octet, details.start_seq + 1), telling);
  if (!latest) return;
  own.last_words_length = static_cast<std::uint8_t>(telling);
  own.last_words_segment = in_head;
  if (in_head == 0) std::copy_n(segment.payload.begin(), telling, own.last_words.begin());
}

void record_payload(SegmentContext& context) {
  const Segment& segment = context.segment;
  if (segment.payload_length == 0 || segment.has(kRst)) return;
  const bool new_octets = context.advances || context.fills_hole;
  if (!new_octets) return;
  record_words(context.evidence->of(context.side), context.own(), segment, context.advances);
}

void record_window(SegmentContext& context) {
  SideEvidence& own = context.evidence->of(context.side);
  if (!context.flow.has(SideFlag::zero_window, context.side)) {
    own.zero_window_since_ns = flowtable::kNoTime;
  } else {
    set_once(own.zero_window_since_ns, context.segment.time_ns);
  }
}

void record_habits(SegmentContext& context) {
  const Segment& segment = context.segment;
  SideEvidence& own = context.evidence->of(context.side);
  own.last_ns = segment.time_ns;
  if (segment.has(kRst)) {
    set_once(own.rst_ns, segment.time_ns);
    count_up(own.resets);
    if (!own.rst.seen) {
      own.rst = fingerprint_of(segment);
      own.rst_seq = segment.seq - context.own().start_seq;
      own.rst_with_ack = segment.has(kAck);
      own.rst_unnumbered = segment.seq == 0;
    }
    return;
  }
  if (segment.has(kFin)) set_once(own.fin_ns, segment.time_ns);
  own.last = fingerprint_of(segment);
  if (!own.first.seen) own.first = own.last;
}

}  // namespace

void record_segment(SegmentContext& context) noexcept {
  // Where that side's numbers begin follows the acknowledgements.
  const bool is_alone = context.flow.states().of(context.peer()) == EndpointState::inactive;
  add_rung(*context.evidence, context.details, context.side, context.segment, note_of(context),
           is_alone ? context.irregular(context.peer()).gap_bytes : 0);
  record_handshake(context);
  record_habits(context);
  record_payload(context);
  record_window(context);
  const bool sent_again = (context.late && !context.fills_hole && !context.keep_alive && !context.window_probe) ||
                          context.syn_again || context.fin_again;
  if (sent_again) count_up(context.evidence->of(context.side).retransmissions);
}

void record_ordinary(Evidence& evidence, const FlowDetails& details, Side side, const Segment& segment) noexcept {
  SideEvidence& own = evidence.of(side);
  const RungNote note = has_foreign_ttl(own, segment) ? RungNote::foreign_ttl : RungNote::none;
  add_rung(evidence, details, side, segment, note);
  own.last_ns = segment.time_ns;
  own.last = fingerprint_of(segment);
  if (!own.first.seen) own.first = own.last;
  if (segment.payload_length != 0) record_words(own, details.of(side), segment, true);
}

void record_in_order(Evidence& evidence, const FlowDetails& details, Side side, const Segment& segment,
                     bool opened) noexcept {
  record_ordinary(evidence, details, side, segment);
  if (segment.has(kFin)) set_once(evidence.of(side).fin_ns, segment.time_ns);
  if (segment.has(kSyn)) {
    record_syn(evidence, side, segment);
  } else if (opened) {
    evidence.handshake_ack_wrong = false;
    evidence.handshake_ns = segment.time_ns;
  }
}

void record_bad_checksum(SegmentContext& context) noexcept {
  ++context.evidence->uncounted_rungs;
  add_rung(*context.evidence, context.details, context.side, context.segment, RungNote::bad_checksum);
}

void forget_reset(Evidence& evidence, Side side) noexcept {
  SideEvidence& own = evidence.of(side);
  own.rst_ns = flowtable::kNoTime;
  own.resets = 0;
  own.rst = {};
  own.rst_seq = 0;
  own.rst_with_ack = false;
  own.rst_unnumbered = false;
}

void record_icmp(Evidence& evidence, const packet::IcmpError& error, Side about) noexcept {
  if (evidence.icmp.time_ns != flowtable::kNoTime) return;
  evidence.icmp = {error.time_ns, error.reporter, error.type, error.code, error.ttl, about};
}

void complete_evidence(Evidence& evidence, const FlowRecord& flow, const FlowDetails& details,
                       const Irregularities& irregular) noexcept {
  evidence.exchanges = static_cast<std::uint16_t>(flow.exchanges());
  evidence.begins_late = flow.has(FlowFlag::evidence_late);
  for (const Side side : {Side::originator, Side::responder}) {
    const std::size_t i = index_of(side);
    SideEvidence& own = evidence.side[i];
    own.next_seq = flow.next_seq[i] - details.side[i].start_seq;
    own.acked = flow.acked[i] - details.side[i].start_seq;
    if (flow.states().of(side) == EndpointState::inactive) own.unseen_octets = irregular.side[i].gap_bytes;
    own.head.incomplete |= evidence.begins_late;
  }
}

}  // namespace doorslam::tcp
