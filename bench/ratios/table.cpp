// The flow table beside DPDK's rte_hash, absl::flat_hash_map and std::unordered_map, a million connections.

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/support/contest.h"
#include "bench/support/findings.h"
#include "bench/support/mbuf_source.h"
#include "bench/support/path.h"
#include "bench/support/rte_table.h"

namespace doorslam::bench {
namespace {

using flowtable::FlowKey4;
using flowtable::TimeNs;

constexpr std::size_t kLookups = std::size_t{1} << 18U;

/// Looks up connections in uniformly random order: the worst case for every cache.
template <class Container>
class Lookups {
 public:
  /// `keys` is borrowed.
  Lookups(std::size_t capacity, const std::vector<FlowKey4>& present, const std::vector<FlowKey4>& keys)
      : container_(capacity), keys_(keys), all_found_(&present == &keys) {
    fill(container_, present);
  }

  double round() {
    std::size_t found = 0;
    const double cost = cycles_each(kLookups, [&] {
      for (std::size_t done = 0; done < kLookups; done += kKeyBurst) {
        found += container_.find_burst(&keys_[next_], kTableStart + static_cast<TimeNs>(done));
        next_ = next_ + 2 * kKeyBurst <= keys_.size() ? next_ + kKeyBurst : 0;
      }
    });
    if (found != (all_found_ ? kLookups : 0)) throw std::runtime_error("a lookup found what it should not, or not");
    return cost;
  }

 private:
  Container container_;
  const std::vector<FlowKey4>& keys_;
  bool all_found_;
  std::size_t next_ = 0;
};

void measure_lookups(Findings& findings) {
  const std::size_t connections = (findings.quick() ? 100'000 : 1'000'000) / kKeyBurst * kKeyBurst;
  const std::size_t capacity = connections * 10 / 8;
  const auto present = shuffled_keys(0, connections);
  const auto absent = shuffled_keys(connections, connections);
  for (const bool hit : {true, false}) {
    const auto& keys = hit ? present : absent;
    Lookups<OurTable> ours(capacity, present, keys);
    Lookups<RteTable> rte(capacity, present, keys);
    Lookups<AbslTable> absl(capacity, present, keys);
    Lookups<StdTable> standard(capacity, present, keys);
    Contest contest;
    contest.add("table", [&] { return ours.round(); });
    contest.add("rte_hash", [&] { return rte.round(); });
    contest.add("absl", [&] { return absl.round(); });
    contest.add("std", [&] { return standard.round(); });
    contest.run(findings.rounds(31));
    const std::string series = hit ? "lookup_hit" : "lookup_miss";
    for (const char* const name : {"table", "rte_hash", "absl", "std"}) findings.cycles(series, name, contest.of(name));
    if (!hit) continue;
    findings.ratio("R3_1M", contest.of("rte_hash") / contest.of("table"));
    findings.ratio("R3_absl", contest.of("absl") / contest.of("table"));
    findings.ratio("R3_std", contest.of("std") / contest.of("table"));
  }
}

/// Connections come at a given load; then, the clock stopped, as many old ones go, and so on. In a full table our
/// arrivals push out others, and rte_hash's are refused. A round is long, as it begins with what the other contenders
/// have left of the caches, the TLB and the branch predictors.
template <class Container>
class Inserts {
 public:
  Inserts(std::size_t capacity, std::size_t load_percent, std::size_t portion)
      : container_(capacity),
        full_(load_percent == 100),
        portion_(portion),
        present_(capacity / 100 * load_percent / kKeyBurst * kKeyBurst) {
    // Choices of two leave gaps at first; it takes more than what fits to fill them.
    const std::size_t warm_up = full_ ? (kEvicts ? 2 * capacity : capacity + capacity / 64) : present_;
    while (next_ < warm_up) {
      make_keys(kKeyBurst);
      insert();
    }
  }

  double round() {
    constexpr int kPortions = 16;
    double cost = 0;
    for (int portion = 0; portion < kPortions; ++portion) {
      make_keys(portion_);
      cost += cycles_each(portion_, [&] { insert(); });
      for (std::size_t i = 0; !full_ && i < portion_; ++i) container_.erase(key_of(oldest_++));
    }
    return cost / kPortions;
  }

 private:
  static constexpr bool kEvicts = requires(Container c) { c.evictions; };

  /// Of the connections that come next. Made beforehand: to make one takes a tenth of the time that inserting it does.
  void make_keys(std::size_t count) {
    keys_.clear();
    while (keys_.size() < count) keys_.push_back(key_of(next_++));
  }

  void insert() {
    for (std::size_t done = 0; done < keys_.size(); done += kKeyBurst) {
      container_.insert_burst(&keys_[done], kTableStart + static_cast<TimeNs>(next_));
    }
  }

  Container container_;
  bool full_;
  std::size_t portion_;
  std::size_t present_;
  std::uint32_t oldest_ = 0;
  std::uint32_t next_ = 0;
  std::vector<FlowKey4> keys_;
};

void measure_inserts(Findings& findings) {
  const std::size_t capacity = std::size_t{1} << (findings.quick() ? 17U : 20U);
  for (const std::size_t load : {50, 80, 90, 95, 100}) {
    const std::string at = std::to_string(load);
    const std::size_t portion = 64 * kKeyBurst;
    Inserts<OurTable> ours(capacity, load, portion);
    Inserts<RteTable> rte(capacity, load, load == 100 ? 4 * kKeyBurst : portion);
    Contest contest;
    contest.add("table", [&] { return ours.round(); });
    contest.add("rte_hash", [&] { return rte.round(); });
    std::optional<Inserts<AbslTable>> absl;
    if (load != 100) {  // it grows instead of being full
      absl.emplace(capacity, load, portion);
      contest.add("absl", [&] { return absl->round(); });
    }
    contest.run(findings.rounds(31));
    findings.cycles("insert_" + at, "table", contest.of("table"));
    findings.cycles("insert_" + at, "rte_hash", contest.of("rte_hash"));
    if (absl) findings.cycles("insert_" + at, "absl", contest.of("absl"));
    findings.ratio("R4_" + at, contest.of("rte_hash") / contest.of("table"));
  }
}

}  // namespace
}  // namespace doorslam::bench

int main(int argc, char** argv) {
  using namespace doorslam::bench;
  Findings findings(argc, argv, "The flow table beside the tables that others use");
  try {
    findings.fact("huge_pages", start_dpdk());
    measure_lookups(findings);
    measure_inserts(findings);
    return findings.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "table: %s\n", error.what());
    return 1;
  }
}
