#pragma once

#include "pipeline/tcp/connection_view.h"

/// Writes Evidence: the ladder, the times, the fingerprints, the first and the last words.
namespace doorslam::tcp {

/// Takes one segment down. To be called last of all stages; context.evidence is not null.
void record_segment(SegmentContext& context) noexcept;

/// The same for a segment in mid-flow: the next in order, nothing remarkable about it.
void record_ordinary(Evidence& evidence, const FlowDetails& details, Side side,
                     const packet::Segment& segment) noexcept;

/// The same for the next in order (in_order.h) at any time. `opened`: it completed the handshake.
void record_in_order(Evidence& evidence, const FlowDetails& details, Side side, const packet::Segment& segment,
                     bool opened) noexcept;

/// A segment whose checksum is wrong: the receiver will have dropped it, so it is a rung of the ladder and no more.
void record_bad_checksum(SegmentContext& context) noexcept;

/// A RST of that side turned out to have been a stranger's: its rung stays, and nothing else.
void forget_reset(Evidence& evidence, Side side) noexcept;

void record_icmp(Evidence& evidence, const packet::IcmpError& error, Side about) noexcept;

/// Copies into the evidence what the flow knows better: exchanges, sequence numbers relative to the beginning.
void complete_evidence(Evidence& evidence, const FlowRecord& flow, const FlowDetails& details,
                       const Irregularities& irregular) noexcept;

}  // namespace doorslam::tcp
