#include "pipeline/diagnose/loss_log.h"

#include <algorithm>

namespace doorslam::diagnose {

namespace {

/// A stretch that grows on and on would in the end touch everything.
constexpr flowtable::DurationNs kLongestJoined = flowtable::kSecondNs;

}  // namespace

void LossLog::note(const CaptureLoss& loss) {
  if (loss.packets == 0) return;
  if (!losses_.empty()) {
    CaptureLoss& last = losses_.back();
    if (loss.from_ns <= last.to_ns && loss.to_ns - last.from_ns <= kLongestJoined) {
      last.to_ns = std::max(last.to_ns, loss.to_ns);
      last.packets += loss.packets;
      return;
    }
  }
  losses_.push_back(loss);
  if (losses_.size() > kMost) losses_.pop_front();
}

std::uint64_t LossLog::packets_between(flowtable::TimeNs from_ns, flowtable::TimeNs to_ns) const noexcept {
  std::uint64_t packets = 0;
  for (auto loss = losses_.rbegin(); loss != losses_.rend() && loss->to_ns >= from_ns; ++loss) {
    if (loss->from_ns <= to_ns) packets += loss->packets;
  }
  return packets;
}

}  // namespace doorslam::diagnose
