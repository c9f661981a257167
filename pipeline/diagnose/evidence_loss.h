#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// What the sensor itself may have missed.
namespace doorslam::diagnose::evidence {

/// Packets were lost while this connection was under way: silence proves less.
std::optional<Finding> packets_lost_meanwhile(const Case& c);

}  // namespace doorslam::diagnose::evidence
