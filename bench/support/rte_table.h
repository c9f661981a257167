#pragma once

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/support/containers.h"
#include "flowtable/page_memory.h"

namespace doorslam::bench {

/// DPDK's rte_hash as a flow table: it maps a key to a place in an array of 64-octet states beside it. Lookups are
/// DPDK's own in bulk, and the states are brought near before they are written. Its hash is the CRC that DPDK uses
/// where the processor has it.
struct RteTable {
  explicit RteTable(std::size_t capacity)
      : states_memory((capacity + 1) * sizeof(State), flowtable::Pages::huge),
        states(static_cast<State*>(states_memory.data())) {
    static int made = 0;
    const std::string name = "flows" + std::to_string(made++);
    rte_hash_parameters parameters{};
    parameters.name = name.c_str();
    parameters.entries = static_cast<std::uint32_t>(capacity);
    parameters.key_len = sizeof(flowtable::FlowKey4);
    parameters.hash_func = rte_hash_crc;
    parameters.socket_id = SOCKET_ID_ANY;
    hash.reset(rte_hash_create(&parameters));
    if (!hash) throw std::runtime_error(std::string("rte_hash_create: ") + rte_strerror(rte_errno));
  }

  std::size_t find_burst(const flowtable::FlowKey4* keys, flowtable::TimeNs now) {
    std::array<const void*, kKeyBurst> wanted;
    std::array<std::int32_t, kKeyBurst> places;
    for (std::size_t i = 0; i < kKeyBurst; ++i) wanted[i] = keys + i;
    rte_hash_lookup_bulk(hash.get(), wanted.data(), kKeyBurst, places.data());
    std::size_t found = 0;
    for (const std::int32_t place : places) {
      if (place >= 0) __builtin_prefetch(&states[place]);
    }
    for (const std::int32_t place : places) {
      if (place < 0) continue;
      states[place].conn.seen = now;
      ++found;
    }
    return found;
  }

  void insert_burst(const flowtable::FlowKey4* keys, flowtable::TimeNs now) {
    for (std::size_t i = 0; i < kKeyBurst; ++i) {
      const std::int32_t place = rte_hash_add_key(hash.get(), keys + i);
      if (place < 0) {
        ++refused;
        continue;
      }
      states[place] = State{};
      states[place].conn.seen = now;
    }
  }

  void erase(const flowtable::FlowKey4& key) { rte_hash_del_key(hash.get(), &key); }

  struct alignas(64) State {
    Conn conn;
  };
  struct Free {
    void operator()(rte_hash* table) const { rte_hash_free(table); }
  };
  std::unique_ptr<rte_hash, Free> hash;
  flowtable::PageMemory states_memory;
  State* states;
  std::size_t refused = 0;  ///< for want of room
};

}  // namespace doorslam::bench
