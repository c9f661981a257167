#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/port/live_counters.h"

namespace doorslam::port {

/// What went into a stage, and each way out of it. Nothing may vanish between the two.
struct Balance {
  std::string stage;
  std::uint64_t in = 0;
  std::vector<std::pair<std::string, std::uint64_t>> out;

  std::uint64_t accounted() const noexcept;
  bool holds() const noexcept { return in == accounted(); }
};

/// The balances of a sensor, from the wire to the analysis. Exact for counters that were read when the polling threads
/// had come to rest; while they run, what is on its way between two threads is missing.
std::vector<Balance> reconcile(const LiveCounters& counters);

/// The balances, one a line, and whether each holds.
std::string reconciliation_text(const std::vector<Balance>& balances);
/// The same in one line: what was received, and what became of it; zeros are left out. While the threads run, what is
/// between two of them is told as being on its way; afterwards it would be missing.
std::string status_line(const LiveCounters& counters);

}  // namespace doorslam::port
