#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "pipeline/alert/ecs_flow.h"
#include "pipeline/alert/ecs_record.h"
#include "pipeline/alert/incident.h"

namespace doorslam::alert {

/// Turns an alert event into one line of NDJSON in the form of the Elastic Common Schema (event.kind: alert).
/// Not thread-safe: it reuses one buffer; make one per thread.
class AlertEncoder {
 public:
  explicit AlertEncoder(const EncoderOptions& options = {});
  ~AlertEncoder();
  AlertEncoder(AlertEncoder&&) noexcept;
  AlertEncoder& operator=(AlertEncoder&&) noexcept;

  /// The record with its '\n'; borrowed until the next call. Always valid JSON in valid UTF-8.
  std::string_view encode(const AlertEvent& event);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// doorslam.limit.counts, by diagnose::LimitKind.
inline constexpr std::array<std::string_view, 4> kLimitNames = {"sessions", "client_sessions", "arrivals_per_second",
                                                                "client_arrivals_per_minute"};

/// doorslam.refused_times.of, by TimesKind.
inline constexpr std::array<std::string_view, 4> kTimesNames = {"minute", "hour", "day", "spells"};

/// event.id of an alert.
StableId alert_id(const AlertEvent& event) noexcept;

/// How much an incident should worry, on the SIEM's usual scale: 21 low, 47 medium, 73 high, 99 critical.
int severity_of(const Incident& incident) noexcept;

}  // namespace doorslam::alert
