#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "flowtable/time.h"

namespace doorslam::diagnose {

/// A stretch of packet time in which the sensor itself lost packets or events: at a port, or between its threads.
struct CaptureLoss {
  flowtable::TimeNs from_ns = 0;
  flowtable::TimeNs to_ns = 0;
  std::uint64_t packets = 0;
};

/// The latest losses. What is older than the ledger looks back counts no more. Owned by the analysis thread.
class LossLog {
 public:
  static constexpr std::size_t kMost = 1024;

  /// Losses come in order of time. One that begins where the last ended is joined to it; beyond kMost, the oldest is
  /// forgotten.
  void note(const CaptureLoss& loss);

  /// Packets lost in all stretches that touch this one.
  std::uint64_t packets_between(flowtable::TimeNs from_ns, flowtable::TimeNs to_ns) const noexcept;

 private:
  std::deque<CaptureLoss> losses_;
};

}  // namespace doorslam::diagnose
