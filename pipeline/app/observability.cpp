#include "pipeline/app/observability.h"

#include <algorithm>
#include <array>
#include <utility>

#include "pipeline/metrics/answers.h"

namespace doorslam::app {

namespace {

constexpr std::size_t kServersObserved = 20;

/// Telemetry's names have no dots.
std::string telemetry_name(std::string_view key) {
  std::string name(key);
  std::replace(name.begin(), name.end(), '.', '/');
  return name;
}

/// Texts and lists without the quotes that YAML needs.
std::string plain_value(const config::Key& key, const config::Value& value) {
  std::string text = config::format_value(key, value);
  std::erase(text, '"');
  return text;
}

}  // namespace

void Observability::note(const std::vector<diagnose::DiagnosedConnection>& readings) {
  const std::lock_guard lock(worst_mutex_);
  for (const diagnose::DiagnosedConnection& reading : readings) {
    if (!diagnose::is_refusal(reading.diagnosis.cause)) continue;
    worst_.refused(reading.summary.responder, reading.diagnosis.cause, reading.summary.start_ns);
  }
}

void Observability::note_reload(const config::Settings& settings) {
  ++reloads_;
  const std::lock_guard lock(settings_mutex_);
  for (const config::Key& key : config::keys()) {
    if (key.reloads) settings_.assign(key, settings.value(key));
  }
}

metrics::Observation Observability::observe() const {
  metrics::Observation seen;
  seen.version = DOORSLAM_VERSION;
  // As the snapshot itself does it: from the last stage to the first.
  outputs_->observe(seen);
  seen.live = live_->snapshot();
  seen.reloads = reloads_;
  seen.reloads_refused = reloads_refused_;
  const std::lock_guard lock(worst_mutex_);
  seen.worst_servers = worst_.worst(kServersObserved, seen.live.now_ns);
  return seen;
}

nlohmann::ordered_json Observability::config_answer(std::string_view section) const {
  auto answer = nlohmann::ordered_json::object();
  const std::lock_guard lock(settings_mutex_);
  for (const config::Key& key : config::keys()) {
    if (!section.empty() && key.name != section && !key.name.starts_with(std::string(section) + ".")) continue;
    answer[telemetry_name(key.name)] = plain_value(key, settings_.value(key));
  }
  return answer.empty() ? nlohmann::ordered_json() : answer;
}

std::vector<ethdev::TelemetryCommand> Observability::commands() {
  const auto answered_by = [this](auto answer) {
    return [this, answer](std::string_view) { return answer(observe()); };
  };
  return {{"/doorslam/stats", "Sums and balance of the sensor", answered_by(metrics::stats_answer)},
          {"/doorslam/workers", "Polling threads. Parameter: name of one, for all of it",
           [this](std::string_view name) { return metrics::workers_answer(observe(), name); }},
          {"/doorslam/ports", "Ports: received, lost, buffers", answered_by(metrics::ports_answer)},
          {"/doorslam/table", "Table of connections: load, ends", answered_by(metrics::table_answer)},
          {"/doorslam/servers", "Servers that refused most recently", answered_by(metrics::servers_answer)},
          {"/doorslam/alerts", "Refusals by cause, incidents, store, sinks", answered_by(metrics::alerts_answer)},
          {"/doorslam/config", "Settings in force. Parameter: a section, such as run",
           [this](std::string_view section) { return config_answer(section); }}};
}

Result<void> Observability::listen(const config::Settings& settings) {
  const std::string& where = settings.text("run.metrics_address");
  if (where.empty()) return {};
  const auto address = metrics::parse_listen_address(where, "run.metrics_address");
  if (!address) return tl::unexpected(address.error());
  auto server = metrics::MetricsServer::listen(*address);
  if (!server) return tl::unexpected(server.error());
  server_ = std::move(*server);
  metrics_address_ = address->text();
  return {};
}

Result<void> Observability::start(const ethdev::LiveRun& live, const Outputs& outputs,
                                  const config::Settings& settings) {
  live_ = &live;
  outputs_ = &outputs;
  settings_ = settings;
  auto telemetry = ethdev::Telemetry::offer(commands());
  if (!telemetry) return tl::unexpected(telemetry.error());
  telemetry_.emplace(std::move(*telemetry));
  if (server_) server_->answer([this] { return observe(); });
  return {};
}

void Observability::stop() noexcept {
  server_.reset();
  telemetry_.reset();
}

}  // namespace doorslam::app
