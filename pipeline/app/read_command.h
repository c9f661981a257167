#pragma once

#include "pipeline/app/command_line.h"
#include "pipeline/base/result.h"

namespace doorslam::app {

/// `doorslam read`: captures in; report, flow records and alerts out. Returns the exit code: 0, or 1 when part of the
/// input could not be read or part of the output not be written (everything else was). SIGINT and SIGTERM end the
/// reading early, and no more than that. Errors: nothing could be done. For the main thread.
Result<int> read_captures(const CommandLine& line);

}  // namespace doorslam::app
