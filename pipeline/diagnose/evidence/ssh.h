#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// Evidence from the part of SSH that can be read: up to the key exchange (RFC 4253). One function a row of
/// evidence_table().
namespace doorslam::diagnose::evidence {

std::optional<Finding> ssh_without_keys(const Case& c);

}  // namespace doorslam::diagnose::evidence
