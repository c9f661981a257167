#pragma once

#include <algorithm>

#include "pipeline/tcp/connection_view.h"

/// Sequence numbers: what was sent, sent again, acknowledged, and acknowledged without having been seen.
///
/// The stages run in this order on every segment outside the short path; begin_side() before anything else looks at
/// the sender's numbers, find_gap() after the state machine has moved.
namespace doorslam::tcp {

/// What is farther ahead than this is not believed at once. It bounds what a sender may have under way that the capture
/// does not show: windows of tuned hosts, and what a mirror port loses at a stretch.
inline constexpr std::int32_t kWidestWindow = 1 << 24;

/// Numbers its sender from its first segment, or anew when a SYN brings another initial sequence number, or when what
/// follows a SYN that nobody answered is far from it: then that SYN was a stranger's.
void begin_side(SegmentContext& context) noexcept;

/// Takes the acknowledgement number for the other side. A wrong handshake ACK (handshake.h) acknowledges nothing, nor
/// does a number far beyond what the other side was seen to send, as long as that is seen of it at all.
void take_acknowledgement(SegmentContext& context) noexcept;

/// Says whether the segment advances, repeats or fills a hole, and moves the sender's numbers. A jump far ahead is
/// believed when its sender goes on from there, or the other side has acknowledged it.
void advance_sequence(SegmentContext& context) noexcept;

/// Octets acknowledged that were never seen: a gap of the capture, not of the connection. Counted for connections
/// that are cleanly established or closing only: elsewhere the numbers are not to be trusted.
void find_gap(SegmentContext& context) noexcept;

/// Zero windows. Those of no meaning (of a RST, after it, or when the other end has closed) are not counted.
void watch_window(SegmentContext& context) noexcept;

namespace detail {
/// Of a side whose numbers have wrapped.
std::uint64_t payload_octets_beyond_wraps(const FlowRecord& flow, const FlowDetails& details,
                                          const Irregularities& irregular, Side side) noexcept;
}  // namespace detail

/// Distinct payload octets of a side by its sequence numbers, SYN and FIN not counted.
inline std::uint64_t payload_octets(const FlowRecord& flow, const FlowDetails& details, const Irregularities& irregular,
                                    Side side) noexcept {
  const std::size_t i = index_of(side);
  const SideIrregularities& wrapped = irregular.of(side);
  if (flow.state_of(side) == EndpointState::inactive) return 0;
  if ((wrapped.seq_wraps | wrapped.ack_wraps) != 0) {
    return detail::payload_octets_beyond_wraps(flow, details, irregular, side);
  }
  const SideDetails& own = details.of(side);
  const std::uint32_t space = std::max(flow.next_seq[i], flow.acked[i]) - own.start_seq;
  return space - std::min(space, own.fin_end != 0 ? 2U : 1U);
}

/// Can that side have sent a segment of that number (RFC 5927, 4.1)? In doubt, where the capture may lack it, yes.
bool may_have_sent(const FlowRecord& flow, const FlowDetails& details, const Irregularities& irregular, Side side,
                   std::uint32_t seq) noexcept;

/// Sequence space that a segment takes. The payload of a RST is a comment, not part of the stream (RFC 9293, 3.10.7).
inline std::uint32_t sequence_length(const packet::Segment& segment) noexcept {
  using namespace packet::tcp_flag;
  const std::uint32_t control = (segment.has(kSyn) ? 1U : 0U) + (segment.has(kFin) ? 1U : 0U);
  return control + (segment.has(kRst) ? 0U : segment.payload_length);
}

}  // namespace doorslam::tcp
