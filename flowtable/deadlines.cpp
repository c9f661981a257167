#include "flowtable/deadlines.h"

#include <bit>

#include "flowtable/prefetch.h"
#include "flowtable/stamp_group.h"

namespace doorslam::flowtable {

/// Looked ahead in a sweep: far enough for the stamps to have arrived.
static constexpr std::size_t kAheadBlocks = 4 * kStampGroup;

namespace {
constexpr std::size_t round_up(std::size_t number, std::size_t step) { return (number + step - 1) / step * step; }
}  // namespace

Deadlines::Deadlines(const BucketHeads& heads)
    : heads_(heads.all().data()),
      block_memory_(round_up(heads.all().size() / BucketHeads::kBlock, kStampGroup) * sizeof(Stamp), Pages::normal),
      blocks_(round_up(heads.all().size() / BucketHeads::kBlock, kStampGroup)) {}

std::size_t Deadlines::due(TimeNs now, std::span<std::uint32_t> out, std::size_t most_groups) noexcept {
  if (out.empty()) return 0;
  const std::int64_t now_tick = now >> kTickShift;
  std::size_t popped = 0;
  while (begin_sweep(now_tick)) {
    if (!sweep(out, popped, most_groups)) break;
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

/// False when `out` is full or no more groups may be gone through; the next call goes on from there.
bool Deadlines::sweep(std::span<std::uint32_t> out, std::size_t& popped, std::size_t& groups) noexcept {
  const auto base = static_cast<Stamp>(swept_);
  const auto window = static_cast<std::uint16_t>(target_ - swept_);
  for (; cursor_ < blocks_; cursor_ += kStampGroup) {
    if (groups == 0) return false;
    --groups;
    prefetch_due(cursor_ + kAheadBlocks, base, window);
    const Stamp* const group = block_earliest() + cursor_;
    std::uint16_t nearest = nearest_stamp(group, base);
    if (nearest <= window) {
      for (std::uint32_t due = stamps_within(group, base, window); due != 0; due &= due - 1) {
        if (!pop_block(cursor_ + static_cast<std::size_t>(std::countr_zero(due)), out, popped)) return false;
      }
      nearest = nearest_stamp(group, base);
    }
    if (nearest != kFarthestStamp) earliest_ = std::min(earliest_, swept_ + nearest);
  }
  swept_ = target_;
  return true;
}

/// The stamps of those of a group of blocks that the sweep will look into.
void Deadlines::prefetch_due(std::size_t first_block, Stamp base, std::uint16_t window) const noexcept {
  if (first_block >= blocks_) return;
  for (std::uint32_t due = stamps_within(block_earliest() + first_block, base, window); due != 0; due &= due - 1) {
    const std::size_t block = first_block + static_cast<std::size_t>(std::countr_zero(due));
    const BucketHead* const first = heads_ + block * BucketHeads::kBlock;
    for (std::size_t i = 0; i < BucketHeads::kBlock; ++i) prefetch_line(first + i);
  }
}

/// False when `out` got full before the block was through.
bool Deadlines::pop_block(std::size_t block, std::span<std::uint32_t> out, std::size_t& popped) noexcept {
  const auto window = static_cast<std::uint16_t>(target_ - swept_);
  const auto base = static_cast<Stamp>(swept_);
  std::uint16_t soonest = kFarthestStamp;
  for (std::size_t i = 0; i < BucketHeads::kBlock; ++i) {
    const std::size_t bucket = block * BucketHeads::kBlock + i;
    Stamp* const group = heads_[bucket].stamps.data();
    for (std::uint32_t due = stamps_within(group, base, window); due != 0; due &= due - 1) {
      if (popped == out.size()) return false;
      const auto position = static_cast<std::size_t>(std::countr_zero(due));
      out[popped++] = static_cast<std::uint32_t>(bucket * kBucketSlots + position);
      group[position] = kNotFiled;
    }
    soonest = std::min(soonest, nearest_stamp(group, base));
  }
  block_earliest()[block] = soonest == kFarthestStamp ? kNotFiled : static_cast<Stamp>(base + soonest);
  return true;
}

std::size_t Deadlines::upcoming(std::span<std::uint32_t> out) const noexcept {
  std::size_t listed = 0;
  if (!under_way()) return listed;
  const std::size_t end = std::min(cursor_ + 2 * kStampGroup, blocks_);
  for (std::size_t first = cursor_; first < end; first += kStampGroup) {
    for (std::uint32_t due = due_in(block_earliest() + first); due != 0; due &= due - 1) {
      if (!list_block(first + static_cast<std::size_t>(std::countr_zero(due)), out, listed)) return listed;
    }
  }
  return listed;
}

/// False when `out` is full.
bool Deadlines::list_block(std::size_t block, std::span<std::uint32_t> out, std::size_t& listed) const noexcept {
  for (std::size_t i = 0; i < BucketHeads::kBlock; ++i) {
    const std::size_t bucket = block * BucketHeads::kBlock + i;
    for (std::uint32_t due = due_in(heads_[bucket].stamps.data()); due != 0; due &= due - 1) {
      if (listed == out.size()) return false;
      out[listed++] =
          static_cast<std::uint32_t>(bucket * kBucketSlots) + static_cast<std::uint32_t>(std::countr_zero(due));
    }
  }
  return true;
}

}  // namespace doorslam::flowtable
