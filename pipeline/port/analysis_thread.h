#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/diagnose/analysis.h"
#include "pipeline/port/event_rings.h"
#include "pipeline/port/live_counters.h"
#include "pipeline/port/published.h"

namespace doorslam::port {

/// Where the analysis thread's readings go. Called on the analysis thread alone.
class ReadingSink {
 public:
  virtual ~ReadingSink() = default;
  /// Takes the readings that have become due, in the order of their judgement.
  virtual void take(const std::vector<diagnose::DiagnosedConnection>& readings) = 0;
  /// Packet time has come so far: nothing earlier follows.
  virtual void advance(flowtable::TimeNs watermark_ns) = 0;
  /// All packets that the ports lost so far.
  virtual void note_port_losses(std::uint64_t packets) = 0;
  /// Called now and then: what was written is to be passed on to whoever waits for it.
  virtual void flush() = 0;
};

/// Drains all workers' events, merges them by packet time behind the slowest worker, and judges.
///
/// Commands (a reload, reopening files) run between two rounds, on the same thread, so that nothing that belongs to
/// the analysis needs a lock.
///
/// What the analysis, the sink or a command throws ends the judging, not the program: from then on failed() is true,
/// and events are thrown away, so that no worker waits for room for ever.
class AnalysisThread {
 public:
  using Command = std::function<void(diagnose::Analysis&)>;

  /// Borrows everything; what is borrowed outlives the thread. `rings`: one for each worker.
  AnalysisThread(std::span<EventRings* const> rings, diagnose::Analysis& analysis, ReadingSink& sink);
  /// Stops as finish() does.
  ~AnalysisThread();

  /// Errors (data): there is no thread for it.
  Result<void> start();
  /// Packets were lost: the analysis and the sink are to know. `at_ports`: all that the ports lost so far. Thread-safe.
  void note_loss(const diagnose::CaptureLoss& loss, std::uint64_t at_ports);
  /// Runs `command` on the analysis thread, soon. Thread-safe.
  void post(Command command);
  /// The workers are ending their connections, all at `end_ns`: once all have come to that, judge what comes as it
  /// comes, in place of holding a million ends to order them. Not for captures, whose records are to be the same in
  /// every run.
  void judge_as_they_come(flowtable::TimeNs end_ns) noexcept { end_ns_.store(end_ns, std::memory_order_release); }
  /// All workers have ended: takes what is left in the rings, judges everything that waits, and ends the thread.
  void finish() noexcept;
  /// No more is judged, and none of the commands is run. Thread-safe.
  bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
  /// What it failed with; null: it has not. After finish().
  std::exception_ptr failure() const noexcept { return failure_; }

  AnalysisThreadCounters counters() const noexcept { return published_.read(); }
  /// Grows while the thread lives and takes what waits for it: the watchdog asks.
  std::uint64_t rounds() const noexcept { return rounds_.load(std::memory_order_relaxed); }

 private:
  /// A worker's end, and what of it must be taken out before the watermark may move.
  struct Source {
    EventRings* rings = nullptr;
    flowtable::TimeNs covered_ns = flowtable::kNoTime;
    std::uint64_t refusals_owed = 0;
    std::uint64_t served_owed = 0;
    tcp::EventBatch batch;
  };

  void run() noexcept;
  void judge();
  void discard() noexcept;
  void take_aim();
  static bool owes(const Source& source) noexcept;
  static bool has_waiting(const Source& source) noexcept;
  bool aims_ahead() const noexcept;
  bool round();
  void advance();
  void give_out();
  void run_commands();
  void publish();

  std::vector<Source> sources_;
  diagnose::Analysis& analysis_;
  ReadingSink& sink_;
  flowtable::TimeNs aim_ns_ = flowtable::kNoTime;  ///< the next watermark, once nothing is owed
  std::size_t held_ = 0;                           ///< events that the analysis holds until then
  bool advancing_ = false;                         ///< the analysis has not come to the watermark yet
  std::vector<diagnose::DiagnosedConnection> readings_;
  AnalysisThreadCounters counters_;
  Published<AnalysisThreadCounters> published_;
  std::atomic<std::uint64_t> rounds_{0};
  std::atomic<bool> finishing_{false};
  std::atomic<flowtable::TimeNs> end_ns_{kAllCovered};  ///< what comes from then on is judged as it comes
  std::atomic<bool> has_commands_{false};
  std::mutex commands_mutex_;
  std::vector<Command> commands_;
  std::exception_ptr failure_;  ///< set before failed_
  std::atomic<bool> failed_{false};
  std::jthread thread_;
};

}  // namespace doorslam::port
