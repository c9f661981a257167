#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/ecs_flow.h"
#include "pipeline/alert/evidence/evidence_writer.h"
#include "pipeline/alert/incident.h"
#include "pipeline/alert/report.h"
#include "pipeline/app/alert_feed.h"
#include "pipeline/app/command_line.h"
#include "pipeline/app/output_file.h"
#include "pipeline/base/notice.h"
#include "pipeline/base/result.h"
#include "pipeline/diagnose/diagnosis.h"
#include "pipeline/metrics/observation.h"
#include "pipeline/port/published.h"

namespace doorslam::app {

/// Where readings go: flow records, alerts, the store with its sinks, and the report for a person.
class Outputs {
 public:
  /// Opens what the command line and the settings ask for; `notice` hears of what goes wrong later on. Errors (data): a
  /// file cannot be created, the store not be used; (usage): a sink's files, or the folder for evidence, cannot.
  /// `hash_key`: a random one for live traffic.
  static Result<Outputs> open(const CommandLine& line, const config::Settings& settings, Notice notice,
                              const flowtable::HashKey& hash_key);

  /// Whether anybody reads of plainly served connections.
  bool wants_served() const noexcept { return flows_ || alerts_ || report_ || feed_; }

  /// Whether what was opened can be written with the rights that the process has now. Errors (usage): it cannot.
  Result<void> probe() const;
  void take(const std::vector<diagnose::DiagnosedConnection>& readings);
  /// Packet time has come so far: incidents that are due are updated and closed.
  void advance(flowtable::TimeNs now_ns);
  /// Writes down what came of the readings so far: alerts, store, sinks. Thread-safe.
  void observe(metrics::Observation& seen) const;
  /// Passes on what was written, and alerts whose evidence has been.
  void flush();
  /// The program is ending: files that nobody takes anything from are not waited for beyond `deadline`. Thread-safe.
  void give_up_at(std::chrono::steady_clock::time_point deadline) noexcept;
  /// Whether a file is waiting for somebody to take its records. Thread-safe.
  bool wait() const noexcept;
  /// What cannot be written now, and why: "flows cannot be written: No space left on device; ...". Empty: all can.
  /// Thread-safe.
  std::string trouble() const;
  /// How long a file operation has stood still; 0: none does. Thread-safe, and waits for nothing.
  std::chrono::steady_clock::duration hangs_for() const noexcept;
  /// In words, what would be lost if the program ended now. Thread-safe.
  std::string unsaved() const;
  /// Opens the files again by their names: they were moved away. Errors (data): some cannot be; their
  /// records go on to the old.
  Result<void> reopen();
  /// From now on with these thresholds of alerts and this content of records.
  void reconfigure(const config::Settings& settings);
  /// Packets lost at the ports so far: alerts tell.
  void note_port_drops(std::uint64_t total) { incidents_.note_port_drops(total); }
  /// The source has ended: closes the incidents and prints the report. Evidence is waited for until `latest`, and then
  /// for as long as one file comes after the other.
  void finish(const alert::CaptureSummary& summary,
              std::chrono::steady_clock::time_point latest = std::chrono::steady_clock::time_point::max());
  /// Tells what could not be written. False: something could not. Sinks are given the time that the
  /// settings allow, and none beyond `latest`.
  bool close(std::chrono::steady_clock::time_point latest = std::chrono::steady_clock::time_point::max());

 private:
  Outputs(const config::Settings& settings, Notice notice, const flowtable::HashKey& hash_key);
  void pass_on_events();
  void give_out_events();

  Notice notice_;
  alert::FlowEncoder flow_encoder_;
  alert::AlertEncoder alert_encoder_;
  alert::IncidentLog incidents_;
  std::vector<alert::AlertEvent> events_;
  metrics::AlertFigures figures_;
  std::unique_ptr<port::Published<metrics::AlertFigures>> published_figures_;
  std::optional<OutputFile> flows_;
  std::optional<OutputFile> alerts_;
  std::unique_ptr<AlertFeed> feed_;  ///< null: there is no store
  flowtable::DurationNs drain_ns_ = 0;
  std::unique_ptr<trace_files::EvidenceWriter> evidence_;  ///< null: there are no evidence files
  std::optional<alert::Report> report_;
};

}  // namespace doorslam::app
