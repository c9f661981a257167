#include "pipeline/alert/sink/sinks.h"

namespace doorslam::sink {

namespace {

Result<std::unique_ptr<Receiver>> make(const FileOptions& options) { return make_file_receiver(options); }
Result<std::unique_ptr<Receiver>> make(const SyslogOptions& options) { return make_syslog_receiver(options); }
Result<std::unique_ptr<Receiver>> make(const ElasticOptions& options) { return make_elastic_receiver(options); }
Result<std::unique_ptr<Receiver>> make(const SplunkOptions& options) { return make_splunk_receiver(options); }
Result<std::unique_ptr<Receiver>> make(const ClickHouseOptions& options) { return make_clickhouse_receiver(options); }
Result<std::unique_ptr<Receiver>> make(const KafkaOptions& options) { return make_kafka_receiver(options); }

}  // namespace

Result<std::unique_ptr<Sinks>> Sinks::start(const std::vector<SinkOptions>& options, store::AlertStore& store,
                                            const Notice& notice) {
  std::unique_ptr<Sinks> sinks(new Sinks);
  for (const SinkOptions& one : options) {
    auto receiver = std::visit([](const auto& target) { return make(target); }, one.receiver);
    if (!receiver) {
      Error error = receiver.error();
      error.message = "sink " + one.runner.name + ": " + error.message;
      return tl::unexpected(std::move(error));
    }
    sinks->runners_.push_back(std::make_unique<SinkRunner>(one.runner, std::move(*receiver), store, notice));
  }
  for (const auto& runner : sinks->runners_) {
    if (auto started = runner->start(); !started) return tl::unexpected(started.error());
  }
  return sinks;
}

Sinks::~Sinks() { stop(Clock::now()); }

bool Sinks::stop(Clock::time_point deadline) {
  for (const auto& runner : runners_) runner->finish();
  // All are asked before any is waited for: one in trouble looks only now and then whether it is to stop.
  for (const auto& runner : runners_) runner->end_by(deadline);
  bool complete = true;
  for (const auto& runner : runners_) complete = runner->join(deadline) && complete;
  return complete;
}

Clock::duration Sinks::overdue_for() const noexcept {
  Clock::duration longest{};
  for (const auto& runner : runners_) longest = std::max(longest, runner->overdue_for());
  return longest;
}

void Sinks::reopen() noexcept {
  for (const auto& runner : runners_) runner->reopen();
}

std::vector<SinkCounters> Sinks::counters() const {
  std::vector<SinkCounters> all;
  for (const auto& runner : runners_) all.push_back(runner->counters());
  return all;
}

}  // namespace doorslam::sink
