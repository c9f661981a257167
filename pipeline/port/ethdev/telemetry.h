#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"

namespace doorslam::ethdev {

/// A command that DPDK's telemetry socket answers (dpdk-telemetry.py).
struct TelemetryCommand {
  using Json = nlohmann::ordered_json;

  std::string name;  ///< "/doorslam/stats"
  std::string help;  ///< at most 63 characters
  /// Gets what the user wrote after "/doorslam/stats,", maybe nothing. Returns an object; its values may be whole
  /// numbers from 0 on, texts, lists of them, and objects of numbers, texts and lists. Null: there is no answer.
  /// Called on DPDK's threads, one call at a time.
  std::function<Json(std::string_view parameter)> answer;
};

/// Offers commands until it is destroyed. One at a time in a process. DPDK cannot take a command back: asked
/// afterwards, it answers null.
class Telemetry {
 public:
  /// Needs a running Eal. Errors (data): DPDK refused a command.
  static Result<Telemetry> offer(std::vector<TelemetryCommand> commands);

  Telemetry(Telemetry&& other) noexcept;
  Telemetry& operator=(Telemetry&&) = delete;
  /// Waits for an answer that is being made.
  ~Telemetry();

 private:
  Telemetry() = default;
  bool offers_ = true;
};

}  // namespace doorslam::ethdev
