#pragma once

#include "pipeline/app/command_line.h"
#include "pipeline/base/result.h"

namespace doorslam::app {

/// `doorslam alerts`: lists what is in the store, shows one record with its ladder, has records sent once more, tells
/// how far the sinks are. Works beside a doorslam that uses the store. Returns the exit code. Errors: there is no store
/// (data), or the question makes no sense (usage).
Result<int> show_alerts(const CommandLine& line);

}  // namespace doorslam::app
