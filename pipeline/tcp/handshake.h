#pragma once

#include "pipeline/tcp/connection_view.h"

namespace doorslam::tcp {

/// Follows the three-way handshake (RFC 9293, section 3.5) and says in `context` whether this segment completes it, or
/// acknowledges another number than the SYN-ACK offered. A connection whose handshake the capture lacks opens with its
/// first payload. To be called after begin_side() and before take_acknowledgement().
void follow_handshake(SegmentContext& context) noexcept;

/// Should this SYN or SYN-ACK begin a new connection although its tuple is taken?
///
/// Yes when either end has closed or reset, or when the initial sequence number is another; no for a retransmission,
/// for the other half of a simultaneous open, and for a SYN captured after its SYN-ACK.
bool is_tuple_reuse(const FlowRecord& flow, const FlowDetails& details, const packet::Segment& segment,
                    Side side) noexcept;

}  // namespace doorslam::tcp
