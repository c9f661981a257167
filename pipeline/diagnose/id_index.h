#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace doorslam::diagnose {

/// A map from connection ids to note numbers with a fixed capacity: one array, linear probing, no tombstones. For the
/// ledger, where two look-ups a connection in a node-based map would be its largest cost.
class IdIndex {
 public:
  static constexpr std::uint64_t kAbsent = ~std::uint64_t{0};

  /// At most `capacity` ids are in it at a time; the caller sees to that.
  explicit IdIndex(std::size_t capacity)
      : slots_(std::bit_ceil(capacity + capacity / 2 + 2)),
        mask_(slots_.size() - 1),
        shift_(64 - std::countr_zero(slots_.size())) {}

  /// Replaces what the id had.
  void put(std::uint64_t id, std::uint64_t value) {
    Slot& slot = slots_[place_of(id)];
    slot = {id, value};
  }

  /// The id's value, or kAbsent; it is no longer in the index.
  std::uint64_t take(std::uint64_t id) {
    std::size_t hole = place_of(id);
    const std::uint64_t value = slots_[hole].value;
    if (value == kAbsent) return kAbsent;
    // Move later ones of the run up, unless they would come before their home.
    for (std::size_t i = (hole + 1) & mask_; slots_[i].value != kAbsent; i = (i + 1) & mask_) {
      const std::size_t home = home_of(slots_[i].id);
      if (((i - home) & mask_) < ((i - hole) & mask_)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
    return value;
  }

 private:
  struct Slot {
    std::uint64_t id = 0;
    std::uint64_t value = kAbsent;
  };

  std::size_t home_of(std::uint64_t id) const { return (id * 0x9E3779B97F4A7C15ULL) >> shift_; }

  /// Where the id is, or the free slot where it belongs.
  std::size_t place_of(std::uint64_t id) const {
    std::size_t i = home_of(id);
    while (slots_[i].value != kAbsent && slots_[i].id != id) i = (i + 1) & mask_;
    return i;
  }

  std::vector<Slot> slots_;
  std::size_t mask_;
  int shift_;
};

}  // namespace doorslam::diagnose
