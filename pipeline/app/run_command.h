#pragma once

#include "pipeline/app/command_line.h"
#include "pipeline/base/result.h"

namespace doorslam::app {

/// `doorslam run`: the live sensor, until it is told to stop. Returns the exit code: 0, or 1 where an output could not
/// be written. Errors (usage): configuration; (data): ports, memory, permissions, outputs.
///
/// SIGINT, SIGTERM: drains, ends, exits. SIGHUP: reads settings and signatures again; a mistake in them changes
/// nothing. SIGUSR1: opens the output files again.
Result<int> run_sensor(const CommandLine& line);

}  // namespace doorslam::app
