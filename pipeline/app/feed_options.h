#pragma once

#include "config/settings.h"
#include "pipeline/app/alert_feed.h"
#include "pipeline/app/command_line.h"

namespace doorslam::app {

/// What the settings ask of the store and the sinks. Errors (usage): what is wrong with which sink.
Result<AlertFeedOptions> feed_options(const CommandLine& line, const config::Settings& settings);

}  // namespace doorslam::app
