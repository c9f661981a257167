#include "pipeline/app/read_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "config/loader.h"
#include "config/options.h"
#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/ecs_flow.h"
#include "pipeline/alert/incident.h"
#include "pipeline/alert/report.h"
#include "pipeline/app/engine.h"
#include "pipeline/app/output_file.h"
#include "pipeline/app/progress.h"
#include "pipeline/diagnose/signature_file.h"

namespace doorslam::app {

namespace {

using diagnose::DiagnosedConnection;

/// The signatures and what scans with them.
class WordReader {
 public:
  static Result<WordReader> open(std::vector<std::filesystem::path> paths) {
    auto database = diagnose::SignatureDatabase::load(paths, diagnose::default_cache_directory());
    if (!database) return tl::unexpected(database.error());
    auto scanner = diagnose::SignatureScanner::create(*database);
    if (!scanner) return tl::unexpected(scanner.error());
    return WordReader(std::move(*scanner));
  }

  diagnose::SignatureScanner* scanner() { return &scanner_; }

 private:
  explicit WordReader(diagnose::SignatureScanner scanner) : scanner_(std::move(scanner)) {}

  diagnose::SignatureScanner scanner_;
};

/// Where readings go: records, alerts, report.
class Outputs {
 public:
  static Result<Outputs> open(const CommandLine& line, const config::Settings& settings) {
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
    outputs.wants_incidents_ = outputs.alerts_ || outputs.report_;
    return outputs;
  }

  void take(const std::vector<DiagnosedConnection>& readings) {
    for (const DiagnosedConnection& reading : readings) {
      if (flows_) flows_->write(flow_encoder_.encode(reading));
      if (report_) report_->observe(reading);
      if (wants_incidents_) incidents_.observe(reading, events_);
    }
    pass_on_events();
  }

  void finish(const alert::CaptureSummary& summary) {
    incidents_.finish(events_);
    pass_on_events();
    if (!report_) return;
    const std::string text = report_->render(summary);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }

  /// Says on standard error what could not be written. False: something could not.
  bool close() {
    bool complete = true;
    for (std::optional<OutputFile>* file : {&flows_, &alerts_}) {
      if (!*file) continue;
      if (const auto closed = (*file)->close(); !closed) {
        fmt::print(stderr, "doorslam: {}\n", closed.error().message);
        complete = false;
      }
    }
    if (std::fflush(stdout) != 0) {
      fmt::print(stderr, "doorslam: standard output could not be written\n");
      complete = false;
    }
    return complete;
  }

 private:
  explicit Outputs(const config::Settings& settings)
      : flow_encoder_(config::encoder_options(settings, DOORSLAM_VERSION)),
        alert_encoder_(config::encoder_options(settings, DOORSLAM_VERSION)),
        incidents_(config::incident_options(settings)) {}

  void pass_on_events() {
    for (const alert::AlertEvent& event : events_) {
      if (alerts_) alerts_->write(alert_encoder_.encode(event));
      if (report_) report_->observe(event);
    }
    events_.clear();
  }

  alert::FlowEncoder flow_encoder_;
  alert::AlertEncoder alert_encoder_;
  alert::IncidentLog incidents_;
  std::vector<alert::AlertEvent> events_;
  std::optional<OutputFile> flows_;
  std::optional<OutputFile> alerts_;
  std::optional<alert::Report> report_;
  bool wants_incidents_ = false;
};

alert::CaptureSummary summarize(const CommandLine& line, const port::CaptureSource& source, const Engine& engine) {
  alert::CaptureSummary summary;
  summary.captures = line.captures;
  const packet::DecodeCounters decoded = engine.decode_counters();
  summary.packets = source.statistics().packets;
  summary.used = decoded.of(packet::DecodeOutcome::tcp) + decoded.of(packet::DecodeOutcome::icmp_error);
  for (std::size_t i = 0; i < packet::kDecodeOutcomeCount; ++i) {
    const auto outcome = static_cast<packet::DecodeOutcome>(i);
    if (outcome == packet::DecodeOutcome::tcp || outcome == packet::DecodeOutcome::icmp_error) continue;
    summary.not_used.emplace_back(std::string(name_of(outcome)), decoded.packets[i]);
  }
  summary.first_ns = engine.first_ns();
  summary.last_ns = engine.last_ns();
  const port::CaptureStatistics& times = source.statistics();
  if (times.time_reversals > 0) {
    summary.warnings.push_back(
        fmt::format("{} packets were earlier than the one before them (by up to {:.6f} s); they "
                    "were taken at the later time",
                    times.time_reversals, static_cast<double>(times.largest_reversal_ns) / 1e9));
  }
  if (times.packets_without_time > 0) {
    summary.warnings.push_back(fmt::format("{} packets had no sensible time", times.packets_without_time));
  }
  if (decoded.tcp_checksum_bad > 0) {
    summary.warnings.push_back(
        fmt::format("{} TCP segments had a wrong checksum and were only noted; if the capture was "
                    "made on one of the ends, -C takes them",
                    decoded.tcp_checksum_bad));
  }
  for (const Error& error : source.errors()) summary.warnings.push_back(error.message);
  return summary;
}

Result<config::Settings> settings_of(const CommandLine& line) {
  std::optional<std::filesystem::path> file;
  if (!line.config_file.empty()) file = line.config_file;
  std::vector<std::string> overrides = line.settings;
  if (line.ignore_checksums) overrides.emplace_back("decode.verify_checksums=false");
  if (line.workers) overrides.push_back(fmt::format("workers={}", *line.workers));
  return config::load_settings(file, overrides);
}

}  // namespace

Result<int> read_captures(const CommandLine& line) {
  auto settings = settings_of(line);
  if (!settings) return tl::unexpected(settings.error());
  auto words = WordReader::open(config::signature_paths(*settings));
  if (!words) return tl::unexpected(words.error());
  port::CaptureSource source = port::CaptureSource::open(line.captures);
  for (const Error& error : source.errors()) fmt::print(stderr, "doorslam: {}\n", error.message);
  if (source.files_opened() == 0) return 1;
  const std::size_t errors_told = source.errors().size();
  auto outputs = Outputs::open(line, *settings);
  if (!outputs) return tl::unexpected(outputs.error());

  const auto engine = Engine::make(EngineOptions{.workers = static_cast<std::size_t>(settings->number("workers")),
                                                 .decode = config::decode_options(*settings),
                                                 .tracker = config::tracker_options(*settings)});
  diagnose::Analysis analysis(config::analysis_options(*settings), [&words] { return words->scanner(); });
  Progress progress(!line.quiet && isatty(STDERR_FILENO) != 0);
  std::vector<DiagnosedConnection> readings;
  while (engine->step(source, analysis, readings)) {
    outputs->take(readings);
    readings.clear();
    const port::CaptureProgress at = source.progress();
    progress.show(at.octets_read, at.octets_total, source.statistics().packets);
  }
  engine->finish(analysis, readings);
  outputs->take(readings);
  progress.clear();
  outputs->finish(summarize(line, source, *engine));
  for (std::size_t i = errors_told; i < source.errors().size(); ++i) {
    fmt::print(stderr, "doorslam: {}\n", source.errors()[i].message);
  }
  const bool complete = outputs->close();
  return complete && source.errors().empty() ? 0 : 1;
}

}  // namespace doorslam::app
