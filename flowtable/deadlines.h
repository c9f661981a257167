#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "flowtable/bucket_head.h"
#include "flowtable/page_memory.h"
#include "flowtable/prefetch.h"
#include "flowtable/stamp_group.h"
#include "flowtable/time.h"

namespace doorslam::flowtable {

/// When each slot of a table wants to be looked at again.
///
/// A coarse timer for millions of slots: two octets a slot and no lists. Each slot has a stamp, the tick (2^27 ns,
/// about 134 ms, counted from the epoch, so that the same capture gives the same ticks) at which it is due; each block
/// of 64 slots has the earliest stamp among them, or an earlier one. The stamps lie in the heads of the slots' buckets,
/// which whoever inserts or erases a connection writes to anyway. schedule() and cancel() are a store or two, so a
/// deadline may move either way and a slot may be reused at will: there is no link to mend. due() reads the blocks'
/// stamps in one sweep (32 KiB a million slots) and looks only into those blocks that have something due.
///
/// Lazy by design: a packet does not move its connection's deadline. due() hands out the slot at the old one, and the
/// caller schedules it again if it has been busy since. A deadline farther than kSpanTicks (2.4 h) is brought nearer
/// and comes out early, to be scheduled again likewise. Nothing comes out early otherwise; all comes out up to a tick
/// late.
///
/// Worker-bound. A popped slot is no longer scheduled.
class Deadlines {
 public:
  static constexpr int kTickShift = 27;
  static constexpr DurationNs kTickNs = DurationNs{1} << kTickShift;
  static constexpr std::int64_t kSpanTicks = 0xff00;
  static constexpr std::size_t kBlockSlots = BucketHeads::kBlock * kBucketSlots;

  /// For the slots of these buckets, with nothing filed. The heads are borrowed; none but this writes their stamps.
  /// Throws std::bad_alloc.
  explicit Deadlines(const BucketHeads& heads);
  /// Goes on from where `earlier` is in time. For one that has nothing filed yet. A sweep under way there begins anew
  /// here: what it has not come to is still filed.
  void go_on_from(const Deadlines& earlier) noexcept {
    swept_ = earlier.swept_;
    target_ = swept_;
  }

  /// Files a slot, whatever it was filed under before. Slot numbers count from 0.
  void schedule(std::uint32_t slot, TimeNs deadline_ns) noexcept {
    const std::int64_t tick = std::clamp(tick_at_or_after(deadline_ns), target_ + 1, swept_ + kSpanTicks);
    const Stamp stamp = stamp_of(tick);
    stamp_at(slot) = stamp;
    Stamp& earliest = block_earliest()[slot / kBlockSlots];
    if (earliest == kNotFiled || distance(stamp) < distance(earliest)) earliest = stamp;
    earliest_ = std::min(earliest_, tick);
  }

  /// Files a slot as `other_slot` of `other` is, or not at all. For one that goes on from `other`.
  void take_over(std::uint32_t slot, const Deadlines& other, std::uint32_t other_slot) noexcept {
    const Stamp stamp = other.stamp_at(other_slot);
    if (stamp != kNotFiled) schedule(slot, (other.swept_ + other.distance(stamp)) << kTickShift);
  }

  /// Brings near what schedule() writes of a slot beside its bucket's head.
  void prefetch(std::uint32_t slot) const noexcept { prefetch_line(block_earliest() + slot / kBlockSlots); }

  /// The slot will not come out of due(). Fine for one that is not scheduled.
  void cancel(std::uint32_t slot) noexcept { stamp_at(slot) = kNotFiled; }

  /// Pops slots whose time has come, `out.size()` at most; returns how many. Fewer than out.size(): no more are due.
  /// `now` may leap and must not go back (an earlier one counts as the latest). With the largest TimeNs all that is
  /// scheduled comes out, in several calls. Bounded work: one sweep over the blocks, four heads for each that may have
  /// something due. With `most_groups`, of 1,024 slots each, a call goes through no more than these, and what
  /// is left is for the next calls: under_way() tells.
  std::size_t due(TimeNs now, std::span<std::uint32_t> out, std::size_t most_groups = kAllGroups) noexcept;
  static constexpr std::size_t kAllGroups = std::numeric_limits<std::size_t>::max();

  /// Some of what the sweep under way is going to pop next, in that order, to bring it near; returns how many. They
  /// stay filed. A hint: it looks no farther than the group of blocks at which the sweep stands, and the next.
  std::size_t upcoming(std::span<std::uint32_t> out) const noexcept;

  /// A sweep is not through yet: due() has more to look at.
  bool under_way() const noexcept { return target_ != swept_; }
  /// All that was to come out before then has come out.
  TimeNs through() const noexcept { return (swept_ + 1) << kTickShift; }
  /// Time has gone beyond what the sweep under way is after.
  bool is_behind(TimeNs now) const noexcept { return under_way() && now >> kTickShift > target_; }

  /// Of a bucket's slots, those whose (tag & mask) == value: which deadline is the soonest, as a soonest_rank(). A slot
  /// that is not scheduled comes first of all.
  std::uint32_t soonest(std::uint32_t bucket, std::uint16_t mask, std::uint16_t value) const noexcept {
    return soonest_rank(heads_[bucket], static_cast<Stamp>(swept_), mask, value);
  }

 private:
  /// The tick modulo 2^16; 0 means not scheduled.
  using Stamp = std::uint16_t;
  static constexpr Stamp kNotFiled = 0;
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

  static constexpr std::int64_t tick_at_or_after(TimeNs time) noexcept {
    return (time >> kTickShift) + static_cast<std::int64_t>((time & (kTickNs - 1)) != 0);
  }
  /// The one tick in 2^16 whose stamp would read "not filed" is a tick late instead.
  static constexpr Stamp stamp_of(std::int64_t tick) noexcept {
    const auto stamp = static_cast<Stamp>(tick);
    return stamp == kNotFiled ? Stamp{1} : stamp;
  }
  /// Ticks from swept_ to the stamp's; 1 or more for whatever is filed.
  std::uint16_t distance(Stamp stamp) const noexcept { return static_cast<Stamp>(stamp - static_cast<Stamp>(swept_)); }

  Stamp& stamp_at(std::uint32_t slot) const noexcept { return heads_[slot / kBucketSlots].stamps[slot % kBucketSlots]; }
  Stamp* block_earliest() const noexcept { return static_cast<Stamp*>(block_memory_.data()); }
  bool begin_sweep(std::int64_t now_tick) noexcept;
  bool sweep(std::span<std::uint32_t> out, std::size_t& popped, std::size_t& groups) noexcept;
  void prefetch_due(std::size_t first_block, Stamp base, std::uint16_t window) const noexcept;
  bool pop_block(std::size_t block, std::span<std::uint32_t> out, std::size_t& popped) noexcept;
  bool list_block(std::size_t block, std::span<std::uint32_t> out, std::size_t& listed) const noexcept;
  /// Of a block or bucket, what the sweep under way pops.
  std::uint32_t due_in(const Stamp* group) const noexcept {
    return stamps_within(group, static_cast<Stamp>(swept_), static_cast<std::uint16_t>(target_ - swept_));
  }

  BucketHead* heads_;        ///< of whole blocks; borrowed
  PageMemory block_memory_;  ///< a Stamp a block, padded to whole groups
  std::size_t blocks_;
  std::int64_t swept_ = 0;          ///< all due at this tick or before it has been popped
  std::int64_t target_ = 0;         ///< what swept_ will be after the sweep under way; equal to it between sweeps
  std::int64_t earliest_ = kNever;  ///< nothing is filed before this tick (during a sweep: in the blocks it is past)
  std::size_t cursor_ = 0;          ///< block at which the sweep under way goes on
};

}  // namespace doorslam::flowtable
