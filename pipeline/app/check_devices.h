#pragma once

#include "pipeline/host/finding.h"
#include "pipeline/host/needs.h"
#include "pipeline/port/ethdev/live_run.h"

namespace doorslam::app {

/// Starts DPDK for a moment and asks the drivers of cards and packet sockets what they can do against what the options
/// want. A port that cannot be asked (no privileges, or the running sensor has it) is skipped, saying why. Pins the
/// calling thread while it lasts.
void check_devices(const ethdev::LiveOptions& options, const host::Needs& needs, host::Findings& out);

}  // namespace doorslam::app
