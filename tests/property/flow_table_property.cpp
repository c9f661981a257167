// The flow table against a std::unordered_map, and the two-way key.

#include "flowtable/flow_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace doorslam::flowtable {
namespace {

constexpr TimeNs kStart = 1'700'000'000 * kSecondNs;

struct Conn {
  TimeNs seen = 0;
  TimeNs deadline = 0;
  std::uint64_t cookie = 0;
  EvictionClass kind = EvictionClass::embryonic;

  TimeNs last_seen() const noexcept { return seen; }
  EvictionClass eviction_class() const noexcept { return kind; }
  friend bool operator==(const Conn&, const Conn&) = default;
};

enum class Action { insert, find, touch, reclassify, erase, wait, grow };

struct TableStep {
  Action action = Action::insert;
  std::uint32_t flow = 0;
  EvictionClass kind = EvictionClass::embryonic;
  DurationNs length = 0;
};

void showValue(const TableStep& step, std::ostream& os) {
  os << "{action " << static_cast<int>(step.action) << ", flow " << step.flow << ", kind "
     << static_cast<int>(step.kind) << ", " << step.length << " ns}";
}

rc::Gen<TableStep> table_step(std::uint32_t flows) {
  return rc::gen::build<TableStep>(
      rc::gen::set(&TableStep::action, rc::gen::weightedElement<Action>({{30, Action::insert},
                                                                         {4, Action::find},
                                                                         {4, Action::touch},
                                                                         {4, Action::reclassify},
                                                                         {1, Action::erase},
                                                                         {1, Action::wait},
                                                                         {1, Action::grow}})),
      rc::gen::set(&TableStep::flow, rc::gen::inRange<std::uint32_t>(0, flows)),
      rc::gen::set(&TableStep::kind,
                   rc::gen::map(rc::gen::inRange(0, 3), [](int i) { return static_cast<EvictionClass>(i); })),
      rc::gen::set(&TableStep::length, rc::gen::map(rc::gen::inRange<std::int64_t>(0, 100'000),
                                                    [](std::int64_t ms) { return ms * kMillisecondNs; })));
}

FlowKey4 key_of(const FlowKey4*, std::uint32_t flow) { return {flow, 443, 0xc0000201, 50000}; }
FlowKey6 key_of(const FlowKey6*, std::uint32_t flow) { return {{1, flow}, 443, {2, 3}, 50000}; }

/// Plays the steps on a table and on a std::unordered_map, and compares them after each.
template <class Key>
class TableAgainstMap {
 public:
  using Table = FlowTable<Key, Conn>;

  TableAgainstMap(std::size_t capacity, const HashKey& hash_key) : table_(capacity, hash_key) {
    std::array<std::uint32_t, 1> none;
    RC_ASSERT(table_.due(now_, none) == 0U);
  }

  void play(const TableStep& step) {
    const Key key = key_of(static_cast<const Key*>(nullptr), step.flow);
    const auto place = table_.place_of(key);
    table_.prefetch(place);
    // What a burst knows may be from before others came and went: here, from when the flow had its last step.
    const auto [earlier, is_first] = glimpses_.try_emplace(step.flow, table_.prefetch_slot(place));
    const auto glimpse = std::exchange(earlier->second, table_.prefetch_slot(place));
    auto* const slot = table_.find(key, place, glimpse);
    RC_ASSERT(slot == table_.find(key, place));
    const auto known = model_.find(step.flow);
    RC_ASSERT((slot != nullptr) == (known != model_.end()));
    if (slot != nullptr) {
      RC_ASSERT(slot->key == key);
      RC_ASSERT(slot->state == known->second);
    }
    if (step.action == Action::wait) return wait(step.length / 10);
    if (step.action == Action::grow) return grow();
    if (slot == nullptr) {
      if (step.action == Action::insert) insert(step, key, place, glimpse, is_first);
      return;
    }
    switch (step.action) {
      case Action::touch:
        slot->state.seen = known->second.seen = now_;
        break;
      case Action::reclassify:
        slot->state.kind = known->second.kind = step.kind;
        table_.reclassify(*slot);
        slot->state.deadline = known->second.deadline = now_ + step.length;
        table_.schedule(table_.index_of(*slot), now_ + step.length);
        break;
      case Action::erase:
        table_.erase(slot);
        model_.erase(known);
        break;
      default:
        break;
    }
  }

  void compare_all() {
    RC_ASSERT(table_.size() == model_.size());
    for (const auto& [flow, conn] : model_) {
      const Key key = key_of(static_cast<const Key*>(nullptr), flow);
      const auto* const slot = table_.find(key, table_.place_of(key));
      RC_ASSERT(slot != nullptr);
      RC_ASSERT(slot->state == conn);
    }
    std::size_t walked = 0;
    for (std::size_t i = table_.next_occupied(0); i < table_.capacity(); i = table_.next_occupied(i + 1)) ++walked;
    RC_ASSERT(walked == model_.size());
  }

  std::size_t evictions() const { return evictions_; }

 private:
  void insert(const TableStep& step, const Key& key, const typename Table::Place& place,
              const typename Table::Glimpse& glimpse, bool up_to_date) {
    typename Table::Slot evicted{};
    const bool looks_anew = step.length % 4 == 0;
    const auto [slot, inserted] =
        looks_anew ? table_.insert(key, place, evicted) : table_.insert(key, place, glimpse, evicted);
    RC_ASSERT(slot->state == Conn{});
    if (inserted == Inserted::fresh) {
      RC_ASSERT(model_.size() < table_.capacity());
    } else {
      check_eviction(evicted, inserted, looks_anew || up_to_date);
    }
    slot->state = {now_, now_ + step.length, ++cookie_, step.kind};
    table_.reclassify(*slot);
    table_.schedule(table_.index_of(*slot), now_ + step.length);
    model_.emplace(step.flow, slot->state);
  }

  void check_eviction(const typename Table::Slot& evicted, Inserted inserted, bool up_to_date) {
    ++evictions_;
    const auto victim = std::find_if(model_.begin(), model_.end(), [&](const auto& entry) {
      return key_of(static_cast<const Key*>(nullptr), entry.first) == evicted.key;
    });
    RC_ASSERT(victim != model_.end());
    RC_ASSERT(victim->second == evicted.state);
    RC_ASSERT(static_cast<int>(inserted) - 1 == static_cast<int>(evicted.state.kind));
    // With two buckets every connection is a candidate, and the choice can be judged.
    if (up_to_date && table_.capacity() == 2 * kBucketSlots) {
      for (const auto& [flow, conn] : model_) {
        RC_ASSERT(evicted.state.kind <= conn.kind);
        if (conn.kind != EvictionClass::established) continue;
        RC_ASSERT(evicted.state.kind != EvictionClass::established || evicted.state.seen <= conn.seen);
      }
    }
    model_.erase(victim);
  }

  /// Lets time pass; every other connection whose time has come is kept, to be filed again.
  void wait(DurationNs length) {
    now_ += length;
    std::array<std::uint32_t, 5> out;
    for (std::size_t count = out.size(); count == out.size();) {
      count = table_.due(now_, out);
      for (std::size_t i = 0; i < count; ++i) expire(out[i]);
    }
    for (const auto& [flow, conn] : model_) RC_ASSERT(conn.deadline > now_ - 2 * Deadlines::kTickNs);
  }

  /// All are there afterwards, whether or not there was a larger table that holds them; wait() sees to the deadlines.
  void grow() {
    if (table_.capacity() > 2000) return;
    const std::size_t before = table_.capacity();
    const bool grown = table_.grow(before * 3 / 2, Pages::normal);
    glimpses_.clear();
    RC_ASSERT((grown ? table_.capacity() > before : table_.capacity() == before));
    compare_all();
  }

  void expire(std::uint32_t index) {
    RC_ASSERT(table_.occupied(index));
    auto& slot = table_.at(index);
    const auto known = std::find_if(model_.begin(), model_.end(), [&](const auto& entry) {
      return key_of(static_cast<const Key*>(nullptr), entry.first) == slot.key;
    });
    RC_ASSERT(known != model_.end());
    RC_ASSERT(known->second.deadline <= now_);
    if (known->second.cookie % 2 == 0) {
      slot.state.deadline = known->second.deadline = now_ + kSecondNs;
      table_.schedule(index, now_ + kSecondNs);
    } else {
      table_.erase(&slot);
      model_.erase(known);
    }
  }

  Table table_;
  std::unordered_map<std::uint32_t, Conn> model_;
  std::unordered_map<std::uint32_t, typename Table::Glimpse> glimpses_;  ///< by flow
  TimeNs now_ = kStart;
  std::uint64_t cookie_ = 0;
  std::size_t evictions_ = 0;
};

template <class Key>
void table_agrees_with_map() {
  const auto capacity = *rc::gen::element<std::size_t>(32, 64, 320);
  const auto crowding = *rc::gen::inRange<std::uint32_t>(1, 8);  // keys: half the capacity to 3.5 times it
  TableAgainstMap<Key> both(capacity, HashKey(*rc::gen::arbitrary<std::array<std::uint64_t, 6>>()));
  // Long runs: RapidCheck's own length (up to 100 steps) would hardly fill a table.
  const auto step_kind = table_step(static_cast<std::uint32_t>(capacity) * crowding / 2);
  const auto steps = *rc::gen::scale(40.0, rc::gen::container<std::vector<TableStep>>(step_kind));
  for (const TableStep& step : steps) both.play(step);
  both.compare_all();
  RC_CLASSIFY(both.evictions() > 0, "evicted");
}

RC_GTEST_PROP(FlowTableProperty, AgreesWithUnorderedMapForIpv4, ()) { table_agrees_with_map<FlowKey4>(); }
RC_GTEST_PROP(FlowTableProperty, AgreesWithUnorderedMapForIpv6, ()) { table_agrees_with_map<FlowKey6>(); }

/// Looks at all keys of a burst before it inserts, erases and changes any, as the tracker does.
template <class Key>
class BurstsAgainstSet {
 public:
  using Table = FlowTable<Key, Conn>;

  BurstsAgainstSet(std::size_t capacity, const HashKey& hash_key) : table_(capacity, hash_key) {
    std::array<std::uint32_t, 1> none;
    RC_ASSERT(table_.due(kStart, none) == 0U);
  }

  void play(const std::vector<TableStep>& burst) {
    std::vector<typename Table::Glimpse> glimpses;
    for (const TableStep& step : burst) glimpses.push_back(table_.prefetch_slot(table_.place_of(key(step))));
    for (std::size_t i = 0; i < burst.size(); ++i) {
      // Somebody may look late.
      if (burst[i].length % 8 == 0) glimpses[i] = table_.prefetch_slot(table_.place_of(key(burst[i])));
      play(burst[i], glimpses[burst[i].length % 8 == 1 ? last_of_flow(burst, i) : i]);
    }
    RC_ASSERT(table_.size() == flows_.size());
  }

 private:
  static Key key(const TableStep& step) { return key_of(static_cast<const Key*>(nullptr), step.flow); }

  static std::size_t last_of_flow(const std::vector<TableStep>& burst, std::size_t i) {
    std::size_t last = i;
    for (std::size_t j = i; j < burst.size(); ++j) last = burst[j].flow == burst[i].flow ? j : last;
    return last;
  }

  void play(const TableStep& step, const typename Table::Glimpse& glimpse) {
    const auto place = table_.place_of(key(step));
    auto* slot = table_.find(key(step), place, glimpse);
    RC_ASSERT((slot != nullptr) == flows_.contains(key(step).words()));
    RC_ASSERT(slot == table_.find(key(step), place));
    if (slot == nullptr && step.action == Action::insert) {
      typename Table::Slot evicted{};
      const auto [fresh, inserted] = table_.insert(key(step), place, glimpse, evicted);
      if (inserted != Inserted::fresh) RC_ASSERT(flows_.erase(evicted.key.words()) == 1U);
      RC_ASSERT(flows_.insert(key(step).words()).second);
      table_.schedule(table_.index_of(*fresh), kStart + step.length);
    } else if (slot != nullptr && step.action == Action::erase) {
      table_.erase(slot);
      flows_.erase(key(step).words());
    } else if (slot != nullptr && step.action == Action::reclassify) {
      slot->state.kind = step.kind;  // any, also back to a lower one
      table_.reclassify(*slot);
    }
  }

  Table table_;
  std::set<std::decay_t<decltype(Key().words())>> flows_;
};

template <class Key>
void bursts_agree_with_set() {
  const auto capacity = *rc::gen::element<std::size_t>(32, 64);
  BurstsAgainstSet<Key> both(capacity, HashKey(*rc::gen::arbitrary<std::array<std::uint64_t, 6>>()));
  const auto step_kind = table_step(static_cast<std::uint32_t>(capacity) * *rc::gen::inRange<std::uint32_t>(1, 4));
  const auto steps = *rc::gen::scale(20.0, rc::gen::container<std::vector<TableStep>>(step_kind));
  constexpr std::size_t kMost = 64;
  for (std::size_t i = 0; i < steps.size(); i += kMost) {
    const auto begin = steps.begin() + static_cast<std::ptrdiff_t>(i);
    both.play({begin, begin + static_cast<std::ptrdiff_t>(std::min(kMost, steps.size() - i))});
  }
}

RC_GTEST_PROP(FlowTableProperty, BurstsAgreeWithSetForIpv4, ()) { bursts_agree_with_set<FlowKey4>(); }
RC_GTEST_PROP(FlowTableProperty, BurstsAgreeWithSetForIpv6, ()) { bursts_agree_with_set<FlowKey6>(); }

Endpoint any_endpoint(IpVersion version) {
  Endpoint end;
  end.address.version = version;
  // Few values, so that equal addresses and equal ports come up.
  const std::size_t length = version == IpVersion::v4 ? 4 : 16;
  for (std::size_t i = 0; i < length; ++i) end.address.octets[i] = *rc::gen::element<std::uint8_t>(0, 1, 127, 128, 255);
  if (*rc::gen::arbitrary<bool>()) end.address.octets = {10, 0, 0, 1};
  end.port = *rc::gen::element<std::uint16_t>(0, 1, 443, 0x8000, 0xffff);
  return end;
}

template <class Key>
void both_directions_agree(IpVersion version) {
  const Endpoint a = any_endpoint(version);
  const Endpoint b = any_endpoint(version);
  const auto vlan = *rc::gen::inRange<std::uint16_t>(0, 4096);
  const HashKey hash_key(*rc::gen::arbitrary<std::array<std::uint64_t, 6>>());
  const auto there = make_key<Key>(a, b, vlan);
  const auto back = make_key<Key>(b, a, vlan);
  RC_ASSERT(there.key == back.key);
  RC_ASSERT(hash_key.hash(there.key) == hash_key.hash(back.key));
  RC_ASSERT(there.source_is_lo == (a <= b));  // octets in network order compare as the numbers do
  RC_ASSERT(back.source_is_lo == (b <= a));
  RC_ASSERT(there.key.lo() == std::min(a, b));
  RC_ASSERT(there.key.hi() == std::max(a, b));
}

RC_GTEST_PROP(FlowKeyProperty, BothDirectionsGiveOneKeyForIpv4, ()) { both_directions_agree<FlowKey4>(IpVersion::v4); }
RC_GTEST_PROP(FlowKeyProperty, BothDirectionsGiveOneKeyForIpv6, ()) { both_directions_agree<FlowKey6>(IpVersion::v6); }

}  // namespace
}  // namespace doorslam::flowtable
