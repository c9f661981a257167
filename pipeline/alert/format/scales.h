#pragma once

#include <cstdint>

#include "pipeline/alert/store/record.h"

/// ECS event.severity on other scales. docs/siem.md states them.
namespace doorslam::format {

enum class Level : std::uint8_t { none, low, medium, high, critical };

constexpr Level level_of(int severity) {
  if (severity >= 99) return Level::critical;
  if (severity >= 73) return Level::high;
  if (severity >= 47) return Level::medium;
  return severity > 0 ? Level::low : Level::none;
}

/// OCSF severity_id: 1 informational to 5 critical.
constexpr int ocsf_severity(Level level) { return 1 + static_cast<int>(level); }

/// Suricata's: 1 is the highest.
constexpr int eve_severity(Level level) { return level >= Level::high ? 1 : level == Level::medium ? 2 : 3; }

/// CEF and LEEF: 0 to 3 low, 4 to 6 medium, 7 and 8 high, 9 and 10 very high.
constexpr int ten_point_severity(Level level) {
  constexpr int kOf[] = {1, 3, 6, 8, 10};
  return kOf[static_cast<std::size_t>(level)];
}

}  // namespace doorslam::format
