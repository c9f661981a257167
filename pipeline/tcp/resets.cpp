#include "pipeline/tcp/resets.h"

#include "pipeline/tcp/recorder.h"
#include "pipeline/tcp/sequence.h"

namespace doorslam::tcp {
namespace {

using namespace packet::tcp_flag;

bool is_far(std::uint32_t a, std::uint32_t b) {
  const std::int32_t distance = sequence_distance(a, b);
  return distance > kWidestWindow || distance < -kWidestWindow;
}

bool asks_to_connect(const packet::Segment& segment) { return segment.has(kSyn) && !segment.has(kAck | kRst); }

/// The same SYN again: whoever was refused does not try that.
bool tries_on(const FlowDetails& details, Side side, const packet::Segment& segment) {
  return asks_to_connect(segment) && segment.seq == details.of(side).start_seq;
}

/// Another SYN: whoever reset a connection has given it up, and begins the next.
bool begins_anew(const FlowDetails& details, Side side, const packet::Segment& segment) {
  return asks_to_connect(segment) && segment.seq != details.of(side).start_seq;
}

}  // namespace

bool is_doubtful_reset(const SegmentContext& context) noexcept {
  const packet::Segment& segment = context.segment;
  const FlowRecord& flow = context.flow;
  if (!segment.has(kRst) || flow.has(FlowFlag::closing)) return false;
  if (context.side == Side::responder && flow.endpoints_are(EndpointState::syn_sent, EndpointState::inactive)) {
    const std::uint32_t start = context.details.of(Side::originator).start_seq;
    const std::uint32_t sent = flow.next_seq[index_of(Side::originator)] - start;
    return segment.has(kAck) && (segment.ack == start || segment.ack - start > sent);
  }
  // The first that is seen of its sender is all that is known of its numbers.
  if (context.first_of_side) return false;
  const std::size_t own = index_of(context.side);
  return is_far(segment.seq, flow.next_seq[own]) && is_far(segment.seq, flow.acked[own]);
}

EndpointStates states_beyond_doubt(const SegmentContext& context) noexcept {
  EndpointStates states = context.flow.states();
  if (is_reset_in_doubt(context.flow, context.peer())) states.take_back(context.peer());
  if (context.doubtful_reset) states.take_back(context.side);
  return states;
}

void take_back_reset(FlowRecord& flow, const FlowDetails& details, Side side, const packet::Segment& segment,
                     Evidence* evidence) noexcept {
  const bool is_own = is_reset_in_doubt(flow, side);
  const Side doubted = is_own ? side : other(side);
  if (!is_reset_in_doubt(flow, doubted)) return;
  if (is_own ? begins_anew(details, side, segment) : !tries_on(details, side, segment)) return;
  EndpointStates states = flow.states();
  states.take_back(doubted);
  flow.set_states(states);
  // A further RST of the same side is judged anew, and they were several.
  if (evidence != nullptr && !segment.has(kRst)) forget_reset(*evidence, doubted);
}

}  // namespace doorslam::tcp
