#pragma once

#include "pipeline/tcp/bounded_pool.h"
#include "pipeline/tcp/connection_view.h"

/// Who gets Evidence, of which there is not enough for everybody.
///
/// Every connection from its first segment on, until it is plainly served. Then its Evidence is suspended: it stays as
/// it is, untouched, until trouble starts. When half of the pool is in use it is given back instead, and a connection
/// in trouble begins anew. When less than a quarter of the pool is left, a connection has to wait for the responder's
/// answer, so that a flood of SYNs cannot take what refused connections need. Which connections go without then depends
/// on all others of the worker; they say so (evidence_missing).
namespace doorslam::tcp {

/// Counters of the pool. worker-bound.
struct EvidenceCounters {
  std::uint64_t acquired = 0;
  std::uint64_t returned = 0;   ///< given back before the end of their connection
  std::uint64_t exhausted = 0;  ///< connections that got none
};

using EvidencePool = BoundedPool<Evidence>;

/// Before a segment is recorded: gives the connection Evidence if it is due some, and sets context.evidence.
void provide_evidence(SegmentContext& context, EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// The same for a segment in order (in_order.h). Null: none is kept.
Evidence* provide_evidence_in_order(FlowRecord& flow, FlowDetails& details, Side side, EvidencePool& pool,
                                    EvidenceCounters& counters) noexcept;

/// As above, for a connection that an ICMP error names: it is due Evidence whatever else holds.
void provide_evidence_for_icmp(FlowRecord& flow, FlowDetails& details, EvidencePool& pool,
                               EvidenceCounters& counters) noexcept;

/// After a segment was recorded: marks the connection as served if it is, and takes back what it needs no more.
void reclaim_evidence(SegmentContext& context, EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// The same after payload on the short paths, of a connection that was not served so far.
void reclaim_evidence_if_served(FlowRecord& flow, FlowDetails& details, EvidencePool& pool,
                                EvidenceCounters& counters) noexcept;

/// The same after payload in order (in_order.h), or after the segment that completed the handshake.
void reclaim_evidence_in_order(FlowRecord& flow, FlowDetails& details, Side side, const packet::Segment& segment,
                               EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// Gives a connection's Evidence back to the pool.
void release_evidence(FlowRecord& flow, FlowDetails& details, EvidencePool& pool) noexcept;

/// Requests and responses have gone to and fro, and this is no greeting dialogue that may still end in a refusal.
bool is_plainly_served(const FlowRecord& flow, const FlowDetails& details) noexcept;

}  // namespace doorslam::tcp
