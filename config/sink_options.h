#pragma once

#include <vector>

#include "config/settings.h"
#include "pipeline/alert/sink/sinks.h"
#include "pipeline/alert/store/alert_store.h"
#include "pipeline/base/result.h"

/// The options of the store and of the sinks, out of the settings.
namespace doorslam::config {

/// Empty path: there is no store.
store::StoreOptions store_options(const Settings& settings);
/// Errors (usage): what is wrong with which sink.
Result<std::vector<sink::SinkOptions>> sink_options(const Settings& settings);

}  // namespace doorslam::config
