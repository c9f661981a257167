// ICMP errors: which connection they are about, and which are believed.

#include <cstdint>

#include "flowtable/flow_key.h"
#include "pipeline/tcp/evidence_policy.h"
#include "pipeline/tcp/patience.h"
#include "pipeline/tcp/recorder.h"
#include "pipeline/tcp/sequence.h"
#include "pipeline/tcp/tracker.h"

namespace doorslam::tcp {

using flowtable::IpVersion;

void Tracker::process(const packet::IcmpError& error, const FrameView& frame, EventBatch& out) noexcept {
  advance(error.time_ns, out);
  if (error.source.address.version == IpVersion::v4) {
    join_icmp(flows4_, error, frame, out);
  } else {
    join_icmp(flows6_, error, frame, out);
  }
}

template <class Key>
void Tracker::join_icmp(Table<Key>& table, const packet::IcmpError& error, const FrameView& frame,
                        EventBatch& out) noexcept {
  const auto oriented =
      flowtable::make_key<Key>(error.source, error.destination, vlan_aware_ ? error.vlan : std::uint16_t{0});
  auto* slot = table.find(oriented.key, table.place_of(oriented.key));
  if (slot != nullptr && error.time_ns >= deadline_of(slot->state)) {
    FlowRecord& flow = slot->state;
    end(table, *slot, reason_when_due(flow), deadline_of(flow), details_of(flow).id, out);
    slot = nullptr;
  }
  if (slot == nullptr) {
    ++counters_.icmp_unmatched;
    return;
  }
  FlowRecord& flow = slot->state;
  FlowDetails& details = details_of(flow);
  const Side about = side_of(flow, oriented.source_is_lo);
  if (!may_have_sent(flow, details, irregularities_.of(details), about, error.seq)) {
    ++counters_.icmp_out_of_window;
    return;
  }
  ++counters_.icmp_joined;
  provide_evidence_for_icmp(flow, details, irregularities_, evidence_, counters_.evidence);
  if (flow.has(FlowFlag::evidence)) {
    const bool first = evidence_[details.evidence].icmp.time_ns == flowtable::kNoTime;
    if (first && frames_ != nullptr) keep_icmp_frame(details.evidence, frame);
    record_icmp(evidence_[details.evidence], error, about);
  }
  flow.clear(FlowFlag::quick);
  flow.clear(FlowFlag::orderly);
  if (flow.states().of(Side::originator) == EndpointState::syn_sent &&
      flow.states().of(Side::responder) == EndpointState::inactive) {
    flow.set(FlowFlag::unreachable);
    table.schedule(table.index_of(*slot), deadline_of(flow));
  }
}

void Tracker::keep_icmp_frame(std::uint32_t index, const FrameView& frame) noexcept {
  frames_->keep_icmp(index, frame);
  counters_.evidence.frameless += frame.captured.empty() ? 1 : 0;
}

}  // namespace doorslam::tcp
