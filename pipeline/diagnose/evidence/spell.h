#pragma once

#include <optional>

#include "pipeline/diagnose/case.h"

/// What time tells: served until then, refused from then on.
namespace doorslam::diagnose::evidence {

std::optional<Finding> nobody_served_any_more(const Case& c);
std::optional<Finding> some_served_no_more(const Case& c);

/// From some time on everybody is refused.
bool is_nobody_served_any_more(const Case& c);
/// The same of some clients, while the others are served as before.
bool are_some_served_no_more(const Case& c);

}  // namespace doorslam::diagnose::evidence
