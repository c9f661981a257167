#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// What the sensor itself may have missed.
namespace doorslam::diagnose::evidence {

/// Packets were lost while this connection was under way: silence proves less.
std::optional<Finding> packets_lost_meanwhile(const Case& c);
std::optional<Finding> holes_beside_a_close(const Case& c);
std::optional<Finding> holes_beside_silence(const Case& c);
std::optional<Finding> answers_not_captured(const Case& c);
std::optional<Finding> reset_only_supposed(const Case& c);

}  // namespace doorslam::diagnose::evidence
