#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "pipeline/alert/evidence/evidence_folder.h"
#include "pipeline/alert/incident.h"
#include "pipeline/base/notice.h"
#include "pipeline/base/result.h"

namespace doorslam::trace_files {

struct EvidenceWriterOptions {
  using Milliseconds = std::chrono::milliseconds;

  /// How long an alert waits for its file. A capture can wait for as long as it takes; a link cannot.
  Milliseconds patience = Milliseconds::max();
  /// How long, at the end, files may take once the time for the end is over, if one comes after the other.
  Milliseconds last_patience = std::chrono::seconds(2);
  /// Alerts; those beyond name no file. To be more than come at once: at the end, every incident tells something.
  std::size_t most_waiting = 4096;
};

/// Writes the evidence of alerts on a thread of its own, so that a slow disk, or one that hangs, holds up nobody.
///
/// Theory of operation. Alerts come in, each waits here for its file, and they leave in the order in which they came:
/// an alert that names a file finds it there, whole. Those that would wait longer than they may leave without, counted
/// as late; the file may still come to be, and the incident's next alert names it then. The thread borrows an alert
/// while it writes, and lets go of nothing: the alert's frames are memory of the one who gave it. What the thread
/// cannot be waited for at the end is left to it.
///
/// One thread calls exchange(), drain() and reconfigures; counters() is thread-safe.
class EvidenceWriter {
 public:
  using Clock = std::chrono::steady_clock;

  /// As EvidenceFolder::open(), with which it begins. `notice` hears, besides, when files take too long, and when they
  /// no longer do.
  static Result<std::unique_ptr<EvidenceWriter>> open(const EvidenceFolderOptions& folder,
                                                      const EvidenceWriterOptions& options, Notice notice);
  /// Waits for what is being written only where drain() did not give up.
  ~EvidenceWriter();
  EvidenceWriter(const EvidenceWriter&) = delete;
  EvidenceWriter& operator=(const EvidenceWriter&) = delete;

  /// Takes the alerts, and puts in their place those, earlier ones first, that are ready: they name their file, if
  /// there is one, and have no frames any more. With endless patience these are all that were ever given.
  void exchange(std::vector<alert::AlertEvent>& alerts);
  /// Appends all that are still here. Waits for their files until `deadline`, and for `last_patience` beyond it as long
  /// as one comes after the other; what is not written by then, never will be.
  void drain(std::vector<alert::AlertEvent>& alerts, Clock::time_point deadline);

  /// From the next alert on with or without payload; what was written stays.
  void show_payload(bool payload) noexcept { payload_ = payload; }
  /// Whether the folder can be written with the rights that the process has now. Errors (usage): it cannot.
  Result<void> probe() const;
  EvidenceFileCounters counters() const;

 private:
  struct Job;
  struct Desk;

  EvidenceWriter(std::shared_ptr<Desk> desk, const EvidenceFolderOptions& folder, const EvidenceWriterOptions& options);
  static void work(Desk& desk);
  static std::vector<std::string> write_files(EvidenceFolder& folder, const std::vector<Job*>& jobs);
  bool endlessly_patient() const noexcept { return options_.patience == EvidenceWriterOptions::Milliseconds::max(); }
  void submit(alert::AlertEvent&& alert, Clock::time_point due);
  bool hand_back(std::vector<alert::AlertEvent>& out);
  bool all_written() const noexcept;
  void tell(bool late);

  const EvidenceWriterOptions options_;
  const std::filesystem::path folder_;
  bool payload_;
  std::shared_ptr<Desk> desk_;              ///< what both threads see
  std::deque<std::unique_ptr<Job>> jobs_;   ///< alerts that have not left, in order
  std::vector<std::unique_ptr<Job>> late_;  ///< of alerts that have left, and whose files the thread has yet to write
  bool in_trouble_ = false;
  std::jthread thread_;
};

}  // namespace doorslam::trace_files
