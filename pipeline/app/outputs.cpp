#include "pipeline/app/outputs.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "config/options.h"

namespace doorslam::app {

using diagnose::DiagnosedConnection;

Outputs::Outputs(const config::Settings& settings)
    : flow_encoder_(config::encoder_options(settings, DOORSLAM_VERSION)),
      alert_encoder_(config::encoder_options(settings, DOORSLAM_VERSION)),
      incidents_(config::incident_options(settings)) {}

Result<Outputs> Outputs::open(const CommandLine& line, const config::Settings& settings) {
  Outputs outputs(settings);
  if (!line.flows.empty()) {
    auto file = OutputFile::open(line.flows);
    if (!file) return tl::unexpected(file.error());
    outputs.flows_.emplace(std::move(*file));
  }
  if (!line.alerts.empty()) {
    auto file = OutputFile::open(line.alerts);
    if (!file) return tl::unexpected(file.error());
    outputs.alerts_.emplace(std::move(*file));
  }
  if (!line.quiet) {
    const bool colour = isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr;
    outputs.report_.emplace(alert::ReportOptions{.colour = colour});
  }
  return outputs;
}

void Outputs::take(const std::vector<DiagnosedConnection>& readings) {
  const bool wants_incidents = alerts_ || report_;
  for (const DiagnosedConnection& reading : readings) {
    if (flows_) flows_->write(flow_encoder_.encode(reading));
    if (report_) report_->observe(reading);
    if (wants_incidents) incidents_.observe(reading, events_);
  }
  pass_on_events();
}

void Outputs::finish(const alert::CaptureSummary& summary) {
  incidents_.finish(events_);
  pass_on_events();
  if (!report_) return;
  const std::string text = report_->render(summary);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

bool Outputs::close() {
  bool complete = true;
  for (std::optional<OutputFile>* file : {&flows_, &alerts_}) {
    if (!*file) continue;
    if (const auto closed = (*file)->close(); !closed) {
      fmt::print(stderr, "doorslam: {}\n", closed.error().message);
      complete = false;
    }
  }
  if (!report_) return complete;
  if (const auto flushed = flush_standard_output(); !flushed) {
    fmt::print(stderr, "doorslam: {}\n", flushed.error().message);
    complete = false;
  }
  return complete;
}

void Outputs::pass_on_events() {
  for (const alert::AlertEvent& event : events_) {
    if (alerts_) alerts_->write(alert_encoder_.encode(event));
    if (report_) report_->observe(event);
  }
  events_.clear();
}

}  // namespace doorslam::app
