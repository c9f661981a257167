#pragma once

#include "pipeline/app/command_line.h"
#include "pipeline/base/result.h"

namespace doorslam::app {

/// `doorslam top`: watches a running sensor through its telemetry socket, on a terminal until q is pressed. With
/// --once, or where standard output is no terminal, prints one view of one interval as plain text. Returns the exit
/// code. Errors: (data) no sensor runs, or it has ended; (usage) several run.
Result<int> watch_sensor(const CommandLine& line);

}  // namespace doorslam::app
