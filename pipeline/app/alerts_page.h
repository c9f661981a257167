#pragma once

#include <string>

#include "pipeline/alert/store/record.h"

namespace doorslam::app {

/// A stored record for a person, in a line: time, severity, what happened, the headline, the beginning of event.id.
std::string alert_line(const store::Record& record);
/// The same in full: the headline, why, the ladder of packets, what to do next. Nothing in it can steer a terminal.
std::string alert_page(const store::Record& record);

}  // namespace doorslam::app
