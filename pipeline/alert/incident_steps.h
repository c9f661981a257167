#pragma once

#include <string>
#include <vector>

#include "pipeline/alert/incident.h"

/// What to do about an incident, for alerts and report.
namespace doorslam::alert {

/// Whom to ask: "the administrator of the firewall"; of a scan or sweep the owner of the client.
std::string whom_to_ask(const Incident& incident);
/// What to do next, most telling first: settings of the program, then checks that hold for any; the incident's own
/// addresses and port stand in the commands (of several, the sample connection's). Where the program is not known, each
/// text begins with "With PROGRAM: ". Of one client that met this on many ports or servers: what to do about the
/// client.
std::vector<std::string> steps_of(const Incident& incident);

}  // namespace doorslam::alert
