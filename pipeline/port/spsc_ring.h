#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include "flowtable/page_memory.h"

namespace doorslam::port {

/// How many elements a ring holds that is to hold at least `wanted`.
constexpr std::size_t ring_places(std::size_t wanted) noexcept { return std::bit_ceil(wanted < 2 ? 2 : wanted); }

/// A queue of fixed capacity from one thread to one other. Neither ever waits for the other, and nothing is allocated
/// after construction; its memory becomes resident only as far as the queue fills.
///
/// Each end keeps its own copy of the other's position and looks again only when that copy says full, or empty, so that
/// the cache line with a position seldom changes hands. What was taken out is not destroyed: T must not need that.
template <class T>
class SpscRing {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  /// Holds ring_places(capacity) elements. Throws std::bad_alloc.
  explicit SpscRing(std::size_t capacity)
      : mask_(ring_places(capacity) - 1),
        memory_((mask_ + 1) * sizeof(T), flowtable::Pages::normal),
        slots_(static_cast<T*>(memory_.data())) {}

  std::size_t capacity() const noexcept { return mask_ + 1; }
  /// From any thread: how full it is, or was a moment ago.
  std::size_t size() const noexcept {
    const std::uint64_t taken = head_.load(std::memory_order_acquire);
    return static_cast<std::size_t>(tail_.load(std::memory_order_acquire) - taken);
  }

  /// Producer: room for so many, looked up afresh.
  std::size_t room() noexcept {
    head_seen_ = head_.load(std::memory_order_acquire);
    return capacity() - static_cast<std::size_t>(tail_.load(std::memory_order_relaxed) - head_seen_);
  }
  /// Producer: false, and nothing happens, when it is full.
  bool push(const T& element) noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_seen_ > mask_ && room() == 0) return false;
    std::construct_at(slots_ + (tail & mask_), element);
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  /// From any thread: all that was ever put in.
  std::uint64_t pushed() const noexcept { return tail_.load(std::memory_order_acquire); }

  /// Consumer: the oldest elements, at most `most`, which lie side by side; there may be more after them.
  std::span<const T> front(std::size_t most) noexcept {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    if (tail_seen_ == head) tail_seen_ = tail_.load(std::memory_order_acquire);
    const std::size_t to_the_edge = capacity() - (head & mask_);
    std::size_t count = static_cast<std::size_t>(tail_seen_ - head);
    if (count > most) count = most;
    if (count > to_the_edge) count = to_the_edge;
    return {slots_ + (head & mask_), count};
  }
  /// Consumer: the oldest elements, `count` of which are known to be there, as far as they lie side by side.
  std::span<const T> known_front(std::size_t count) const noexcept {
    const std::uint64_t place = head_.load(std::memory_order_relaxed) & mask_;
    const std::size_t to_the_edge = capacity() - place;
    return {slots_ + place, count < to_the_edge ? count : to_the_edge};
  }
  /// Consumer: gives back the first `count` elements of front().
  void pop(std::size_t count) noexcept {
    head_.store(head_.load(std::memory_order_relaxed) + count, std::memory_order_release);
  }
  /// Consumer: all that was ever taken out.
  std::uint64_t popped() const noexcept { return head_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kLine = 64;

  std::size_t mask_;
  flowtable::PageMemory memory_;
  T* slots_;
  alignas(kLine) std::atomic<std::uint64_t> head_{0};  ///< consumer: rw, producer: ro
  std::uint64_t tail_seen_ = 0;                        ///< consumer
  alignas(kLine) std::atomic<std::uint64_t> tail_{0};  ///< producer: rw, consumer: ro
  std::uint64_t head_seen_ = 0;                        ///< producer
};

}  // namespace doorslam::port
