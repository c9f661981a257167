#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/diagnose/cause.h"

namespace doorslam::store {

/// Place of a record in the store: rises by the order of arrival, is never used twice, also not after a restart.
/// 0: before the first record.
using Sequence = std::int64_t;

enum class RecordKind : std::uint8_t { alert = 1, flow = 2 };

constexpr std::string_view name_of(RecordKind kind) { return kind == RecordKind::alert ? "alert" : "flow"; }

/// One alert or flow record, encoded, with what it is chosen by. Self-contained.
struct Record {
  Sequence sequence = 0;  ///< given by the store
  RecordKind kind = RecordKind::alert;
  std::string id;  ///< event.id: the same whenever the same packets are read again
  flowtable::TimeNs time_ns = 0;
  diagnose::Cause cause = diagnose::Cause::unknown;
  int severity = 0;            ///< event.severity; 0 for flow records
  flowtable::Endpoint server;  ///< of the incident or the connection
  std::string body;            ///< the ECS object as one line, without '\n'
};

}  // namespace doorslam::store
