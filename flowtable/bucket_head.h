#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "flowtable/page_memory.h"

namespace doorslam::flowtable {

/// Slots of one bucket of the flow table. With two choices of a bucket, 8 would evict from 68 % load on, 16 hold to 86
/// % (one insertion in 12,000 evicts on the way to 90 %), 32 to 94 % for twice the comparing.
inline constexpr std::size_t kBucketSlots = 16;

/// What is known of a bucket's slots without a look at them: one cache line, so that an insertion, or finding whom a
/// full bucket gives up, takes one line of each bucket.
struct alignas(64) BucketHead {
  std::array<std::uint16_t, kBucketSlots> tags;    ///< whose slot it may be: see FlowTable
  std::array<std::uint16_t, kBucketSlots> stamps;  ///< when it wants to be looked at: see Deadlines
};
static_assert(sizeof(BucketHead) == 64);

/// The heads of a table, all zero at first. Owns their memory, which stays where it is when this is moved.
class BucketHeads {
 public:
  /// A block is what Deadlines looks at together; there are heads for whole blocks.
  static constexpr std::size_t kBlock = 4;

  /// Throws std::bad_alloc.
  BucketHeads(std::size_t buckets, Pages pages)
      : count_((buckets + kBlock - 1) / kBlock * kBlock), memory_(count_ * sizeof(BucketHead), pages) {}

  BucketHead& operator[](std::size_t bucket) const noexcept { return data()[bucket]; }
  std::span<BucketHead> all() const noexcept { return {data(), count_}; }

 private:
  BucketHead* data() const noexcept { return static_cast<BucketHead*>(memory_.data()); }

  std::size_t count_;
  PageMemory memory_;
};

}  // namespace doorslam::flowtable
