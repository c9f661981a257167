#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "pipeline/alert/incident.h"
#include "tests/unit/alert/sample.h"

/// What the tests of the incident log feed it with.
namespace doorslam::alert {

inline std::string numbered(std::uint32_t i) {
  return "10." + std::to_string(i >> 16 & 255) + '.' + std::to_string(i >> 8 & 255) + '.' + std::to_string(i & 255);
}

/// Feeds a log and keeps what comes out.
class Feed {
 public:
  explicit Feed(IncidentOptions options = {}) : log(options) {}

  void put(diagnose::Cause cause, const flowtable::Endpoint& client, const flowtable::Endpoint& server,
           flowtable::DurationNs at) {
    auto connection = sample::connection(cause, client, server, sample::kEpoch + at);
    connection.judged_ns = connection.summary.start_ns;
    log.observe(connection, events);
  }
  std::size_t count(AlertAction action) const {
    return static_cast<std::size_t>(
        std::count_if(events.begin(), events.end(), [&](const AlertEvent& event) { return event.action == action; }));
  }

  IncidentLog log;
  std::vector<AlertEvent> events;
};

inline const auto kServer = sample::endpoint("198.51.100.5", 21);

}  // namespace doorslam::alert
