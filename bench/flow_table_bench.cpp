// The flow table beside absl::flat_hash_map and std::unordered_map, and beside the floor: one cache line a packet.
//
// How it is measured: connections are looked up in uniformly random order, the worst case for every cache; a lookup
// includes hashing the key, and writing the connection's last-seen time, as a packet does. Where a container can
// prefetch, bursts of 64 are gone through in passes. All containers use the table's keyed hash, so that they differ in
// what they do with it alone, and are sized beforehand, so that none grows. The maps cannot be full: their "100 %" is
// as many entries as fill the table. Read ratios between lines of one run, not nanoseconds.

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "bench/support/containers.h"

namespace doorslam::bench {
namespace {

using flowtable::DurationNs;
using flowtable::kMillisecondNs;
using flowtable::kSecondNs;
using flowtable::PageMemory;
using flowtable::Pages;
using flowtable::TimeNs;

constexpr std::size_t kBurst = kKeyBurst;
constexpr TimeNs kStart = kTableStart;

/// What this thread has used of its processor: others on the machine do not count.
double cpu_seconds() {
  timespec used;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

/// Connections are this share of the table in the lookups, 1/1024.
constexpr std::size_t kLookupLoad = 820;

/// The floor: nobody can look up and write to a connection's line with less than touching it.
void touch_a_line(benchmark::State& state) {
  struct alignas(64) Line {
    std::uint64_t value;
  };
  const auto connections = static_cast<std::size_t>(state.range(0));
  const PageMemory memory(connections * sizeof(Line), Pages::huge);
  auto* const lines = static_cast<Line*>(memory.data());
  std::vector<std::uint32_t> order(connections);
  std::iota(order.begin(), order.end(), 0U);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  for (const std::uint32_t line : order) lines[line].value = 1;
  std::size_t next = 0;
  for (auto _ : state) {
    for (std::size_t i = 0; i < kBurst; ++i) __builtin_prefetch(&lines[order[next + i]]);
    for (std::size_t i = 0; i < kBurst; ++i) lines[order[next + i]].value += next;
    next = next + 2 * kBurst <= connections ? next + kBurst : 0;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
}

template <class Container, bool kHit>
void lookup(benchmark::State& state) {
  const auto connections = static_cast<std::size_t>(state.range(0));
  Container container(connections * 1024 / kLookupLoad);
  fill(container, shuffled_keys(0, connections));
  const auto keys = shuffled_keys(kHit ? 0 : connections, connections);
  std::size_t next = 0;
  std::size_t found = 0;
  for (auto _ : state) {
    found += container.find_burst(&keys[next], kStart + static_cast<TimeNs>(next));
    next = next + 2 * kBurst <= connections ? next + kBurst : 0;
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBurst));
  state.counters["found"] = static_cast<double>(found) / static_cast<double>(state.iterations() * kBurst);
}

/// Connections come at a given load and, the clock stopped, the same number of old ones goes; in a full table the
/// arrivals push out others themselves.
template <class Container>
void insert_at(benchmark::State& state) {
  constexpr std::size_t kCapacity = std::size_t{1} << 20;
  constexpr std::size_t kRound = 64 * kBurst;
  const auto load = static_cast<std::size_t>(state.range(0));
  const bool full = load == 100;
  const bool bounded = requires(Container c) { c.evictions; };
  Container container(kCapacity);
  const auto keys = shuffled_keys(0, 8 * kCapacity);
  const std::size_t present = kCapacity / 100 * load / kRound * kRound;
  std::size_t oldest = 0;
  std::size_t next = 0;
  const auto add = [&] {
    container.insert_burst(&keys[next], kStart + static_cast<TimeNs>(next));
    next = (next + kBurst) % keys.size();
  };
  const std::size_t warm_up = full && bounded ? 2 * kCapacity : present;  // choices of two leave gaps at first
  while (next < warm_up) add();
  for (auto _ : state) {
    const double begin = cpu_seconds();
    for (std::size_t i = 0; i < kRound; i += kBurst) add();
    state.SetIterationTime(cpu_seconds() - begin);
    if (full && bounded) continue;
    for (std::size_t i = 0; i < kRound; ++i) container.erase(keys[(oldest + i) % keys.size()]);
    oldest = (oldest + kRound) % keys.size();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kRound));
}

/// A table of connections that all go silent within a minute: popping and erasing each.
void expire(benchmark::State& state) {
  const auto connections = static_cast<std::size_t>(state.range(0));
  OurTable container(connections * 1024 / kLookupLoad);
  const auto keys = shuffled_keys(0, connections);
  std::mt19937_64 random(1);
  TimeNs now = kStart;
  std::array<std::uint32_t, kBurst> out;
  for (auto _ : state) {
    fill(container, keys);
    OurTable::Table& table = container.table;
    for (std::size_t i = table.next_occupied(0); i < table.capacity(); i = table.next_occupied(i + 1)) {
      table.schedule(static_cast<std::uint32_t>(i), now + static_cast<DurationNs>(random() % (60 * kSecondNs)));
    }
    const double begin = cpu_seconds();
    for (const TimeNs end = now + 61 * kSecondNs; now < end; now += kMillisecondNs) {
      for (std::size_t count = out.size(); count == out.size();) {
        count = table.due(now, out);
        for (std::size_t i = 0; i < count; ++i) table.erase(&table.at(out[i]));
      }
    }
    state.SetIterationTime(cpu_seconds() - begin);
    if (table.size() != 0) state.SkipWithError("connections were left behind");
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(connections));
}

constexpr std::int64_t kThousand = 1000;
constexpr std::int64_t kMillion = 1'000'000;

BENCHMARK(touch_a_line)->Arg(10 * kThousand)->Arg(kMillion)->Arg(10 * kMillion);
BENCHMARK(lookup<OurTable, true>)->Name("lookup_hit/table")->Arg(10 * kThousand)->Arg(kMillion)->Arg(10 * kMillion);
BENCHMARK(lookup<AbslTable, true>)->Name("lookup_hit/absl")->Arg(10 * kThousand)->Arg(kMillion)->Arg(10 * kMillion);
BENCHMARK(lookup<StdTable, true>)->Name("lookup_hit/std")->Arg(10 * kThousand)->Arg(kMillion);
BENCHMARK(lookup<OurTable, false>)->Name("lookup_miss/table")->Arg(kMillion);
BENCHMARK(lookup<AbslTable, false>)->Name("lookup_miss/absl")->Arg(kMillion);
BENCHMARK(lookup<StdTable, false>)->Name("lookup_miss/std")->Arg(kMillion);
BENCHMARK(insert_at<OurTable>)->Name("insert/table")->Arg(50)->Arg(90)->Arg(100)->UseManualTime();
BENCHMARK(insert_at<AbslTable>)->Name("insert/absl")->Arg(50)->Arg(90)->Arg(100)->UseManualTime();
BENCHMARK(insert_at<StdTable>)->Name("insert/std")->Arg(50)->Arg(90)->Arg(100)->UseManualTime();
BENCHMARK(expire)->Arg(kMillion)->Unit(benchmark::kMillisecond)->UseManualTime();

}  // namespace
}  // namespace doorslam::bench
