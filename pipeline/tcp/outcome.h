#pragma once

#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/flow_record.h"

/// How a connection stands, in the words of the contract.
namespace doorslam::tcp {

/// Zeek's conn_state (base/protocols/conn/main.zeek).
ConnState conn_state_of(const FlowRecord& flow, const FlowDetails& details) noexcept;

/// How far it got.
Stage stage_of(const FlowRecord& flow) noexcept;

/// The final record. `originator` and `responder` come with the key; end_reason with the occasion.
ConnectionSummary summarize(const FlowRecord& flow, const FlowDetails& details, const flowtable::Endpoint& originator,
                            const flowtable::Endpoint& responder, EndReason reason) noexcept;

}  // namespace doorslam::tcp
