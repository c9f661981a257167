#pragma once

#include <string>
#include <vector>

#include "config/settings.h"
#include "pipeline/app/command_line.h"
#include "pipeline/base/result.h"
#include "pipeline/diagnose/signature/signature_database.h"

namespace doorslam::app {

/// The settings of a command: defaults, file, --set, and the options that stand for settings. Errors (usage): a mistake
/// in them.
Result<config::Settings> settings_of(const CommandLine& line);

/// What scans for the signatures that the settings name. Errors (usage, data): a file that cannot be read or compiled.
Result<diagnose::SignatureScanner> make_scanner(const config::Settings& settings);

/// Of the keys whose values differ, those that a reload leaves as they were.
std::vector<std::string> keys_that_need_a_restart(const config::Settings& old, const config::Settings& now);

}  // namespace doorslam::app
