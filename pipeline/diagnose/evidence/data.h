#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// What a connection is to another one: the data connections of FTP.
namespace doorslam::diagnose::evidence {

std::optional<Finding> nothing_to_transfer(const Case& c);

}  // namespace doorslam::diagnose::evidence
