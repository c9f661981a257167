#pragma once

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

#include "flowtable/flow_table.h"

/// The flow table and the maps that are measured beside it, behind the calls that the measurements make of each.
///
/// All use the table's keyed hash, so that they differ in what they do with it alone, and are sized beforehand, so that
/// none grows. Where a container can prefetch, bursts are gone through in passes. A lookup includes hashing the key,
/// and writing the connection's last-seen time, as a packet does.
namespace doorslam::bench {

inline constexpr std::size_t kKeyBurst = 64;
inline constexpr flowtable::TimeNs kTableStart = 1'700'000'000 * flowtable::kSecondNs;

/// State of a connection: with the key, a cache line.
struct Conn {
  flowtable::TimeNs seen = 0;
  std::array<std::uint64_t, 4> more{};
  std::uint32_t details = 0;
  flowtable::EvictionClass kind = flowtable::EvictionClass::embryonic;

  flowtable::TimeNs last_seen() const noexcept { return seen; }
  flowtable::EvictionClass eviction_class() const noexcept { return kind; }
};

/// The n-th connection of a made-up network: clients of a few /16s, ephemeral ports, a hundred servers.
inline flowtable::FlowKey4 key_of(std::uint32_t n) {
  return {0x0a000000 + n % 100, 443, 0xac100000 + n / 3000, static_cast<std::uint16_t>(32768 + n % 28000)};
}

inline std::vector<flowtable::FlowKey4> shuffled_keys(std::size_t from, std::size_t count) {
  std::vector<flowtable::FlowKey4> keys(count);
  for (std::size_t i = 0; i < count; ++i) keys[i] = key_of(static_cast<std::uint32_t>(from + i));
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(from + count));
  return keys;
}

struct KeyedHash {
  flowtable::HashKey secret = flowtable::HashKey::fixed();
  std::size_t operator()(const flowtable::FlowKey4& key) const noexcept { return secret.hash(key); }
};

struct OurTable {
  using Table = flowtable::FlowTable<flowtable::FlowKey4, Conn>;
  static_assert(sizeof(Table::Slot) == 64);

  explicit OurTable(std::size_t capacity) : table(capacity, flowtable::HashKey::fixed(), flowtable::Pages::huge) {
    std::array<std::uint32_t, 1> none;
    table.due(kTableStart, none);
  }

  std::size_t find_burst(const flowtable::FlowKey4* keys, flowtable::TimeNs now) {
    locate_burst(keys);
    std::size_t found = 0;
    for (std::size_t i = 0; i < kKeyBurst; ++i) {
      if (auto* const slot = table.find(keys[i], places[i], glimpses[i])) {
        slot->state.seen = now;
        ++found;
      }
    }
    return found;
  }

  void insert_burst(const flowtable::FlowKey4* keys, flowtable::TimeNs now) {
    locate_burst(keys);
    Table::Slot evicted;
    for (std::size_t i = 0; i < kKeyBurst; ++i) {
      if (table.find(keys[i], places[i], glimpses[i]) != nullptr) continue;
      const auto [slot, inserted] = table.insert(keys[i], places[i], glimpses[i], evicted);
      slot->state.seen = now;
      table.schedule(table.index_of(*slot), now + 5 * flowtable::kSecondNs);
      evictions += inserted != flowtable::Inserted::fresh;
    }
  }

  void erase(const flowtable::FlowKey4& key) {
    if (auto* const slot = table.find(key, table.place_of(key))) table.erase(slot);
  }

  void locate_burst(const flowtable::FlowKey4* keys) {
    for (std::size_t i = 0; i < kKeyBurst; ++i) {
      places[i] = table.place_of(keys[i]);
      table.prefetch(places[i]);
    }
    for (std::size_t i = 0; i < kKeyBurst; ++i) glimpses[i] = table.prefetch_slot(places[i]);
  }

  Table table;
  std::array<Table::Place, kKeyBurst> places{};
  std::array<Table::Glimpse, kKeyBurst> glimpses{};
  std::size_t evictions = 0;
};

template <class Map>
struct MapTable {
  explicit MapTable(std::size_t capacity) { map.reserve(capacity); }

  std::size_t find_burst(const flowtable::FlowKey4* keys, flowtable::TimeNs now) {
    prefetch_burst(keys);
    std::size_t found = 0;
    for (std::size_t i = 0; i < kKeyBurst; ++i) {
      if (const auto entry = map.find(keys[i]); entry != map.end()) {
        entry->second.seen = now;
        ++found;
      }
    }
    return found;
  }

  void insert_burst(const flowtable::FlowKey4* keys, flowtable::TimeNs now) {
    prefetch_burst(keys);
    for (std::size_t i = 0; i < kKeyBurst; ++i) map.try_emplace(keys[i]).first->second.seen = now;
  }

  void prefetch_burst(const flowtable::FlowKey4* keys) {
    if constexpr (requires { map.prefetch(keys[0]); }) {
      for (std::size_t i = 0; i < kKeyBurst; ++i) map.prefetch(keys[i]);
    }
  }

  void erase(const flowtable::FlowKey4& key) { map.erase(key); }

  Map map;
};

using AbslTable = MapTable<absl::flat_hash_map<flowtable::FlowKey4, Conn, KeyedHash>>;
using StdTable = MapTable<std::unordered_map<flowtable::FlowKey4, Conn, KeyedHash>>;

template <class Container>
void fill(Container& container, const std::vector<flowtable::FlowKey4>& keys) {
  for (std::size_t i = 0; i + kKeyBurst <= keys.size(); i += kKeyBurst) container.insert_burst(&keys[i], kTableStart);
}

}  // namespace doorslam::bench
