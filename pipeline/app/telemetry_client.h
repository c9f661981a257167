#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

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

  TelemetryClient(TelemetryClient&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), prefix_(std::move(other.prefix_)) {}
  TelemetryClient& operator=(TelemetryClient&&) = delete;
  ~TelemetryClient();

  /// The answer to "/doorslam/stats" and the like: an object. Errors (data): there is none within some seconds.
  Result<Json> ask(const std::string& command) const;
  /// The file prefix under which it was found.
  const std::string& prefix() const noexcept { return prefix_; }

 private:
  TelemetryClient(int descriptor, std::string prefix) : descriptor_(descriptor), prefix_(std::move(prefix)) {}
  /// errno where it cannot be connected to.
  static tl::expected<TelemetryClient, int> connect(const std::filesystem::path& socket);

  int descriptor_;
  std::string prefix_;
};

}  // namespace doorslam::app
