#include "pipeline/alert/served_meanwhile.h"

#include <algorithm>
#include <utility>

namespace doorslam::alert {

void ServedMeanwhile::add(flowtable::TimeNs start_ns, std::uint64_t count) noexcept {
  const flowtable::TimeNs number = start_ns / kBinNs;
  if (number <= reached_) {
    meanwhile_ += count;
    return;
  }
  afterwards_ += count;
  Bin& bin = bins_[static_cast<std::size_t>(number) % kBins];
  // The older of two that share a place waits in the sum.
  if (bin.count != 0 && bin.number != number) {
    const bool is_older = number < bin.number;
    waiting_ += is_older ? count : bin.count;
    waiting_until_ = std::max(waiting_until_, is_older ? number : bin.number);
    if (is_older) return;
    bin.count = 0;
  }
  bin.number = number;
  bin.count += count;
}

void ServedMeanwhile::reach(flowtable::TimeNs until_ns) noexcept {
  const flowtable::TimeNs number = until_ns / kBinNs;
  if (number <= reached_) return;
  reached_ = number;
  if (afterwards_ == 0) return;
  std::uint64_t taken = 0;
  if (waiting_until_ <= reached_) taken += std::exchange(waiting_, 0);
  for (Bin& bin : bins_) {
    if (bin.number <= reached_) taken += std::exchange(bin.count, 0);
  }
  meanwhile_ += taken;
  afterwards_ -= taken;
}

void ServedMeanwhile::absorb(const ServedMeanwhile& other) noexcept {
  meanwhile_ += other.meanwhile_;
  for (const Bin& bin : other.bins_) {
    if (bin.count != 0) add(bin.number * kBinNs, bin.count);
  }
  if (other.waiting_ == 0) return;
  if (other.waiting_until_ <= reached_) {
    meanwhile_ += other.waiting_;
    return;
  }
  waiting_ += other.waiting_;
  afterwards_ += other.waiting_;
  waiting_until_ = std::max(waiting_until_, other.waiting_until_);
}

}  // namespace doorslam::alert
