#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/alert/incident.h"
#include "pipeline/alert/sink/sinks.h"
#include "pipeline/alert/store/alert_store.h"
#include "pipeline/base/notice.h"
#include "pipeline/base/result.h"
#include "pipeline/diagnose/diagnosis.h"

namespace doorslam::app {

enum class StoredFlows : std::uint8_t { none, refused, all };

struct AlertFeedOptions {
  store::StoreOptions store;
  std::vector<sink::SinkOptions> sinks;
  StoredFlows flows = StoredFlows::none;
  /// A capture can wait for a slow disk; a link cannot.
  std::chrono::milliseconds patience{0};
};

struct AlertFeedCounters {
  store::StoreCounters store;
  std::vector<sink::SinkCounters> sinks;
};

/// From the analysis to the sinks, by way of the store. take() belongs to one thread, the analysis'; all else is
/// thread-safe.
class AlertFeed {
 public:
  /// Opens the store and starts the sinks. Errors (data): the store cannot be used; (usage): a sink's files cannot.
  static Result<std::unique_ptr<AlertFeed>> open(const AlertFeedOptions& options, Notice notice);
  ~AlertFeed();

  /// `line` is the event as ECS, with or without its '\n'.
  void take(const alert::AlertEvent& event, std::string_view line);
  /// Whether take() wants the flow record of this connection.
  bool wants(const diagnose::DiagnosedConnection& connection) const noexcept;
  void take(const diagnose::DiagnosedConnection& connection, std::string_view line);

  /// Log rotation: sinks open their files anew.
  void reopen() noexcept { sinks_->reopen(); }
  AlertFeedCounters counters() const;
  /// How long a write to the store has taken, or a sink has not stopped that was to. Waits for nothing.
  std::chrono::steady_clock::duration hangs_for() const noexcept;
  /// Alerts and flow records that are not in the store yet, and those that sinks have yet to send, in words; empty:
  /// there are none.
  std::string unsaved() const;
  /// Writes what is queued and lets the sinks send what the store holds, until `deadline`; then tells what is left.
  /// True: every record is in the store (whether or not the sinks have sent it: they go on with the next start).
  bool close(std::chrono::steady_clock::time_point deadline);

 private:
  AlertFeed(const AlertFeedOptions& options, Notice notice) : options_(options), notice_(std::move(notice)) {}
  void put(store::Record record, std::string_view line);

  const AlertFeedOptions options_;
  const Notice notice_;
  std::unique_ptr<store::AlertStore> store_;
  std::unique_ptr<sink::Sinks> sinks_;  ///< gone before the store
  bool closed_ = false;
};

}  // namespace doorslam::app
