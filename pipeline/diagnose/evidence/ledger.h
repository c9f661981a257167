#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"
#include "pipeline/diagnose/diagnosis.h"

/// What else the server was doing: the evidence that tells silent refusals apart.
namespace doorslam::diagnose::evidence {

std::optional<Finding> client_always_refused(const Case& c);
std::optional<Finding> client_served_at_other_times(const Case& c);
std::optional<Finding> several_clients_refused_only(const Case& c);
std::optional<Finding> refused_clients_served_too(const Case& c);
std::optional<Finding> nobody_served(const Case& c);
std::optional<Finding> several_clients_and_none_served(const Case& c);
std::optional<Finding> above_session_ceiling(const Case& c);
std::optional<Finding> above_client_ceiling(const Case& c);
std::optional<Finding> below_every_ceiling(const Case& c);
std::optional<Finding> no_session_open(const Case& c);
std::optional<Finding> arrivals_too_fast(const Case& c);
std::optional<Finding> arrivals_slow(const Case& c);

/// The limit that a refusal for that cause shows: the firmest of those that the ledger has figures of.
std::optional<LearnedLimit> learned_limit(const Case& c, Cause cause);

}  // namespace doorslam::diagnose::evidence
