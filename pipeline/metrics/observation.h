#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/alert/evidence/evidence_folder.h"
#include "pipeline/alert/sink/sink_runner.h"
#include "pipeline/alert/store/alert_store.h"
#include "pipeline/metrics/worst_servers.h"
#include "pipeline/port/live_counters.h"

/// What a running sensor tells of itself, and the forms in which it tells: telemetry answers, Prometheus metrics.
namespace doorslam::metrics {

/// Of 64-bit words only: it is published whole (pipeline/port/published.h).
struct AlertFigures {
  std::array<std::uint64_t, 3> events{};  ///< by alert::AlertAction
  std::uint64_t open = 0;                 ///< incidents open now, held-back ones included
};

/// Of one file for records.
struct OutputFigures {
  std::string name;                  ///< flows or alerts
  std::uint64_t records = 0;         ///< all that there were
  std::uint64_t missing = 0;         ///< of them, those that are lost
  std::uint64_t waiting_octets = 0;  ///< for a file that cannot be written
  std::string trouble = {};          ///< why records do not get there now; empty: they do
};

/// Everything at one time: the counters of the live run, and what becomes of its readings. A copy: nothing is borrowed.
struct Observation {
  std::string version;
  port::LiveCounters live;
  AlertFigures alerts;
  std::vector<OutputFigures> outputs;
  std::optional<trace_files::EvidenceFileCounters> evidence;  ///< empty: no evidence files are written
  std::optional<store::StoreCounters> store;                  ///< empty: there is no store
  std::vector<sink::SinkCounters> sinks;
  std::vector<WorstServer> worst_servers;  ///< worst first
  std::uint64_t reloads = 0;
  std::uint64_t reloads_refused = 0;
};

/// Makes one now. Called by threads of telemetry and of the metrics' endpoint, several at a time.
using Observe = std::function<Observation()>;

}  // namespace doorslam::metrics
