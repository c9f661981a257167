#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace doorslam::port {

/// Figures of one thread that others may read at any time, whole: a reader never sees half of an update.
///
/// A sequence lock. The one writer never waits; a reader who was overtaken reads again. All words are atomic, so that
/// nothing is a race.
template <class T>
class Published {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint64_t) == 0);
  static constexpr std::size_t kWords = sizeof(T) / sizeof(std::uint64_t);
  using Words = std::array<std::uint64_t, kWords>;

 public:
  /// By the one writer.
  void publish(const T& value) noexcept {
    const std::uint64_t turn = turn_.load(std::memory_order_relaxed);
    turn_.store(turn + 1, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    const auto words = std::bit_cast<Words>(value);
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_relaxed);
    turn_.store(turn + 2, std::memory_order_release);
  }

  /// How many times it was published. By any thread.
  std::uint64_t times() const noexcept { return turn_.load(std::memory_order_relaxed) / 2; }

  /// By any thread.
  T read() const noexcept {
    Words words;
    while (true) {
      const std::uint64_t before = turn_.load(std::memory_order_acquire);
      for (std::size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);
      if (before % 2 == 0 && turn_.load(std::memory_order_relaxed) == before) return std::bit_cast<T>(words);
    }
  }

 private:
  alignas(64) std::atomic<std::uint64_t> turn_{0};
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

}  // namespace doorslam::port
