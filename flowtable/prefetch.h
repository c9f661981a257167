#pragma once

namespace doorslam::flowtable {

/// Brings the cache line of an address near. Any address will do, also one that cannot be read.
inline void prefetch_line(const void* address) noexcept {
  __builtin_prefetch(address);
  // gcc 12 holds a function that only prefetches to be pure, and drops the calls. This makes it do something, at no
  // cost.
  asm volatile("");
}

}  // namespace doorslam::flowtable
