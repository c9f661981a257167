#include "pipeline/tcp/evidence_policy.h"

namespace doorslam::tcp {
namespace {

using namespace packet::tcp_flag;

bool are_left(const EvidencePool& pool, std::uint32_t count) { return pool.used() <= pool.capacity() - count; }

/// What makes a served connection interesting again.
bool is_trouble(const SegmentContext& context) {
  constexpr std::uint8_t kStalledAfter = 3;
  if (context.has(kRst)) return true;
  if (context.flow.has(SideFlag::zero_window, context.side)) return true;
  if (context.late && context.irregular(context.side).resent_times >= kStalledAfter) return true;
  return context.has(kFin) && context.side == Side::responder && !is_over(context.flow.states().of(Side::originator));
}

/// Of a connection that is not served yet. `reset`: by this segment.
bool is_due_evidence(const FlowRecord& flow, bool reset, const EvidencePool& pool) {
  if (are_left(pool, pool.capacity() / 4)) return true;
  if (!flow.has(FlowFlag::open) && !reset) return false;
  const bool shook_hands = flow.has(FlowFlag::open) && !flow.has(FlowFlag::mid_stream);
  return shook_hands || are_left(pool, pool.capacity() / 8);
}

bool is_due_evidence(const SegmentContext& context, const EvidencePool& pool) {
  const FlowRecord& flow = context.flow;
  if (flow.has(FlowFlag::served)) return is_trouble(context);
  if (flow.has(FlowFlag::evidence_missing) && !is_trouble(context)) return false;
  // Behind a SYN-ACK that was not recorded a RST would look like one in its place.
  const bool reset = context.has(kRst);
  if (reset && flow.has(FlowFlag::syn_ack_seen) && !flow.has(FlowFlag::open)) return false;
  return is_due_evidence(flow, reset, pool);
}

std::uint64_t packets_of(const FlowRecord& flow, const Irregularities& irregular) {
  std::uint64_t packets = 0;
  for (const Side side : {Side::originator, Side::responder}) {
    packets += std::uint64_t{irregular.of(side).packet_carries} << 16U | flow.packets[index_of(side)];
  }
  return packets;
}

/// Of a connection that goes without until there is room when trouble starts. `to_record`: how many of those that are
/// counted already are about to be recorded.
void acquire(FlowRecord& flow, FlowDetails& details, const IrregularityPool& irregularities, EvidencePool& pool,
             EvidenceCounters& counters, unsigned to_record = 1) {
  const std::uint32_t index = pool.acquire();
  if (index == kNoEntry) {
    if (!flow.has(FlowFlag::evidence_missing)) ++counters.exhausted;
    flow.set(FlowFlag::evidence_missing);
    return;
  }
  if (flow.has(FlowFlag::evidence_missing)) {
    flow.clear(FlowFlag::evidence_missing);
    flow.set(FlowFlag::evidence_late);
  }
  flow.set(FlowFlag::evidence);
  flow.set(FlowFlag::recording);
  details.evidence = index;
  pool[index].skipped = pool[index].skipped_of(packets_of(flow, irregularities.of(details)) - to_record);
  ++counters.acquired;
}

/// What went by without being recorded: the time of the segment before this one is the best that is known.
void catch_up(const SegmentContext& context, Evidence& evidence) {
  for (const Side side : {Side::originator, Side::responder}) {
    SideEvidence& own = evidence.of(side);
    own.last_ns = context.previous_ns;
    if (context.flow.has(SideFlag::last_payload, side)) own.last_payload_ns = context.previous_ns;
  }
  evidence.skipped = evidence.skipped_of(packets_of(context.flow, context.irregularities.of(context.details)) - 1);
}

bool may_keep_suspended(const EvidencePool& pool) { return pool.used() <= pool.capacity() / 2; }

/// Nothing more is recorded of the connection for now.
void suspend_or_release(FlowRecord& flow, FlowDetails& details, EvidencePool& pool, EvidenceCounters& counters) {
  if (!flow.has(FlowFlag::recording)) return;
  flow.clear(FlowFlag::recording);
  if (may_keep_suspended(pool)) return;
  release_evidence(flow, details, pool);
  flow.set(FlowFlag::evidence_late);
  ++counters.returned;
}

/// Trouble that began and went by: the connection runs as before.
bool is_over_the_trouble(const SegmentContext& context) {
  constexpr std::uint32_t kQuietSegments = 64;
  const EndpointStates states = context.flow.states();
  return context.flow.has(FlowFlag::served) && context.evidence->rung_count >= kQuietSegments &&
         !context.flow.has_any(SideFlag::zero_window) && !is_over(states.of(Side::originator)) &&
         !is_over(states.of(Side::responder)) && context.advances;
}

}  // namespace

void count_unrecorded(const SegmentContext& context) noexcept {
  context.evidence->skipped =
      context.evidence->skipped_of(packets_of(context.flow, context.irregularities.of(context.details)));
}

void provide_evidence(SegmentContext& context, EvidencePool& pool, EvidenceCounters& counters) noexcept {
  FlowRecord& flow = context.flow;
  bool resumed = false;
  if (!flow.has(FlowFlag::evidence)) {
    if (!is_due_evidence(context, pool)) return;
    acquire(flow, context.details, context.irregularities, pool, counters);
    if (!flow.has(FlowFlag::evidence)) return;
    resumed = flow.has(FlowFlag::served) || flow.has(FlowFlag::evidence_late);
  } else if (!flow.has(FlowFlag::recording)) {
    if (!is_trouble(context)) return;
    flow.set(FlowFlag::recording);
    resumed = true;
  }
  context.evidence = &pool[context.details.evidence];
  if (resumed) catch_up(context, *context.evidence);
}

Evidence* provide_first_evidence(FlowRecord& flow, FlowDetails& details, const IrregularityPool& irregularities,
                                 EvidencePool& pool, EvidenceCounters& counters) noexcept {
  if (is_due_evidence(flow, false, pool)) acquire(flow, details, irregularities, pool, counters);
  return flow.has(FlowFlag::recording) ? &pool[details.evidence] : nullptr;
}

void provide_evidence_for_icmp(FlowRecord& flow, FlowDetails& details, const IrregularityPool& irregularities,
                               EvidencePool& pool, EvidenceCounters& counters) noexcept {
  if (flow.has(FlowFlag::evidence)) return;
  acquire(flow, details, irregularities, pool, counters, 0);
}

void reclaim_evidence(SegmentContext& context, EvidencePool& pool, EvidenceCounters& counters) noexcept {
  FlowRecord& flow = context.flow;
  if (!flow.has(FlowFlag::served)) {
    if (flow.has(FlowFlag::closing) || !is_plainly_served(flow, context.details)) return;
    flow.set(FlowFlag::served);
    if (is_trouble(context)) return;
  } else if (context.evidence == nullptr || !is_over_the_trouble(context)) {
    return;
  }
  context.evidence = nullptr;
  suspend_or_release(flow, context.details, pool, counters);
}

void suspend_evidence(FlowRecord& flow, FlowDetails& details, EvidencePool& pool, EvidenceCounters& counters) noexcept {
  flow.set(FlowFlag::served);
  suspend_or_release(flow, details, pool, counters);
}

void reclaim_evidence_in_order(FlowRecord& flow, FlowDetails& details, Side side, const packet::Segment& segment,
                               EvidencePool& pool, EvidenceCounters& counters) noexcept {
  const bool hangs_up = segment.has(kFin) && side == Side::responder && !is_over(flow.states().of(Side::originator));
  if (!hangs_up) return reclaim_evidence_if_served(flow, details, pool, counters);
  // Served, and recorded on.
  if (!is_plainly_served(flow, details)) return;
  flow.set(FlowFlag::served);
  flow.clear(FlowFlag::orderly);
}

void release_evidence(FlowRecord& flow, FlowDetails& details, EvidencePool& pool) noexcept {
  if (!flow.has(FlowFlag::evidence)) return;
  pool.release(details.evidence);
  details.evidence = kNoEntry;
  flow.clear(FlowFlag::evidence);
  flow.clear(FlowFlag::recording);
}

}  // namespace doorslam::tcp
