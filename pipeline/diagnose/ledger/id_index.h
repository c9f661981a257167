#pragma once

#include <bit>
#include <cstdint>
#include <utility>

#include "flowtable/prefetch.h"
#include "pipeline/base/page_array.h"

namespace doorslam::diagnose {

/// A map from connection ids to note numbers: one array that grows with use, linear probing, no tombstones. For the
/// ledger, where two look-ups a connection in a node-based map would be its largest cost.
class IdIndex {
 public:
  static constexpr std::uint64_t kAbsent = ~std::uint64_t{0};

  IdIndex() : slots_(kFirstSlots) {}

  /// Replaces what the id had. `value` is not kAbsent.
  void put(std::uint64_t id, std::uint64_t value) {
    std::size_t place = place_of(id);
    if (slots_[place].is_free() && ++count_ > slot_count_ / 2) {
      grow();
      place = place_of(id);
    }
    slots_[place] = {id, value + 1};
  }

  /// The id's value, or kAbsent.
  std::uint64_t find(std::uint64_t id) const noexcept { return slots_[place_of(id)].value(); }

  /// The id's value, or kAbsent; it is no longer in the index.
  std::uint64_t take(std::uint64_t id) {
    std::size_t hole = place_of(id);
    const std::uint64_t value = slots_[hole].value();
    if (value == kAbsent) return kAbsent;
    --count_;
    // Move later ones of the run up, unless they would come before their home.
    const std::size_t mask = slot_count_ - 1;
    for (std::size_t i = (hole + 1) & mask; !slots_[i].is_free(); i = (i + 1) & mask) {
      const std::size_t home = home_of(slots_[i].id);
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
    return value;
  }

  /// Fetches where the search for the id will begin, and the slots after it, at which take() looks in any case.
  void prefetch(std::uint64_t id) const noexcept {
    constexpr std::size_t kLookedAt = 3;
    flowtable::prefetch_octets(&slots_[home_of(id)], kLookedAt * sizeof(Slot));
  }

 private:
  static constexpr std::size_t kFirstSlots = 16;

  struct Slot {
    std::uint64_t id = 0;
    std::uint64_t value_and_one = 0;  ///< 0, as the array begins: the slot is free

    bool is_free() const noexcept { return value_and_one == 0; }
    std::uint64_t value() const noexcept { return value_and_one - 1; }  ///< kAbsent of a free one
  };

  /// Ids are numbers of packets, which nobody outside chooses: one product spreads them.
  std::size_t home_of(std::uint64_t id) const noexcept {
    return (id * 0x9E3779B97F4A7C15ULL) >> (64 - std::countr_zero(slot_count_));
  }

  /// Where the id is, or the free slot where it belongs.
  std::size_t place_of(std::uint64_t id) const noexcept {
    const std::size_t mask = slot_count_ - 1;
    std::size_t i = home_of(id);
    while (!slots_[i].is_free() && slots_[i].id != id) i = (i + 1) & mask;
    return i;
  }

  void grow() {
    PageArray<Slot> former = std::exchange(slots_, PageArray<Slot>(2 * slot_count_));
    const std::size_t former_count = std::exchange(slot_count_, 2 * slot_count_);
    for (std::size_t i = 0; i < former_count; ++i) {
      if (!former[i].is_free()) slots_[place_of(former[i].id)] = former[i];
    }
  }

  PageArray<Slot> slots_;
  std::size_t slot_count_ = kFirstSlots;  ///< a power of two; half of them are in use at most
  std::size_t count_ = 0;
};

}  // namespace doorslam::diagnose
