#include "pipeline/app/alert_feed.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/ecs_record.h"

namespace doorslam::app {

using Clock = std::chrono::steady_clock;

Result<std::unique_ptr<AlertFeed>> AlertFeed::open(const AlertFeedOptions& options, Notice notice) {
  std::unique_ptr<AlertFeed> feed(new AlertFeed(options, std::move(notice)));
  auto store = store::AlertStore::open(options.store, feed->notice_);
  if (!store) return tl::unexpected(store.error());
  feed->store_ = std::move(*store);
  auto sinks = sink::Sinks::start(options.sinks, *feed->store_, feed->notice_);
  if (!sinks) return tl::unexpected(sinks.error());
  feed->sinks_ = std::move(*sinks);
  return feed;
}

AlertFeed::~AlertFeed() {
  if (sinks_) close(Clock::now());
}

void AlertFeed::put(store::Record record, std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  record.body = line;
  store_->append(std::move(record), options_.patience);
}

void AlertFeed::take(const alert::AlertEvent& event, std::string_view line) {
  store::Record record;
  record.kind = store::RecordKind::alert;
  record.id = alert::alert_id(event).text();
  record.time_ns = event.time_ns;
  record.cause = event.incident.cause;
  record.severity = alert::severity_of(event.incident);
  record.server = event.incident.server;
  put(std::move(record), line);
}

bool AlertFeed::wants(const diagnose::DiagnosedConnection& connection) const noexcept {
  if (options_.flows == StoredFlows::refused) return diagnose::is_refusal(connection.diagnosis.cause);
  return options_.flows == StoredFlows::all;
}

void AlertFeed::take(const diagnose::DiagnosedConnection& connection, std::string_view line) {
  store::Record record;
  record.kind = store::RecordKind::flow;
  record.id = alert::flow_id(connection.summary).text();
  record.time_ns = connection.summary.start_ns;
  record.cause = connection.diagnosis.cause;
  record.server = connection.summary.responder;
  put(std::move(record), line);
}

AlertFeedCounters AlertFeed::counters() const { return {store_->counters(), sinks_->counters()}; }

Clock::duration AlertFeed::hangs_for() const noexcept {
  return std::max<Clock::duration>(store_->busy_for(), sinks_->overdue_for());
}

std::string AlertFeed::unsaved() const {
  const AlertFeedCounters now = counters();
  const std::uint64_t missing = now.store.queued + now.store.overflowed + now.store.abandoned;
  std::string text;
  if (missing > 0) {
    text = fmt::format("{} records for the store {}", missing, options_.store.path.string());
  }
  for (const sink::SinkCounters& sink : now.sinks) {
    if (sink.behind == 0) continue;
    text += fmt::format("{}{} records for the sink {}, which are in the store", text.empty() ? "" : ", ", sink.behind,
                        sink.name);
  }
  return text;
}

bool AlertFeed::close(Clock::time_point deadline) {
  if (closed_) return true;
  closed_ = true;
  store_->flush(deadline);
  sinks_->stop(deadline);
  store_->close(deadline);
  for (const sink::SinkCounters& sink : sinks_->counters()) {
    if (sink.behind > 0) {
      notice_(NoticeLevel::warning,
              fmt::format("sink {}: {} records behind{}; they stay in the store and are sent by the next run",
                          sink.name, sink.behind, sink.trouble.empty() ? "" : " (" + sink.trouble + ")"));
    }
    if (sink.refused > 0) {
      notice_(NoticeLevel::warning, fmt::format("sink {}: {} records were refused for good", sink.name, sink.refused));
    }
  }
  const store::StoreCounters counters = store_->counters();
  const std::uint64_t missing = counters.overflowed + counters.abandoned;
  if (missing > 0) {
    notice_(NoticeLevel::error,
            fmt::format("{}: {} of {} records could not be stored and are lost, {} alerts at least",
                        options_.store.path.string(), missing, counters.offered, counters.overflowed_alerts));
  }
  return missing == 0;
}

}  // namespace doorslam::app
