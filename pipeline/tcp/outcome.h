#pragma once

#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/flow_record.h"
#include "pipeline/tcp/irregularities.h"

/// How a connection stands, in the words of the contract.
namespace doorslam::tcp {

/// Writes who the two ends are. `Slot`: of the flow table.
template <class Slot>
void write_ends(const Slot& slot, ConnectionSummary& summary) noexcept {
  const bool originator_is_lo = slot.state.has(FlowFlag::originator_is_lo);
  slot.key.write_ends(originator_is_lo ? summary.originator : summary.responder,
                      originator_is_lo ? summary.responder : summary.originator);
}

/// Writes what is known of a connection as soon as it has opened: when, where and how its first packet was seen.
void summarize_beginning(const FlowRecord& flow, const FlowDetails& details, ConnectionSummary& summary) noexcept;

/// Writes the record of a connection but for its ends, which come with the key, and end_reason, which comes with the
/// occasion. `summary` is as new.
void summarize(const FlowRecord& flow, const FlowDetails& details, const Irregularities& irregular,
               ConnectionSummary& summary) noexcept;

}  // namespace doorslam::tcp
