#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace doorslam {

/// First in, first out, in one array that grows with use and is used again and again: nothing is allocated once it has
/// the size that it needs. std::deque allocates a block for every element of half a kilobyte. Not thread-safe.
template <class T>
class GrowingQueue {
 public:
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  T& front() noexcept { return slots_[first_]; }
  /// The nth after the front; n < size().
  const T& operator[](std::size_t n) const noexcept { return slots_[(first_ + n) & (slots_.size() - 1)]; }

  void push_back(T&& element) {
    if (count_ == slots_.size()) grow();
    slots_[(first_ + count_) & (slots_.size() - 1)] = std::move(element);
    ++count_;
  }
  /// What the element held on to is let go of when its place is used again, unless it was moved out.
  void pop_front() noexcept {
    first_ = (first_ + 1) & (slots_.size() - 1);
    --count_;
  }

 private:
  static constexpr std::size_t kFirstSlots = 16;

  void grow() {
    std::vector<T> larger(slots_.empty() ? kFirstSlots : 2 * slots_.size());
    for (std::size_t i = 0; i < count_; ++i) larger[i] = std::move(slots_[(first_ + i) & (slots_.size() - 1)]);
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> slots_;  ///< a power of two
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace doorslam
