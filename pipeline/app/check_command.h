#pragma once

#include "pipeline/app/command_line.h"
#include "pipeline/base/result.h"

namespace doorslam::app {

/// `doorslam check`: looks at the configuration, the signatures and the host, and prints what is fine, what should and
/// what must be mended, with the command that does it. Gives the exit code: 0 where nothing must be mended, else 1.
/// Errors (data): the findings cannot be written.
Result<int> check(const CommandLine& line);

}  // namespace doorslam::app
