#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "flowtable/page_memory.h"
#include "flowtable/prefetch.h"

namespace doorslam::tcp {

/// In place of an entry of a pool.
inline constexpr std::uint32_t kNoEntry = std::numeric_limits<std::uint32_t>::max();

/// A fixed number of T, handed out and taken back in constant time.
///
/// The memory is reserved at construction and not touched before it is used: entries are handed out from the front,
/// and those that were given back first. What is in use thus lies together, so huge pages cost next to nothing and
/// spare most of the misses of the TLB. worker-bound. Full: acquire() gives kNoEntry.
template <class T>
class BoundedPool {
 public:
  static_assert(std::is_trivially_destructible_v<T> && sizeof(T) >= sizeof(std::uint32_t));

  /// Throws std::bad_alloc.
  explicit BoundedPool(std::uint32_t capacity)
      : memory_(std::size_t{capacity} * kStride, flowtable::Pages::huge), capacity_(capacity) {}

  /// A default-initialised entry, or kNoEntry.
  std::uint32_t acquire() noexcept {
    std::uint32_t index = free_;
    if (index != kNoEntry) {
      std::memcpy(&free_, address(index), sizeof(free_));
      if (free_ != kNoEntry) flowtable::prefetch_line(address(free_));  // the next one, which may have lain for long
    } else if (untouched_ < capacity_) {
      index = untouched_++;
    } else {
      return kNoEntry;
    }
    ++used_;
    ::new (address(index)) T;
    return index;
  }

  void release(std::uint32_t index) noexcept {
    std::memcpy(address(index), &free_, sizeof(free_));
    free_ = index;
    --used_;
  }

  /// The same as releasing an entry and acquiring the next: makes it default-initialised.
  void renew(std::uint32_t index) noexcept { ::new (address(index)) T; }

  /// Where an entry lies, to bring its cache lines near before it is used.
  const void* place_of(std::uint32_t index) const noexcept { return address(index); }

  T& operator[](std::uint32_t index) noexcept { return *std::launder(reinterpret_cast<T*>(address(index))); }
  const T& operator[](std::uint32_t index) const noexcept {
    return *std::launder(reinterpret_cast<const T*>(address(index)));
  }

  std::uint32_t capacity() const noexcept { return capacity_; }
  std::uint32_t used() const noexcept { return used_; }

 private:
  static_assert(alignof(T) <= 64);
  /// The hot lines of all entries would compete for a few sets of the cache if they were a power of two apart.
  static constexpr std::size_t kStride = sizeof(T) % 1024 == 0 ? sizeof(T) + 64 : sizeof(T);
  std::byte* address(std::uint32_t index) const noexcept {
    return static_cast<std::byte*>(memory_.data()) + std::size_t{index} * kStride;
  }

  flowtable::PageMemory memory_;
  std::uint32_t capacity_ = 0;
  std::uint32_t used_ = 0;
  std::uint32_t untouched_ = 0;    ///< entries from here on were never handed out
  std::uint32_t free_ = kNoEntry;  ///< head of the list of returned entries; the next index stands in the entry
};

}  // namespace doorslam::tcp
