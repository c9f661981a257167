#pragma once

#include <algorithm>

#include "pipeline/tcp/bounded_pool.h"
#include "pipeline/tcp/connection_view.h"

/// Who gets Evidence, of which there is not enough for everybody.
///
/// Every connection from its first segment on, until it is plainly served. Then its Evidence is suspended: it stays as
/// it is, untouched, until trouble starts. When half of the pool is in use it is given back instead, and a connection
/// in trouble begins anew. When less than a quarter of the pool is left, a connection has to wait until it is open, or
/// reset, so that a flood of SYNs, answered or not, cannot take what refused connections need; of the last eighth,
/// those alone get some whose handshake was seen to complete, which nobody can forge blindly. Which connections go
/// without then depends on all others of the worker; they say so (evidence_missing), and are tried again when trouble
/// starts.
namespace doorslam::tcp {

/// Counters of the pool. worker-bound.
struct EvidenceCounters {
  std::uint64_t acquired = 0;
  std::uint64_t returned = 0;   ///< given back before the end of their connection
  std::uint64_t exhausted = 0;  ///< connections that went without for want of room
  std::uint64_t frames = 0;     ///< handed over with the ends of their connections
  std::uint64_t frameless = 0;  ///< rungs and ICMP errors of which there is no single frame, where frames are kept
};

using EvidencePool = BoundedPool<Evidence>;

/// Before a segment is recorded: gives the connection Evidence if it is due some, and sets context.evidence.
void provide_evidence(SegmentContext& context, EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// The same for a connection that has none, is not served and did not miss it. Null: there is none for it yet.
Evidence* provide_first_evidence(FlowRecord& flow, FlowDetails& details, const IrregularityPool& irregularities,
                                 EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// The same for a segment in order (in_order.h). Null: none is kept.
inline Evidence* provide_evidence_in_order(FlowRecord& flow, FlowDetails& details,
                                           const IrregularityPool& irregularities, EvidencePool& pool,
                                           EvidenceCounters& counters) noexcept {
  if (flow.has(FlowFlag::recording)) return &pool[details.evidence];
  if (flow.has(FlowFlag::served) || flow.has(FlowFlag::evidence_missing)) return nullptr;
  return provide_first_evidence(flow, details, irregularities, pool, counters);
}

/// As above, for a connection that an ICMP error names: it is due Evidence whatever else holds.
void provide_evidence_for_icmp(FlowRecord& flow, FlowDetails& details, const IrregularityPool& irregularities,
                               EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// Before a segment that counts for nothing is recorded although recording is suspended: what went by until then.
void count_unrecorded(const SegmentContext& context) noexcept;

/// After a segment was recorded: marks the connection as served if it is, and takes back what it needs no more.
void reclaim_evidence(SegmentContext& context, EvidencePool& pool, EvidenceCounters& counters) noexcept;

namespace detail {

/// payload_octets() of a connection that is not served yet, and so far from the 4 GiB at which this would be wrong.
inline std::uint32_t early_payload_octets(const FlowRecord& flow, const FlowDetails& details, Side side) noexcept {
  const std::size_t i = index_of(side);
  const SideDetails& own = details.side[i];
  if (flow.state_of(side) == EndpointState::inactive) return 0;
  const std::uint32_t space = std::max(flow.next_seq[i] - own.start_seq, flow.acked[i] - own.start_seq);
  const std::uint32_t control = own.fin_end != 0 ? 2 : 1;
  return space - std::min(space, control);
}

}  // namespace detail

/// Requests and responses have gone to and fro, and this is no greeting dialogue that may still end in a refusal.
inline bool is_plainly_served(const FlowRecord& flow, const FlowDetails& details) noexcept {
  // Login dialogues (FTP, SMTP, PostgreSQL, TLS) refuse after two to four exchanges of short lines.
  constexpr std::uint32_t kShortDialogue = 1024;
  constexpr std::uint32_t kLongTalk = 4096;
  constexpr std::uint32_t kDownload = 64 * 1024;
  constexpr std::uint32_t kBulk = 1024 * 1024;
  if (!flow.has(FlowFlag::open)) return false;
  const unsigned exchanges = flow.exchanges();
  if (exchanges >= 6) return true;
  const std::uint32_t from_originator = detail::early_payload_octets(flow, details, Side::originator);
  const std::uint32_t from_responder = detail::early_payload_octets(flow, details, Side::responder);
  const std::uint32_t most = std::max(from_originator, from_responder);
  if (most >= kBulk) return true;
  if (exchanges >= 1 && most >= kDownload) return true;
  if (from_responder < kShortDialogue) return false;
  return exchanges >= 3 || (exchanges == 2 && most > kLongTalk);
}

/// The connection is plainly served: what is kept of it is kept for later, or given back.
void suspend_evidence(FlowRecord& flow, FlowDetails& details, EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// After payload on the short paths, of a connection that was not served so far.
inline void reclaim_evidence_if_served(FlowRecord& flow, FlowDetails& details, EvidencePool& pool,
                                       EvidenceCounters& counters) noexcept {
  if (is_plainly_served(flow, details)) suspend_evidence(flow, details, pool, counters);
}

/// The same after payload in order (in_order.h), or after the segment that completed the handshake.
void reclaim_evidence_in_order(FlowRecord& flow, FlowDetails& details, Side side, const packet::Segment& segment,
                               EvidencePool& pool, EvidenceCounters& counters) noexcept;

/// Gives a connection's Evidence back to the pool.
void release_evidence(FlowRecord& flow, FlowDetails& details, EvidencePool& pool) noexcept;

}  // namespace doorslam::tcp
