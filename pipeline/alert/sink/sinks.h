#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "pipeline/alert/sink/clickhouse_receiver.h"
#include "pipeline/alert/sink/elastic_receiver.h"
#include "pipeline/alert/sink/file_receiver.h"
#include "pipeline/alert/sink/kafka_receiver.h"
#include "pipeline/alert/sink/sink_runner.h"
#include "pipeline/alert/sink/splunk_receiver.h"
#include "pipeline/alert/sink/syslog_receiver.h"
#include "pipeline/alert/store/alert_store.h"

namespace doorslam::sink {

struct SinkOptions {
  RunnerOptions runner;
  std::variant<FileOptions, SyslogOptions, ElasticOptions, SplunkOptions, ClickHouseOptions, KafkaOptions> receiver;
};

/// All sinks of a store. thread-safe.
class Sinks {
 public:
  /// Errors (usage): a sink's files are not usable; (data): the store cannot be read.
  static Result<std::unique_ptr<Sinks>> start(const std::vector<SinkOptions>& options, store::AlertStore& store,
                                              const Notice& notice);
  ~Sinks();

  /// Ends each sink once it has sent what the store holds, but not later than `deadline`. True: all has arrived.
  bool stop(Clock::time_point deadline);
  /// How long one that was to stop where it is has not; 0: none. Waits for nothing.
  Clock::duration overdue_for() const noexcept;
  /// Log rotation: files are opened anew.
  void reopen() noexcept;
  std::vector<SinkCounters> counters() const;

 private:
  Sinks() = default;
  std::vector<std::unique_ptr<SinkRunner>> runners_;
};

}  // namespace doorslam::sink
