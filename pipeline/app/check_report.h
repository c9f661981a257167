#pragma once

#include <string>

#include "pipeline/host/finding.h"

namespace doorslam::app {

/// Findings for a person: a line each, aligned, the command below it where something is to be mended; then a summary.
std::string findings_text(const host::Findings& findings, bool colour);

/// The same as one JSON object in one line:
/// {"version":…,"fine":n,"skipped":n,"should":n,"must":n,"findings":[{"level":…,"topic":…,"text":…,"command":…},…]};
/// "command" only where something is to be mended.
std::string findings_json(const host::Findings& findings, const std::string& version);

}  // namespace doorslam::app
