#include "flowtable/deadlines.h"

namespace doorslam::flowtable {

Deadlines::Deadlines(std::size_t slots, Pages pages)
    : stamp_memory_((slots + kBlockSlots - 1) / kBlockSlots * kBlockSlots * sizeof(Stamp), pages),
      block_memory_((slots + kBlockSlots - 1) / kBlockSlots * sizeof(Stamp), Pages::normal),
      blocks_((slots + kBlockSlots - 1) / kBlockSlots) {}

std::size_t Deadlines::due(TimeNs now, std::span<std::uint32_t> out) noexcept {
  if (out.empty()) return 0;
  const std::int64_t now_tick = now >> kTickShift;
  std::size_t popped = 0;
  while (begin_sweep(now_tick)) {
    if (!sweep(out, popped)) break;
  }
  return popped;
}

/// False when all up to now_tick has been swept. Steps over time in which nothing is filed.
bool Deadlines::begin_sweep(std::int64_t now_tick) noexcept {
  if (target_ != swept_) return true;  // one is under way
  if (earliest_ > now_tick) {
    swept_ = std::max(swept_, now_tick);
    target_ = swept_;
    return false;
  }
  // Half the span at a time: what is filed again during the sweep needs stamps beyond its target.
  swept_ = std::max(swept_, earliest_ - 1);
  target_ = std::min(now_tick, swept_ + kSpanTicks / 2);
  earliest_ = kNever;
  cursor_ = 0;
  return true;
}

/// False when `out` is full; the next call goes on from there.
bool Deadlines::sweep(std::span<std::uint32_t> out, std::size_t& popped) noexcept {
  const auto window = static_cast<std::uint16_t>(target_ - swept_);
  for (; cursor_ < blocks_; ++cursor_) {
    const Stamp& earliest = block_earliest()[cursor_];
    if (earliest == kNotFiled) continue;
    if (distance(earliest) <= window && !pop_block(cursor_, out, popped)) return false;
    if (earliest != kNotFiled) earliest_ = std::min(earliest_, swept_ + distance(earliest));
  }
  swept_ = target_;
  return true;
}

/// False when `out` got full before the block was through.
bool Deadlines::pop_block(std::size_t block, std::span<std::uint32_t> out, std::size_t& popped) noexcept {
  const auto window = static_cast<std::uint16_t>(target_ - swept_);
  const auto base = static_cast<Stamp>(swept_);
  Stamp* const stamp = stamps() + block * kBlockSlots;
  constexpr std::size_t kGroup = 64;
  Stamp soonest = std::numeric_limits<Stamp>::max();
  for (std::size_t start = 0; start < kBlockSlots; start += kGroup) {
    // Nearest distance of the group, the not filed left out as the farthest: branch-free, for the vectoriser.
    Stamp nearest = std::numeric_limits<Stamp>::max();
    for (std::size_t i = start; i < start + kGroup; ++i) {
      const auto away = static_cast<Stamp>(stamp[i] - base);
      const auto counted = static_cast<Stamp>(stamp[i] == kNotFiled ? std::numeric_limits<Stamp>::max() : away);
      nearest = std::min(nearest, counted);
    }
    if (nearest > window) {
      soonest = std::min(soonest, nearest);
      continue;
    }
    for (std::size_t i = start; i < start + kGroup; ++i) {
      if (stamp[i] == kNotFiled) continue;
      const Stamp away = distance(stamp[i]);
      if (away > window) {
        soonest = std::min(soonest, away);
        continue;
      }
      if (popped == out.size()) return false;
      out[popped++] = static_cast<std::uint32_t>(block * kBlockSlots + i);
      stamp[i] = kNotFiled;
    }
  }
  constexpr Stamp kNone = std::numeric_limits<Stamp>::max();
  block_earliest()[block] = soonest == kNone ? kNotFiled : static_cast<Stamp>(base + soonest);
  return true;
}

}  // namespace doorslam::flowtable
