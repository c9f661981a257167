#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace doorslam {

/// Adds figures to others of their kind, all of them: a counter that is added to the struct cannot be left out. Of
/// unsigned 64-bit words only.
template <class T>
void add_words(T& sum, const T& more) noexcept {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint64_t) == 0);
  using Words = std::array<std::uint64_t, sizeof(T) / sizeof(std::uint64_t)>;
  auto words = std::bit_cast<Words>(sum);
  const auto others = std::bit_cast<Words>(more);
  for (std::size_t i = 0; i < words.size(); ++i) words[i] += others[i];
  sum = std::bit_cast<T>(words);
}

}  // namespace doorslam
