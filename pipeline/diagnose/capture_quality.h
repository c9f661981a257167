#pragma once

#include <string>
#include <vector>

#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/evidence.h"

namespace doorslam::diagnose {

/// What the capture lacks for a firm judgement of this connection, one sentence each.
std::vector<std::string> caveats_of(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence);

/// The first octets of a side as text: printable ASCII as it is, the rest as \r, \n, \t, \\ or \xHH; at most
/// `limit` characters, never cut inside an escape.
std::string banner_of(const tcp::PayloadHead& head, std::size_t limit);

}  // namespace doorslam::diagnose
