#pragma once

#include <optional>

#include "flowtable/time.h"
#include "pipeline/diagnose/case.h"

/// Clients that did not say what the server waited for, until it tired of them: nobody was refused.
namespace doorslam::diagnose::evidence {

std::optional<Finding> unused_where_clients_speak_first(const Case& c);
std::optional<Finding> unused_and_timed_out(const Case& c);
std::optional<Finding> request_unfinished(const Case& c);

/// How long the server, which had read all that there was, waited for the rest of a request that plainly had not come
/// to its end, before it closed by FIN; a second at least. 0: otherwise.
flowtable::DurationNs waited_for_the_rest(const Case& c);

}  // namespace doorslam::diagnose::evidence
