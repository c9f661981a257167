#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/base/descriptor.h"
#include "pipeline/base/result.h"

namespace doorslam::app {

/// A connection to the telemetry socket of a running doorslam.
class TelemetryClient {
 public:
  using Json = nlohmann::json;

  /// The doorslam whose DPDK file prefix is `file_prefix` (one without huge pages appends its process number to it);
  /// empty: the only one that runs. Looks below `folders`. Errors: (data) none runs, or it may not be asked;
  /// (usage) several do.
  static Result<TelemetryClient> find(const std::string& file_prefix,
                                      const std::vector<std::filesystem::path>& folders = runtime_folders());
  /// Where DPDK puts sockets: of the service, of root, and of other users.
  static std::vector<std::filesystem::path> runtime_folders();

  /// The answer to "/doorslam/stats" and the like: an object. Errors (data): there is none within some seconds.
  Result<Json> ask(const std::string& command) const;
  /// The file prefix under which it was found.
  const std::string& prefix() const noexcept { return prefix_; }

 private:
  TelemetryClient(Descriptor socket, std::string prefix) : socket_(std::move(socket)), prefix_(std::move(prefix)) {}
  /// errno where it cannot be connected to.
  static tl::expected<TelemetryClient, int> connect(const std::filesystem::path& socket);

  Descriptor socket_;
  std::string prefix_;
};

}  // namespace doorslam::app
