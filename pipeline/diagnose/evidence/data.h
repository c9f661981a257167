#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// Connections that carry a file, and no talk.
namespace doorslam::diagnose::evidence {

std::optional<Finding> nothing_to_transfer(const Case& c);
std::optional<Finding> took_a_transfer(const Case& c);

}  // namespace doorslam::diagnose::evidence
