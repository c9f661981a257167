#pragma once

#include "pipeline/tcp/connection_view.h"

/// Resets that their receiver may not have obeyed.
///
/// TCP drops a RST whose number lies outside its window, and while it waits for a SYN-ACK, one that does not
/// acknowledge its SYN (RFC 9293, 3.10.7.4 and 3.10.7.3): it was forged blindly, or belongs to another connection. What
/// the receiver knows exactly the capture knows roughly. So such a RST is in doubt: its sender counts as reset, but the
/// connection does not begin to close. If its sender goes on, or the other end tries on to connect, the RST is taken
/// back; if neither does, the connection has ended with it.
namespace doorslam::tcp {

/// Has that side sent nothing after a RST that is in doubt?
inline bool is_reset_in_doubt(const FlowRecord& flow, Side side) noexcept {
  return flow.state_of(side) == EndpointState::reset && !flow.has(FlowFlag::closing);
}

/// After advance_sequence(), before the state machine moves.
bool is_doubtful_reset(const SegmentContext& context) noexcept;

/// The ends' states but for resets in doubt, that of this segment among them.
EndpointStates states_beyond_doubt(const SegmentContext& context) noexcept;

/// Before a segment is made anything of: takes back the RST that it disproves. `evidence` may be null.
void take_back_reset(FlowRecord& flow, const FlowDetails& details, Side side, const packet::Segment& segment,
                     Evidence* evidence) noexcept;

}  // namespace doorslam::tcp
