#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace doorslam {

/// Memory that was given back, in blocks of one size.
class SpareBlocks {
 public:
  SpareBlocks() { spare_.reserve(kMostKept); }
  ~SpareBlocks() {
    for (void* block : spare_) ::operator delete (block, std::align_val_t{kAlignment});
  }
  SpareBlocks(const SpareBlocks&) = delete;
  SpareBlocks& operator=(const SpareBlocks&) = delete;

  static constexpr std::size_t kAlignment = 64;

  /// The size of the first block is that of all which are kept. Throws std::bad_alloc.
  void* take(std::size_t octets) {
    if (octets_ == 0) octets_ = octets;
    if (octets != octets_ || spare_.empty()) return ::operator new (octets, std::align_val_t{kAlignment});
    void* const block = spare_.back();
    spare_.pop_back();
    return block;
  }
  void give_back(void* block, std::size_t octets) noexcept {
    if (octets == octets_ && spare_.size() < kMostKept) {
      spare_.push_back(block);
    } else {
      ::operator delete (block, std::align_val_t{kAlignment});
    }
  }

 private:
  static constexpr std::size_t kMostKept = 1024;

  std::vector<void*> spare_;
  std::size_t octets_ = 0;
};

/// For std::allocate_shared of objects of some kilobytes that come and go by the thousand every second: the general
/// allocator would look for a place of their size each time. Copies, also those for other types, share what is spare,
/// which lives as long as the last object. Not thread-safe: objects are made and let go of on one thread at a time.
template <class T>
class Recycler {
 public:
  using value_type = T;

  Recycler() : blocks_(std::make_shared<SpareBlocks>()) {}
  template <class U>
  explicit Recycler(const Recycler<U>& other) noexcept : blocks_(other.blocks()) {}

  T* allocate(std::size_t count) {
    static_assert(alignof(T) <= SpareBlocks::kAlignment);
    return static_cast<T*>(blocks_->take(count * sizeof(T)));
  }
  void deallocate(T* place, std::size_t count) noexcept { blocks_->give_back(place, count * sizeof(T)); }

  const std::shared_ptr<SpareBlocks>& blocks() const noexcept { return blocks_; }
  friend bool operator==(const Recycler& a, const Recycler& b) { return a.blocks_ == b.blocks_; }

 private:
  std::shared_ptr<SpareBlocks> blocks_;
};

}  // namespace doorslam
