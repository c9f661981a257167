#pragma once

#include <memory>

#include "pipeline/base/result.h"
#include "pipeline/metrics/listen_address.h"
#include "pipeline/metrics/observation.h"

namespace doorslam::metrics {

/// Answers `GET /metrics` in Prometheus' text format with what is observed at that time. Threads of its own; no
/// authentication: it is for the loopback, or a network that only the collector reaches.
class MetricsServer {
 public:
  /// Takes the address; until answer() there is nothing to tell. Errors (data): it cannot be listened on.
  static Result<std::unique_ptr<MetricsServer>> listen(const ListenAddress& address);
  ~MetricsServer();

  /// To be called once. From now on `observe` is called by the server's threads, until the destructor has returned.
  void answer(Observe observe);

 private:
  class Impl;
  explicit MetricsServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace doorslam::metrics
