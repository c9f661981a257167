#include "pipeline/app/outputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "config/options.h"
#include "pipeline/app/feed_options.h"
#include "pipeline/base/text.h"

namespace doorslam::app {

using diagnose::DiagnosedConnection;

namespace {

using Clock = std::chrono::steady_clock;

/// An alert of a live link waits so long for its evidence file.
constexpr std::chrono::seconds kLivePatience{5};
/// A disk under load takes a second or two.
constexpr Clock::duration kLongCommit = std::chrono::seconds(5);

/// A file, or who reads a pipe, gets whole lines of packets; a terminal what it can show in a line.
alert::ReportOptions report_options() {
  alert::ReportOptions options;
  if (isatty(STDOUT_FILENO) == 0) return options;
  options.colour = std::getenv("NO_COLOR") == nullptr;
  winsize screen{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &screen) == 0 && screen.ws_col != 0) {
    options.screen = std::max<std::size_t>(screen.ws_col, 80);
    options.width = std::min(options.screen, alert::kPageColumns);
  }
  return options;
}

alert::IncidentOptions keyed(alert::IncidentOptions options, const flowtable::HashKey& hash_key) {
  options.hash_key = hash_key;
  return options;
}

}  // namespace

Outputs::Outputs(const config::Settings& settings, Notice notice, const flowtable::HashKey& hash_key)
    : notice_(std::move(notice)),
      flow_encoder_(config::encoder_options(settings, DOORSLAM_VERSION)),
      alert_encoder_(config::encoder_options(settings, DOORSLAM_VERSION)),
      incidents_(keyed(config::incident_options(settings), hash_key)),
      published_figures_(std::make_unique<port::Published<metrics::AlertFigures>>()) {}

Result<Outputs> Outputs::open(const CommandLine& line, const config::Settings& settings, Notice notice,
                              const flowtable::HashKey& hash_key) {
  Outputs outputs(settings, std::move(notice), hash_key);
  // A capture read again gives the same records again; what a live link showed does not come twice.
  const auto mode = line.command == CommandLine::Command::run ? OutputFile::Mode::append : OutputFile::Mode::overwrite;
  if (!line.flows.empty()) {
    auto file = OutputFile::open(line.flows, mode, outputs.notice_);
    if (!file) return tl::unexpected(file.error());
    outputs.flows_.emplace(std::move(*file));
  }
  if (!line.alerts.empty()) {
    auto file = OutputFile::open(line.alerts, mode, outputs.notice_);
    if (!file) return tl::unexpected(file.error());
    outputs.alerts_.emplace(std::move(*file));
  }
  if (const auto options = config::evidence_options(settings, DOORSLAM_VERSION); !options.folder.empty()) {
    trace_files::EvidenceWriterOptions how;
    if (line.command == CommandLine::Command::run) how.patience = kLivePatience;
    how.most_waiting = std::max(how.most_waiting, 4 * static_cast<std::size_t>(settings.number("alerts.max_open")));
    auto writer = trace_files::EvidenceWriter::open(options, how, outputs.notice_);
    if (!writer) return tl::unexpected(writer.error());
    outputs.evidence_ = std::move(*writer);
  }
  if (!settings.text("store.path").empty()) {
    const auto options = feed_options(line, settings);
    if (!options) return tl::unexpected(options.error());
    auto feed = AlertFeed::open(*options, outputs.notice_);
    if (!feed) return tl::unexpected(feed.error());
    outputs.feed_ = std::move(*feed);
    outputs.drain_ns_ = settings.number("store.drain_seconds");
    // A service has to end within the time that it is given; what is left goes with the next start.
    constexpr flowtable::DurationNs kLiveDrain = 3 * flowtable::kSecondNs;
    if (line.command == CommandLine::Command::run) outputs.drain_ns_ = std::min(outputs.drain_ns_, kLiveDrain);
  }
  if (!line.quiet && line.command == CommandLine::Command::read) {
    outputs.report_.emplace(report_options());
  }
  return outputs;
}

Result<void> Outputs::probe() const { return evidence_ ? evidence_->probe() : Result<void>(); }

void Outputs::take(const std::vector<DiagnosedConnection>& readings) {
  const bool wants_incidents = alerts_ || report_ || feed_ || evidence_;
  for (const DiagnosedConnection& reading : readings) {
    const bool feeds = feed_ && feed_->wants(reading);
    if (flows_ || feeds) {
      const std::string_view record = flow_encoder_.encode(reading);
      if (flows_) flows_->write(record);
      if (feeds) feed_->take(reading, record);
    }
    if (report_) report_->observe(reading);
    if (wants_incidents) incidents_.observe(reading, events_);
  }
  pass_on_events();
}

void Outputs::advance(flowtable::TimeNs now_ns) {
  if (!alerts_ && !report_ && !feed_ && !evidence_) return;
  incidents_.advance(now_ns, events_);
  pass_on_events();
}

void Outputs::observe(metrics::Observation& seen) const {
  seen.alerts = published_figures_->read();
  const auto observe_file = [&seen](const char* name, const std::optional<OutputFile>& file) {
    if (!file) return;
    const OutputCounters counters = file->counters();
    seen.outputs.push_back({name, counters.records, counters.missing, counters.waiting, file->trouble()});
  };
  observe_file("flows", flows_);
  observe_file("alerts", alerts_);
  if (evidence_) seen.evidence = evidence_->counters();
  if (!feed_) return;
  AlertFeedCounters counters = feed_->counters();
  seen.store = counters.store;
  seen.store->failing |= feed_->hangs_for() >= kLongCommit;
  seen.sinks = std::move(counters.sinks);
}

void Outputs::flush() {
  if (evidence_) pass_on_events();
  for (std::optional<OutputFile>* file : {&flows_, &alerts_}) {
    if (*file) (*file)->flush();
  }
}

void Outputs::give_up_at(std::chrono::steady_clock::time_point deadline) noexcept {
  for (std::optional<OutputFile>* file : {&flows_, &alerts_}) {
    if (*file) (*file)->give_up_at(deadline);
  }
}

bool Outputs::wait() const noexcept { return (flows_ && flows_->waits()) || (alerts_ && alerts_->waits()); }

std::string Outputs::trouble() const {
  std::vector<std::string> troubles;
  for (const auto& [name, file] : {std::pair("flows", &flows_), std::pair("alerts", &alerts_)}) {
    if (!*file) continue;
    if (const std::string trouble = (*file)->trouble(); !trouble.empty()) {
      troubles.push_back(fmt::format("{} {}", name, trouble));
    }
  }
  if (feed_ && feed_->counters().store.failing) troubles.emplace_back("the store cannot be written");
  if (const auto hangs_for = feed_ ? feed_->hangs_for() : Clock::duration::zero(); hangs_for >= kLongCommit) {
    troubles.push_back(fmt::format("the store has hung for {} s",
                                   std::chrono::duration_cast<std::chrono::seconds>(hangs_for).count()));
  }
  return fmt::format("{}", fmt::join(troubles, "; "));
}

std::chrono::steady_clock::duration Outputs::hangs_for() const noexcept {
  std::chrono::steady_clock::duration longest{};
  for (const std::optional<OutputFile>* file : {&flows_, &alerts_}) {
    // One that waits for its reader has been told when to give up.
    if (*file && !(*file)->waits()) longest = std::max(longest, (*file)->busy_for());
  }
  return feed_ ? std::max(longest, feed_->hangs_for()) : longest;
}

std::string Outputs::unsaved() const {
  std::vector<std::string> parts;
  for (const auto& [name, file] : {std::pair("flows", &flows_), std::pair("alerts", &alerts_)}) {
    if (!*file) continue;
    const OutputCounters counters = (*file)->counters();
    const std::uint64_t octets = (*file)->busy_for() > std::chrono::seconds(0) ? counters.in_hand : counters.waiting;
    if (octets > 0) parts.push_back(fmt::format("{} octets of {} in hand and all that come behind them", octets, name));
    if (counters.missing > 0) parts.push_back(fmt::format("{} records of {}", counters.missing, name));
  }
  if (std::string feed = feed_ ? feed_->unsaved() : std::string(); !feed.empty()) parts.push_back(std::move(feed));
  if (evidence_ && evidence_->counters().waiting > 0) {
    parts.push_back(fmt::format("{} alerts that wait for their evidence", evidence_->counters().waiting));
  }
  return parts.empty() ? "nothing that is known" : fmt::format("{}", fmt::join(parts, ", "));
}

Result<void> Outputs::reopen() {
  if (feed_) feed_->reopen();
  // One that cannot be opened keeps no other on a file that is about to be compressed and dropped.
  std::string trouble;
  for (std::optional<OutputFile>* file : {&flows_, &alerts_}) {
    if (!*file) continue;
    if (const auto reopened = (*file)->reopen(); !reopened) {
      trouble += (trouble.empty() ? "" : "; ") + reopened.error().message;
    }
  }
  if (!trouble.empty()) return data_error(std::move(trouble));
  return {};
}

void Outputs::reconfigure(const config::Settings& settings) {
  flow_encoder_ = alert::FlowEncoder(config::encoder_options(settings, DOORSLAM_VERSION));
  alert_encoder_ = alert::AlertEncoder(config::encoder_options(settings, DOORSLAM_VERSION));
  incidents_.reconfigure(config::incident_options(settings));
  if (evidence_) evidence_->show_payload(config::evidence_options(settings, {}).file.payload);
}

void Outputs::finish(const alert::CaptureSummary& summary, std::chrono::steady_clock::time_point latest) {
  incidents_.finish(events_);
  pass_on_events();
  if (evidence_) evidence_->drain(events_, latest);
  give_out_events();
  if (!report_) return;
  flush();  // both may go to standard output
  alert::CaptureSummary told = summary;
  if (const std::uint64_t expected = incidents_.expected_refusals(); expected > 0) {
    told.warnings.push_back(fmt::format("{} expected (alerts.expected): in no incident below",
                                        expected == 1 ? "1 refusal was" : fmt::format("{} refusals were", expected)));
  }
  const std::string text = report_->render(told);
  std::fwrite(text.data(), 1, text.size(), stdout);
}

bool Outputs::close(std::chrono::steady_clock::time_point latest) {
  bool complete = true;
  if (evidence_) {
    const trace_files::EvidenceFileCounters evidence = evidence_->counters();
    if (evidence.failed > 0) {
      notice_(NoticeLevel::error, fmt::format("evidence: {} could not be written",
                                              counted(evidence.failed, "time a file", "times a file")));
    }
    if (evidence.late > 0) {
      notice_(NoticeLevel::error, fmt::format("evidence: {} no file, which would have taken too long",
                                              counted(evidence.late, "alert names", "alerts name")));
    }
    complete = evidence.failed + evidence.late == 0;
  }
  for (std::optional<OutputFile>* file : {&flows_, &alerts_}) {
    if (!*file) continue;
    if (const auto closed = (*file)->close(); !closed) {
      notice_(NoticeLevel::error, closed.error().message);
      complete = false;
    }
  }
  if (feed_) {
    const auto allowed = std::chrono::steady_clock::now() + std::chrono::nanoseconds(drain_ns_);
    complete = feed_->close(std::min(allowed, latest)) && complete;
  }
  if (!report_) return complete;
  if (const auto flushed = flush_standard_output(); !flushed) {
    notice_(NoticeLevel::error, flushed.error().message);
    complete = false;
  }
  return complete;
}

/// An alert's file is there before anybody hears of it.
void Outputs::pass_on_events() {
  if (evidence_) evidence_->exchange(events_);
  give_out_events();
}

void Outputs::give_out_events() {
  for (const alert::AlertEvent& event : events_) {
    if (alerts_ || feed_) {
      const std::string_view record = alert_encoder_.encode(event);
      if (alerts_) alerts_->write(record);
      if (feed_) feed_->take(event, record);
    }
    if (report_) report_->observe(event);
    ++figures_.events[static_cast<std::size_t>(event.action)];
  }
  const std::uint64_t open = incidents_.open_count();
  if (!events_.empty() || open != figures_.open) {
    figures_.open = open;
    published_figures_->publish(figures_);
  }
  events_.clear();
}

}  // namespace doorslam::app
