#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "pipeline/app/outputs.h"
#include "pipeline/base/result.h"
#include "pipeline/diagnose/diagnosis.h"
#include "pipeline/metrics/metrics_server.h"
#include "pipeline/metrics/observation.h"
#include "pipeline/metrics/worst_servers.h"
#include "pipeline/port/ethdev/live_run.h"
#include "pipeline/port/ethdev/telemetry.h"

namespace doorslam::app {

/// Lets others watch a running sensor: telemetry commands under /doorslam/, and metrics for Prometheus.
class Observability {
 public:
  /// The analysis thread tells what was read.
  void note(const std::vector<diagnose::DiagnosedConnection>& readings);
  /// The control thread tells of a reload.
  void note_reload(const config::Settings& settings);
  void note_refused_reload() noexcept { ++reloads_refused_; }

  /// Takes the metrics' address, before anything else happens that would have to be undone.
  /// Errors (usage, data): it cannot be listened on.
  Result<void> listen(const config::Settings& settings);
  /// From now on, whoever asks is answered. `live` and `outputs` are borrowed until stop().
  /// Errors (data): the telemetry takes no commands.
  Result<void> start(const ethdev::LiveRun& live, const Outputs& outputs, const config::Settings& settings);
  /// Where the metrics are to be had; empty: nowhere.
  const std::string& metrics_address() const noexcept { return metrics_address_; }
  /// Nobody is answered any more.
  void stop() noexcept;

 private:
  metrics::Observation observe() const;
  nlohmann::ordered_json config_answer(std::string_view section) const;
  std::vector<ethdev::TelemetryCommand> commands();

  const ethdev::LiveRun* live_ = nullptr;
  const Outputs* outputs_ = nullptr;
  std::atomic<std::uint64_t> reloads_{0};
  std::atomic<std::uint64_t> reloads_refused_{0};
  mutable std::mutex worst_mutex_;
  metrics::WorstServers worst_{flowtable::HashKey::random()};  ///< analysis: rw, observers: ro; by worst_mutex_
  mutable std::mutex settings_mutex_;
  config::Settings settings_;  ///< those in force; control: rw, observers: ro; by settings_mutex_
  std::string metrics_address_;
  std::optional<ethdev::Telemetry> telemetry_;
  std::unique_ptr<metrics::MetricsServer> server_;
};

}  // namespace doorslam::app
