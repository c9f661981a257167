#include "pipeline/port/worker_of_ends.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "flowtable/flow_table.h"

namespace doorslam::port {
namespace {

using flowtable::Endpoint;
using flowtable::EvictionClass;
using flowtable::FlowKey4;
using flowtable::HashKey;

struct State {
  flowtable::TimeNs last_seen() const noexcept { return 0; }
  EvictionClass eviction_class() const noexcept { return EvictionClass::embryonic; }
};
using Table = flowtable::FlowTable<FlowKey4, State>;

Endpoint client(std::uint32_t number) {
  Endpoint end;
  end.address.octets = {10, 0, 0, static_cast<std::uint8_t>(number / 50'000U)};
  end.port = static_cast<std::uint16_t>(1024U + number % 50'000U);
  return end;
}

Endpoint server() {
  Endpoint end;
  end.address.octets = {192, 0, 2, 1};
  end.port = 443;
  return end;
}

const Endpoint kServer = server();

TEST(WorkerOfEnds, IsTheSameForBothDirections) {
  const WorkerOfEnds worker_of(HashKey::fixed(), true, 7);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(worker_of(client(i), kServer, 3), worker_of(kServer, client(i), 3));
    EXPECT_LT(worker_of(client(i), kServer, 3), 7U);
  }
}

/// The tables of captures have the same key: what comes to one worker must still be spread over all of its table.
TEST(WorkerOfEnds, LeavesEachWorkerATableThatFillsEvenly) {
  constexpr std::size_t kWorkers = 8;
  constexpr std::size_t kCapacity = 4096;
  const WorkerOfEnds worker_of(HashKey::fixed(), false, kWorkers);
  std::vector<std::unique_ptr<Table>> tables;
  for (std::size_t i = 0; i < kWorkers; ++i) tables.push_back(std::make_unique<Table>(kCapacity, HashKey::fixed()));
  Table::Slot evicted;
  std::uint32_t evictions = 0;
  for (std::uint32_t i = 0; i < kWorkers * kCapacity * 7 / 10; ++i) {
    Table& table = *tables[worker_of(client(i), kServer, 0)];
    const FlowKey4 key = flowtable::make_key4(client(i), kServer, 0).key;
    evictions += table.insert(key, table.place_of(key), evicted).inserted == flowtable::Inserted::fresh ? 0 : 1;
  }
  EXPECT_EQ(evictions, 0U);
}

}  // namespace
}  // namespace doorslam::port
