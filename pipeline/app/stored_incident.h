#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "pipeline/alert/incident.h"
#include "pipeline/alert/ladder.h"

namespace doorslam::app {

/// An alert as the store has it, for the report that `doorslam read` prints.
struct StoredIncident {
  alert::Incident incident;               ///< without the sample's evidence
  std::vector<alert::LadderLine> ladder;  ///< in its place
};

/// Reads an alert record back. What is missing in it, or is of another type, stays as it is in an empty one. Whoever
/// shows its sentences and the banner keeps them from steering a terminal, as the report does.
StoredIncident stored_incident(const nlohmann::json& record);

/// The diagnosis of an alert or flow record: cause, hypotheses, signature, banner, caveats, limit.
diagnose::Diagnosis stored_diagnosis(const nlohmann::json& record);

/// The value at a path of keys joined by slashes, or null.
const nlohmann::json& value_at(const nlohmann::json& object, const char* path);

}  // namespace doorslam::app
