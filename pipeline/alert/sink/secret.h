#pragma once

#include <string>

#include "pipeline/base/result.h"

namespace doorslam::sink {

/// The secret that `reference` names: "file:/etc/doorslam/token" (its first line) or "env:TOKEN". Secrets stand nowhere
/// else, so that none is in a process list, a printed configuration or a log. Empty for an empty reference. Errors
/// (usage): it is no such reference, or the file or variable is not there.
Result<std::string> read_secret(const std::string& reference);

}  // namespace doorslam::sink
