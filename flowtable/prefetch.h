#pragma once

#include <cstddef>
#include <cstdint>

namespace doorslam::flowtable {

/// Brings the cache line of an address near. Any address will do, also one that cannot be read.
inline void prefetch_line(const void* address) noexcept {
  __builtin_prefetch(address);
  // gcc 12 holds a function that only prefetches to be pure, and drops the calls. This makes it do something, at no
  // cost.
  asm volatile("");
}

/// The same for all lines that these octets lie in.
inline void prefetch_octets(const void* begin, std::size_t octets) noexcept {
  constexpr std::size_t kLine = 64;
  const auto* const first = static_cast<const std::byte*>(begin);
  const std::size_t into_line = reinterpret_cast<std::uintptr_t>(begin) % kLine;
  for (std::size_t at = 0; at < into_line + octets; at += kLine) prefetch_line(first + at);
}

}  // namespace doorslam::flowtable
