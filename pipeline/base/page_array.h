#pragma once

#include <cstddef>
#include <type_traits>

#include "flowtable/page_memory.h"

namespace doorslam {

/// A fixed number of T, straight from the kernel: all octets zero, none of it written or resident before it is used,
/// and on huge pages where it is large. For what is looked at all over the place. Not thread-safe.
template <class T>
class PageArray {
 public:
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

  /// Throws std::bad_alloc.
  explicit PageArray(std::size_t count) : memory_(count * sizeof(T), flowtable::Pages::huge) {}

  /// What was never assigned has all octets zero. `n` is below the count.
  T& operator[](std::size_t n) noexcept { return static_cast<T*>(memory_.data())[n]; }
  const T& operator[](std::size_t n) const noexcept { return static_cast<const T*>(memory_.data())[n]; }

 private:
  flowtable::PageMemory memory_;
};

}  // namespace doorslam
