#include "pipeline/tcp/handshake.h"

#include "pipeline/tcp/sequence.h"

namespace doorslam::tcp {
namespace {

using namespace packet::tcp_flag;

/// The originator's ACK: of the SYN-ACK, or of payload that followed it.
bool acknowledges_syn_ack(const SegmentContext& context) {
  const std::size_t responder = index_of(Side::responder);
  const std::uint32_t start = context.details.of(Side::responder).start_seq;
  const std::uint32_t ack = context.segment.ack;
  if (ack == start + 1) return true;
  return context.flow.has(SideFlag::payload, Side::responder) && sequence_distance(ack, start) > 0 &&
         sequence_distance(ack, context.flow.next_seq[responder]) <= 0;
}

/// Does the segment show that its sender holds the connection for open?
bool completes(SegmentContext& context) {
  const packet::Segment& segment = context.segment;
  const bool speaks = segment.payload_length != 0 || segment.has(kFin);
  const bool syn_seen = context.flow.has(FlowFlag::syn_seen);
  const bool syn_ack_seen = context.flow.has(FlowFlag::syn_ack_seen);
  if (context.side == Side::responder) {
    // A server speaks when it has accepted, and acknowledges payload when the handshake was complete.
    const bool acknowledges_payload =
        syn_ack_seen && !syn_seen && segment.has(kAck) &&
        sequence_distance(segment.ack, context.details.of(Side::originator).start_seq + 1) > 0;
    return speaks || acknowledges_payload;
  }
  if (syn_ack_seen) {
    if (!segment.has(kAck)) return false;
    if (acknowledges_syn_ack(context)) return true;
    context.wrong_handshake_ack = true;
    return false;
  }
  if (syn_seen) return segment.has(kAck) && !segment.has(kSyn);  // the SYN-ACK went by elsewhere
  return speaks;
}

}  // namespace

void follow_handshake(SegmentContext& context) noexcept {
  FlowRecord& flow = context.flow;
  if (flow.has(FlowFlag::open)) return;
  const packet::Segment& segment = context.segment;
  if (segment.has(kRst)) return;
  if (segment.has(kSyn)) {
    flow.set(context.side == Side::originator ? FlowFlag::syn_seen : FlowFlag::syn_ack_seen);
    // Of SYNs only the originator's SYN-ACK completes anything: the last step of a simultaneous open.
    if (context.side == Side::responder || !segment.has(kAck)) return;
  }
  if (!completes(context)) return;
  flow.set(FlowFlag::open);
  context.opened = true;
}

bool is_tuple_reuse(const FlowRecord& flow, const FlowDetails& details, const packet::Segment& segment,
                    Side side) noexcept {
  if (!segment.has(kSyn)) return false;
  const EndpointStates states = flow.states();
  const EndpointState originator = states.of(Side::originator);
  const EndpointState responder = states.of(Side::responder);
  const bool over = is_over(originator) || is_over(responder);
  if (segment.has(kAck)) {
    if (originator != EndpointState::inactive) return false;
    return over || segment.seq != details.of(Side::responder).start_seq;
  }
  if (over) return true;
  if (segment.seq == details.of(side).start_seq) return false;
  const bool simultaneous =
      side == Side::responder && originator == EndpointState::syn_sent && responder == EndpointState::inactive;
  return !simultaneous;
}

}  // namespace doorslam::tcp
