#pragma once

#include <array>
#include <string>
#include <string_view>

#include "pipeline/port/live_counters.h"

/// Names that metrics and telemetry answers share.
namespace doorslam::metrics {

/// By alert::AlertAction.
inline constexpr std::array<std::string_view, 3> kAlertActionNames = {"opened", "updated", "closed"};

/// A polling thread: "0" of "worker 0", "receiver_0" of "receiver 0".
inline std::string worker_name(const port::LaneSnapshot& lane) {
  constexpr std::string_view kWorker = "worker ";
  if (lane.role.starts_with(kWorker)) return lane.role.substr(kWorker.size());
  std::string name = lane.role;
  for (char& c : name) c = c == ' ' ? '_' : c;
  return name;
}

}  // namespace doorslam::metrics
