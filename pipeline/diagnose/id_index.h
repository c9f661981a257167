#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "flowtable/prefetch.h"

namespace doorslam::diagnose {

/// A map from connection ids to note numbers: one array that grows with use, linear probing, no tombstones. For the
/// ledger, where two look-ups a connection in a node-based map would be its largest cost.
class IdIndex {
 public:
  static constexpr std::uint64_t kAbsent = ~std::uint64_t{0};

  IdIndex() : slots_(kFirstSlots) {}

  /// Replaces what the id had.
  void put(std::uint64_t id, std::uint64_t value) {
    std::size_t place = place_of(id);
    if (slots_[place].value == kAbsent && ++count_ > slots_.size() / 2) {
      grow();
      place = place_of(id);
    }
    slots_[place] = {id, value};
  }

  /// The id's value, or kAbsent.
  std::uint64_t find(std::uint64_t id) const noexcept { return slots_[place_of(id)].value; }

  /// The id's value, or kAbsent; it is no longer in the index.
  std::uint64_t take(std::uint64_t id) {
    std::size_t hole = place_of(id);
    const std::uint64_t value = slots_[hole].value;
    if (value == kAbsent) return kAbsent;
    --count_;
    // Move later ones of the run up, unless they would come before their home.
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = (hole + 1) & mask; slots_[i].value != kAbsent; i = (i + 1) & mask) {
      const std::size_t home = home_of(slots_[i].id);
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
    return value;
  }

  /// Fetches where the search for the id will begin.
  void prefetch(std::uint64_t id) const noexcept { flowtable::prefetch_line(&slots_[home_of(id)]); }

 private:
  static constexpr std::size_t kFirstSlots = 16;

  struct Slot {
    std::uint64_t id = 0;
    std::uint64_t value = kAbsent;
  };

  /// Ids are numbers of packets, which nobody outside chooses: one product spreads them.
  std::size_t home_of(std::uint64_t id) const noexcept {
    return (id * 0x9E3779B97F4A7C15ULL) >> (64 - std::countr_zero(slots_.size()));
  }

  /// Where the id is, or the free slot where it belongs.
  std::size_t place_of(std::uint64_t id) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = home_of(id);
    while (slots_[i].value != kAbsent && slots_[i].id != id) i = (i + 1) & mask;
    return i;
  }

  void grow() {
    std::vector<Slot> former(2 * slots_.size());
    former.swap(slots_);
    for (const Slot& slot : former) {
      if (slot.value != kAbsent) slots_[place_of(slot.id)] = slot;
    }
  }

  std::vector<Slot> slots_;  ///< a power of two, half full at most
  std::size_t count_ = 0;
};

}  // namespace doorslam::diagnose
