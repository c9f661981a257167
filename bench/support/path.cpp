#include "bench/support/path.h"

#include <algorithm>

namespace doorslam::bench {

tcp::TrackerOptions options_for(std::size_t connections, std::size_t connections6) {
  constexpr auto with_room = [](std::size_t count) { return std::max<std::size_t>(count * 10 / 8, 1024); };
  tcp::TrackerOptions options;
  options.capacity_flows = with_room(connections);
  options.capacity_flows6 = with_room(connections6);
  options.pages = flowtable::Pages::huge;
  options.expiry_step = tcp::TrackerOptions::kSensorStep;
  return options;
}

TouchedLines::TouchedLines(const std::vector<std::uint32_t>& order)
    : order_(&order), memory_(order.size() * sizeof(Line), flowtable::Pages::huge) {
  auto* const lines = static_cast<Line*>(memory_.data());
  for (std::size_t i = 0; i < order.size(); ++i) lines[i].value = 1;
}

void TouchedLines::run(std::uint64_t packets) noexcept {
  constexpr std::size_t kBurst = MbufSource<Uniform>::kBurst;
  auto* const lines = static_cast<Line*>(memory_.data());
  const std::uint32_t* const order = order_->data();
  for (std::uint64_t done = 0; done < packets; done += kBurst) {
    for (std::size_t i = 0; i < kBurst; ++i) __builtin_prefetch(&lines[order[position_ + i]]);
    for (std::size_t i = 0; i < kBurst; ++i) lines[order[position_ + i]].value += done;
    position_ = position_ + 2 * kBurst <= order_->size() ? position_ + kBurst : 0;
  }
}

}  // namespace doorslam::bench
