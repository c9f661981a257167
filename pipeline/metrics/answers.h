#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/metrics/observation.h"

/// The observation as answers to telemetry commands. An answer is an object; its values are numbers, texts, lists of
/// them, and objects of numbers, texts and lists: telemetry carries no deeper nesting. The names of entries are of
/// ASCII letters, digits and '_'.
namespace doorslam::metrics {

using Json = nlohmann::ordered_json;

/// Sums over everything, and the balance: received = processed + each counted reason.
Json stats_answer(const Observation& observation);
/// The polling threads, a summary of each; with the name of one ("0", "receiver_0") everything of that one; null where
/// there is none of that name.
Json workers_answer(const Observation& observation, std::string_view name);
/// By a port's name as far as an entry can be called so; its whole name stands in "name".
Json ports_answer(const Observation& observation);
Json table_answer(const Observation& observation);
/// The worst servers, "worst_0" first.
Json servers_answer(const Observation& observation);
/// Refusals by cause, incidents, store and sinks ("sink_" and the name, as with ports).
Json alerts_answer(const Observation& observation);

}  // namespace doorslam::metrics
