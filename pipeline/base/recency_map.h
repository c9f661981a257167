#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "flowtable/prefetch.h"

namespace doorslam {

/// A hash map of at most `capacity` entries; a new one beyond that takes the place of the one longest untouched.
///
/// Entries lie in one array and never move, chained by recency; an open-addressed index of 8 octets an entry finds
/// them. For the ledger and the incidents, which touch an entry at every connection: nothing is allocated once the map
/// is full. Memory grows with use. `Keys` has the functions hash(key) and same(a, b). Not thread-safe.
template <class Key, class Value, class Keys>
class RecencyMap {
 public:
  explicit RecencyMap(std::size_t capacity, const Keys& keys = Keys())
      : keys_(keys), capacity_(std::clamp<std::size_t>(capacity, 1, kNowhere - 1)), index_(kFirstIndex) {}

  /// The entry, made where it is not there, and from now the last to be forgotten. Valid until the next touch().
  Value& touch(const Key& key) {
    const std::uint32_t hash = hash_of(key);
    std::size_t place = place_of(key, hash);
    if (index_[place].entry != kNowhere) {
      const std::uint32_t entry = index_[place].entry;
      if (entry != newest_) {
        unchain(entry);
        chain(entry);
      }
      return entries_[entry].value;
    }
    const std::uint32_t entry = add(key, hash);
    chain(entry);
    return entries_[entry].value;
  }

  /// The entry; where it is not there, one is made that is the first to be forgotten: whatever number of them comes
  /// takes one place of those that were touched, at most. Valid until the next call.
  Value& lodge(const Key& key) {
    const std::uint32_t hash = hash_of(key);
    const std::uint32_t known = index_[place_of(key, hash)].entry;
    if (known != kNowhere) return entries_[known].value;
    const std::uint32_t entry = add(key, hash);
    chain_last(entry);
    return entries_[entry].value;
  }

  /// The entry or null; does not touch it.
  Value* find(const Key& key) {
    const std::uint32_t entry = index_[place_of(key, hash_of(key))].entry;
    return entry == kNowhere ? nullptr : &entries_[entry].value;
  }
  const Value* find(const Key& key) const { return const_cast<RecencyMap*>(this)->find(key); }

  /// Makes the place of the entry, where it is there, free for another.
  void erase(const Key& key) {
    const std::size_t place = place_of(key, hash_of(key));
    const std::uint32_t entry = index_[place].entry;
    if (entry == kNowhere) return;
    take_from_index(place);
    unchain(entry);
    entries_[entry].value = Value{};  // what it held on to is let go of
    entries_[entry].older = free_;
    free_ = entry;
    --size_;
  }

  /// Calls `visit(key, value)` for each entry, most recently touched first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::uint32_t entry = newest_; entry != kNowhere; entry = entries_[entry].older) {
      visit(entries_[entry].key, entries_[entry].value);
    }
  }

  /// Fetches where the search for the key will begin.
  void prefetch(const Key& key) const noexcept {
    flowtable::prefetch_line(&index_[hash_of(key) & (index_.size() - 1)]);
  }

  /// Fetches the beginning of the entry where the search will begin, which nearly always is the key's own; prefetch()
  /// was called before.
  void prefetch_entry(const Key& key) const noexcept {
    constexpr std::size_t kFourLines = 256;
    const std::uint32_t entry = index_[hash_of(key) & (index_.size() - 1)].entry;
    if (entry == kNowhere) return;
    flowtable::prefetch_octets(&entries_[entry], std::min(sizeof(Entry), kFourLines));
  }

  /// Entries that made place for others.
  std::uint64_t forgotten() const noexcept { return forgotten_; }
  std::size_t size() const noexcept { return size_; }

 private:
  static constexpr std::uint32_t kNowhere = std::numeric_limits<std::uint32_t>::max();
  static constexpr std::size_t kFirstIndex = 64;

  struct Place {
    std::uint32_t hash = 0;
    std::uint32_t entry = kNowhere;
  };
  struct Entry {
    std::uint32_t newer = kNowhere;  // first, so that a large value does not part them from the key
    std::uint32_t older = kNowhere;
    Key key;
    Value value;
  };

  std::uint32_t hash_of(const Key& key) const { return static_cast<std::uint32_t>(keys_.hash(key)); }

  /// An entry for what is not there, in no chain yet.
  std::uint32_t add(const Key& key, std::uint32_t hash) {
    const std::uint32_t entry = provide_entry();
    if (2 * entries_.size() > index_.size()) grow_index();
    index_[place_of(key, hash)] = {hash, entry};  // making room has moved others
    entries_[entry].key = key;
    entries_[entry].value = Value{};
    return entry;
  }

  /// Where the key is, or the free place where it belongs.
  std::size_t place_of(const Key& key, std::uint32_t hash) const {
    const std::size_t mask = index_.size() - 1;
    std::size_t i = hash & mask;
    while (index_[i].entry != kNowhere && !(index_[i].hash == hash && keys_.same(entries_[index_[i].entry].key, key))) {
      i = (i + 1) & mask;
    }
    return i;
  }

  /// An entry that nobody has: one that was erased, a new one, or the one longest untouched.
  std::uint32_t provide_entry() {
    if (free_ != kNowhere) {
      ++size_;
      return std::exchange(free_, entries_[free_].older);
    }
    if (entries_.size() < capacity_) {
      ++size_;
      entries_.emplace_back();
      return static_cast<std::uint32_t>(entries_.size() - 1);
    }
    const std::uint32_t entry = oldest_;
    const Key& key = entries_[entry].key;
    take_from_index(place_of(key, hash_of(key)));
    unchain(entry);
    ++forgotten_;
    return entry;
  }

  void take_from_index(std::size_t hole) {
    const std::size_t mask = index_.size() - 1;
    // Move later ones of the run up, unless they would come before their home.
    for (std::size_t i = (hole + 1) & mask; index_[i].entry != kNowhere; i = (i + 1) & mask) {
      if (((i - index_[i].hash) & mask) < ((i - hole) & mask)) continue;
      index_[hole] = index_[i];
      hole = i;
    }
    index_[hole] = {};
  }

  void grow_index() {
    std::vector<Place> former(2 * index_.size());
    former.swap(index_);
    const std::size_t mask = index_.size() - 1;
    for (const Place& place : former) {
      if (place.entry == kNowhere) continue;
      std::size_t i = place.hash & mask;
      while (index_[i].entry != kNowhere) i = (i + 1) & mask;
      index_[i] = place;
    }
  }

  void chain(std::uint32_t entry) {
    entries_[entry].newer = kNowhere;
    entries_[entry].older = newest_;
    (newest_ == kNowhere ? oldest_ : entries_[newest_].newer) = entry;
    newest_ = entry;
  }

  void chain_last(std::uint32_t entry) {
    entries_[entry].newer = oldest_;
    entries_[entry].older = kNowhere;
    (oldest_ == kNowhere ? newest_ : entries_[oldest_].older) = entry;
    oldest_ = entry;
  }

  void unchain(std::uint32_t entry) {
    const std::uint32_t newer = entries_[entry].newer;
    const std::uint32_t older = entries_[entry].older;
    (newer == kNowhere ? newest_ : entries_[newer].older) = older;
    (older == kNowhere ? oldest_ : entries_[older].newer) = newer;
  }

  [[no_unique_address]] Keys keys_;
  std::size_t capacity_;
  std::vector<Entry> entries_;
  std::vector<Place> index_;  ///< a power of two, half full at most
  std::uint32_t newest_ = kNowhere;
  std::uint32_t oldest_ = kNowhere;
  std::uint32_t free_ = kNowhere;  ///< erased entries, chained by `older`
  std::size_t size_ = 0;
  std::uint64_t forgotten_ = 0;
};

}  // namespace doorslam
