#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// What did not get through in the midst of a session, and what cut it there.
namespace doorslam::diagnose::evidence {

std::optional<Finding> client_data_in_vain(const Case& c);
std::optional<Finding> server_data_in_vain(const Case& c);
std::optional<Finding> bare_reset_in_session(const Case& c);

}  // namespace doorslam::diagnose::evidence
