#include "flowtable/flow_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <vector>

namespace doorslam::flowtable {
namespace {

struct State {
  TimeNs seen = 0;
  EvictionClass kind = EvictionClass::embryonic;
  std::array<std::uint8_t, 39> more{};

  TimeNs last_seen() const noexcept { return seen; }
  EvictionClass eviction_class() const noexcept { return kind; }
};

/// As large, with the least alignment, and the class as a number.
struct NarrowState {
  std::array<std::uint32_t, 11> words{};

  TimeNs last_seen() const noexcept { return words[0]; }
  unsigned eviction_class() const noexcept { return words[1]; }
};

using Table = FlowTable<FlowKey4, State>;
static_assert(sizeof(State) == 48 && sizeof(Table::Slot) == 64, "an IPv4 connection is one cache line");
static_assert(sizeof(FlowTable<FlowKey4, NarrowState>::Slot) == 64, "also when its state is smaller");
static_assert(alignof(Table::Slot) == 64);
static_assert(Table::kOctetsPerSlot == 68);
static_assert(sizeof(FlowTable<FlowKey6, State>::Slot) == 88);

constexpr TimeNs kStart = 1'700'000'000 * kSecondNs;
constexpr std::size_t kSmallest = 32;  // two buckets: every key may stand anywhere

FlowKey4 key_of(std::uint32_t number) { return {number, 1, 0xffffffff, 2}; }

class FlowTableTest : public testing::Test {
 protected:
  Table::InsertResult add(std::uint32_t number, EvictionClass kind = EvictionClass::embryonic, TimeNs seen = kStart) {
    const FlowKey4 key = key_of(number);
    const Table::InsertResult result = table_.insert(key, table_.place_of(key), evicted_);
    result.slot->state.kind = kind;
    result.slot->state.seen = seen;
    table_.reclassify(*result.slot);
    return result;
  }
  Table::Slot* find(std::uint32_t number) { return table_.find(key_of(number), table_.place_of(key_of(number))); }

  Table table_{kSmallest, HashKey::fixed()};
  Table::Slot evicted_{};
};

TEST_F(FlowTableTest, FindsWhatWasInsertedAndNothingElse) {
  const auto [slot, inserted] = add(1);
  EXPECT_EQ(inserted, Inserted::fresh);
  EXPECT_EQ(find(1), slot);
  EXPECT_EQ(slot->key, key_of(1));
  EXPECT_EQ(find(2), nullptr);
  EXPECT_EQ(table_.size(), 1U);
}

TEST_F(FlowTableTest, AnErasedKeyIsGoneAndItsSlotStartsAfresh) {
  add(1, EvictionClass::established).slot->state.more[5] = 9;
  table_.erase(find(1));
  EXPECT_EQ(find(1), nullptr);
  EXPECT_EQ(table_.size(), 0U);
  const FlowKey4 key = key_of(1);
  const Table::Slot& again = *table_.insert(key, table_.place_of(key), evicted_).slot;
  EXPECT_EQ(again.state.more[5], 0);
  EXPECT_EQ(again.state.kind, EvictionClass::embryonic);
}

TEST_F(FlowTableTest, SmallTablesFillCompletelyBeforeTheyEvict) {
  ASSERT_EQ(table_.capacity(), kSmallest);
  for (std::uint32_t i = 0; i < kSmallest; ++i) ASSERT_EQ(add(i).inserted, Inserted::fresh);
  EXPECT_EQ(table_.size(), kSmallest);
  EXPECT_EQ(add(kSmallest).inserted, Inserted::evicted_embryonic);
  EXPECT_EQ(table_.size(), kSmallest);
}

TEST_F(FlowTableTest, EvictsEmbryonicThenClosedThenEstablished) {
  for (std::uint32_t i = 0; i < kSmallest - 2; ++i) add(i, EvictionClass::established, kStart + i);
  add(100, EvictionClass::closed);
  add(101, EvictionClass::embryonic, kStart + kSecondNs);  // the newest of all
  EXPECT_EQ(add(200, EvictionClass::established, kStart + 200).inserted, Inserted::evicted_embryonic);
  EXPECT_EQ(evicted_.key, key_of(101));
  EXPECT_EQ(add(201, EvictionClass::established, kStart + 201).inserted, Inserted::evicted_closed);
  EXPECT_EQ(evicted_.key, key_of(100));
  EXPECT_EQ(add(202, EvictionClass::established, kStart + 202).inserted, Inserted::evicted_established);
  EXPECT_EQ(evicted_.key, key_of(0));  // the least last_seen
  EXPECT_EQ(evicted_.state.seen, kStart);
  EXPECT_EQ(find(0), nullptr);
  EXPECT_NE(find(1), nullptr);
}

TEST_F(FlowTableTest, AmongEmbryonicTheSoonestDueMakesWay) {
  std::array<std::uint32_t, 4> out;
  table_.due(kStart, out);
  for (std::uint32_t i = 0; i < kSmallest; ++i) {
    table_.schedule(table_.index_of(*add(i).slot), kStart + (i == 17 ? 1 : 5) * kSecondNs);
  }
  add(100);
  EXPECT_EQ(evicted_.key, key_of(17));
}

TEST_F(FlowTableTest, TakesTheEmptySlotThatWasSeen) {
  const auto place = table_.place_of(key_of(1));
  const Table::Glimpse glimpse = table_.prefetch_slot(place);
  EXPECT_FALSE(glimpse.occupied());
  const auto [slot, inserted] = table_.insert(key_of(1), place, glimpse, evicted_);
  EXPECT_EQ(inserted, Inserted::fresh);
  EXPECT_EQ(slot, glimpse.slot);
  EXPECT_EQ(find(1), slot);
}

TEST_F(FlowTableTest, ASlotSeenEmptyAndTakenSinceIsLeftToWhoHasIt) {
  const auto place = table_.place_of(key_of(1));
  const Table::Glimpse glimpse = table_.prefetch_slot(place);
  table_.insert(key_of(2), place, glimpse, evicted_);  // as if it had looked at the same time
  EXPECT_EQ(table_.find(key_of(1), place, glimpse), nullptr);
  EXPECT_EQ(table_.insert(key_of(1), place, glimpse, evicted_).inserted, Inserted::fresh);
  EXPECT_EQ(table_.size(), 2U);
  EXPECT_NE(find(1), find(2));
}

TEST_F(FlowTableTest, OfTwoThatSawTheSameVictimEachTakesAnother) {
  std::array<std::uint32_t, 4> out;
  table_.due(kStart, out);
  for (std::uint32_t i = 0; i < kSmallest; ++i) {
    table_.schedule(table_.index_of(*add(i).slot), kStart + (1 + i) * kSecondNs);
  }
  const auto place = table_.place_of(key_of(100));
  const Table::Glimpse glimpse = table_.prefetch_slot(place);
  ASSERT_TRUE(glimpse.occupied());
  EXPECT_EQ(find(0), glimpse.slot);
  Table::Slot* const first = table_.insert(key_of(100), place, glimpse, evicted_).slot;
  EXPECT_EQ(evicted_.key, key_of(0));
  table_.schedule(table_.index_of(*first), kStart + 100 * kSecondNs);
  EXPECT_EQ(table_.insert(key_of(101), place, glimpse, evicted_).inserted, Inserted::evicted_embryonic);
  EXPECT_EQ(evicted_.key, key_of(1));
  EXPECT_NE(find(100), nullptr);
}

TEST_F(FlowTableTest, AKeyThatCameMeanwhileIsFoundByWhoSawNone) {
  const auto place = table_.place_of(key_of(1));
  const Table::Glimpse one = table_.prefetch_slot(place);
  const Table::Glimpse other = table_.prefetch_slot(place);  // two segments of a burst
  ASSERT_EQ(table_.find(key_of(1), place, one), nullptr);
  Table::Slot* const slot = table_.insert(key_of(1), place, one, evicted_).slot;
  EXPECT_EQ(table_.find(key_of(1), place, other), slot);
}

TEST_F(FlowTableTest, AKeyThatCameElsewhereMeanwhileIsFoundByWhoSawNone) {
  const auto place = table_.place_of(key_of(1));
  const Table::Glimpse early = table_.prefetch_slot(place);
  // The other bucket becomes the emptier one.
  std::uint32_t number = 2;
  while (table_.place_of(key_of(number)).bucket != place.bucket) ++number;
  const auto others = table_.place_of(key_of(number));
  table_.insert(key_of(number), others, table_.prefetch_slot(others), evicted_);
  const Table::Glimpse late = table_.prefetch_slot(place);
  ASSERT_NE(early.slot, late.slot);
  Table::Slot* const slot = table_.insert(key_of(1), place, late, evicted_).slot;
  EXPECT_EQ(table_.find(key_of(1), place, early), slot);
}

TEST_F(FlowTableTest, AKeyThatCameInAnothersPlaceMeanwhileIsFoundByWhoSawNone) {
  // A full table. What schedule(), reclassify() and due() change decides whose place a key is to take.
  std::array<std::uint32_t, 4> out;
  for (const int change : {0, 1, 2}) {
    Table table(kSmallest, HashKey::fixed());
    table.due(kStart, out);
    for (std::uint32_t i = 0; i < kSmallest; ++i) {
      Table::Slot& slot = *table.insert(key_of(i), table.place_of(key_of(i)), evicted_).slot;
      table.schedule(table.index_of(slot), kStart + (1 + i) * kSecondNs);
    }
    const auto slot_of = [&](std::uint32_t number) {
      return table.find(key_of(number), table.place_of(key_of(number)));
    };
    const auto place = table.place_of(key_of(100));
    const Table::Glimpse early = table.prefetch_slot(place);
    if (change == 0) table.schedule(table.index_of(*slot_of(5)), kStart + kSecondNs / 2);
    if (change == 1) {
      slot_of(0)->state.kind = EvictionClass::established;
      table.reclassify(*slot_of(0));
    }
    if (change == 2) {
      table.schedule(table.index_of(*slot_of(0)), kStart + 50 * kSecondNs);
      ASSERT_EQ(table.due(kStart + 3 * kSecondNs, out), 1U);
    }
    const Table::Glimpse late = table.prefetch_slot(place);
    ASSERT_NE(early.slot, late.slot) << change;
    Table::Slot* const slot = table.insert(key_of(100), place, late, evicted_).slot;
    if (change == 1) {  // as if nothing had happened
      slot_of(0)->state.kind = EvictionClass::embryonic;
      table.reclassify(*slot_of(0));
    }
    EXPECT_EQ(table.find(key_of(100), place, early), slot) << change;
  }
}

TEST_F(FlowTableTest, AKeyThatWentAndCameBackIsFoundByWhoSawNone) {
  const auto place = table_.place_of(key_of(1));
  const Table::Glimpse seen = table_.prefetch_slot(place);
  const Table::Glimpse same = table_.prefetch_slot(place);
  Table::Slot* const other = table_.insert(key_of(2), place, seen, evicted_).slot;  // in the slot that was seen empty
  Table::Slot* const slot = table_.insert(key_of(1), place, seen, evicted_).slot;
  ASSERT_NE(slot, other);
  table_.erase(other);  // which is empty again
  EXPECT_EQ(table_.find(key_of(1), place, same), slot);
}

TEST_F(FlowTableTest, NoGlimpseSpendsAnEstablishedConnection) {
  for (std::uint32_t i = 0; i < kSmallest; ++i) add(i, EvictionClass::established, kStart + 100 - i);
  const auto place = table_.place_of(key_of(100));
  const Table::Glimpse glimpse = table_.prefetch_slot(place);
  EXPECT_EQ(table_.insert(key_of(100), place, glimpse, evicted_).inserted, Inserted::evicted_established);
  EXPECT_EQ(evicted_.key, key_of(kSmallest - 1)) << "the one that was silent for longest";
}

TEST_F(FlowTableTest, AnEvictedConnectionsDeadlineDiesWithIt) {
  std::array<std::uint32_t, 64> out;
  table_.due(kStart, out);
  for (std::uint32_t i = 0; i < kSmallest; ++i) add(i, EvictionClass::established, kStart + i);
  table_.schedule(table_.index_of(*find(0)), kStart + kSecondNs);
  const Table::Slot& slot = *add(100).slot;
  ASSERT_EQ(evicted_.key, key_of(0));
  EXPECT_EQ(table_.due(kStart + 10 * kSecondNs, out), 0U);
  table_.schedule(table_.index_of(slot), kStart + 20 * kSecondNs);
  ASSERT_EQ(table_.due(kStart + 30 * kSecondNs, out), 1U);
  EXPECT_EQ(&table_.at(out[0]), &slot);
}

TEST_F(FlowTableTest, AnErasedConnectionsDeadlineDiesWithIt) {
  std::array<std::uint32_t, 4> out;
  table_.due(kStart, out);
  Table::Slot* const slot = add(1).slot;
  table_.schedule(table_.index_of(*slot), kStart + kSecondNs);
  table_.erase(slot);
  EXPECT_EQ(table_.due(kStart + 10 * kSecondNs, out), 0U);
}

TEST_F(FlowTableTest, GrowingKeepsConnectionsClassesAndDeadlines) {
  std::array<std::uint32_t, 64> out;
  table_.due(kStart, out);
  for (std::uint32_t i = 0; i < kSmallest; ++i) {
    const auto kind = i < 8 ? EvictionClass::embryonic : EvictionClass::established;
    table_.schedule(table_.index_of(*add(i, kind, kStart + i).slot), kStart + (i % 4 + 1) * kSecondNs);
  }
  ASSERT_TRUE(table_.grow(4 * kSmallest, Pages::normal));
  EXPECT_EQ(table_.capacity(), 4 * kSmallest);
  EXPECT_EQ(table_.size(), kSmallest);
  for (std::uint32_t i = 0; i < kSmallest; ++i) {
    const Table::Slot* const slot = find(i);
    ASSERT_NE(slot, nullptr) << i;
    EXPECT_EQ(slot->state.seen, kStart + i);
  }
  EXPECT_EQ(table_.due(kStart + 2 * kSecondNs + Deadlines::kTickNs, out), kSmallest / 2);
  EXPECT_EQ(table_.due(kStart + 4 * kSecondNs + Deadlines::kTickNs, out), kSmallest / 2);
  // The classes went along: of a full table, the embryonic make way first.
  for (std::uint32_t i = 1000; table_.size() < table_.capacity(); ++i) add(i, EvictionClass::established);
  for (std::uint32_t i = 0; i < 2000; ++i) add(10'000 + i, EvictionClass::established);
  for (std::uint32_t i = 0; i < 8; ++i) EXPECT_EQ(find(i), nullptr) << i;
}

TEST_F(FlowTableTest, DoesNotGrowWhereItWouldLoseAConnection) {
  // In a table of six buckets these all want the same two, 33 of them; in one of four they have room.
  Table four(64, HashKey::fixed());
  const Table six(96, HashKey::fixed());
  const auto wants_second_and_fifth = [&six](const FlowKey4& key) {
    const auto [one, other] = six.place_of(key).bucket;
    return std::min(one, other) == 1 && std::max(one, other) == 4;
  };
  std::vector<FlowKey4> keys;
  for (std::uint32_t i = 0; keys.size() < 33; ++i) {
    if (!wants_second_and_fifth(key_of(i))) continue;
    keys.push_back(key_of(i));
    ASSERT_EQ(four.insert(keys.back(), four.place_of(keys.back()), evicted_).inserted, Inserted::fresh);
  }
  EXPECT_FALSE(four.grow(96, Pages::normal));
  EXPECT_EQ(four.capacity(), 64U);
  for (const FlowKey4& key : keys) EXPECT_NE(four.find(key, four.place_of(key)), nullptr);
}

TEST_F(FlowTableTest, WalksThroughWhatIsThere) {
  for (std::uint32_t i = 0; i < 10; ++i) add(i);
  table_.erase(find(4));
  std::size_t seen = 0;
  for (std::size_t i = table_.next_occupied(0); i < table_.capacity(); i = table_.next_occupied(i + 1)) {
    const auto index = static_cast<std::uint32_t>(i);
    EXPECT_TRUE(table_.occupied(index));
    EXPECT_EQ(find(table_.at(index).key.lo_address()), &table_.at(index));
    ++seen;
  }
  EXPECT_EQ(seen, 9U);
}

/// Two choices of 16 slots hold to 86 % and lose next to nothing before 90 %.
TEST(FlowTable, HardlyEvictsBelowNinetyPerCent) {
  Table table(1 << 18, HashKey::fixed());
  Table::Slot evicted;
  std::size_t evictions = 0;
  for (std::uint32_t i = 0; table.size() < table.capacity() / 100 * 90; ++i) {
    const FlowKey4 key = key_of(i);
    if (table.insert(key, table.place_of(key), evicted).inserted != Inserted::fresh) ++evictions;
  }
  EXPECT_LT(evictions, table.capacity() / 2000);
}

/// Enough keys for every fingerprint to come up, also the one that would read as an empty tag.
TEST(FlowTable, FindsEveryKeyOfALargeTable) {
  Table table(1 << 18, HashKey::fixed());
  Table::Slot evicted;
  constexpr std::uint32_t kFlows = 200'000;
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    const FlowKey4 key = key_of(i);
    ASSERT_EQ(table.insert(key, table.place_of(key), evicted).inserted, Inserted::fresh);
  }
  EXPECT_EQ(table.size(), kFlows);
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    const FlowKey4 key = key_of(i);
    const Table::Slot* const slot = table.find(key, table.place_of(key));
    ASSERT_NE(slot, nullptr) << i;
    ASSERT_EQ(slot->key, key);
  }
}

std::size_t resident_octets() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0;
  std::size_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// A capacity is a ceiling, not an expense: a thousand connections must not make a gigabyte resident.
TEST(FlowTable, MemoryIsResidentOnlyWhereConnectionsAre) {
  const std::size_t before = resident_octets();
  Table table((std::size_t{1} << 30) / Table::kOctetsPerSlot, HashKey::fixed(), Pages::normal);
  Table::Slot evicted;
  std::array<std::uint32_t, 4> out;
  table.due(kStart, out);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const FlowKey4 key = key_of(i);
    table.prefetch(table.place_of(key));
    table.schedule(table.index_of(*table.insert(key, table.place_of(key), evicted).slot), kStart + kSecondNs);
  }
  EXPECT_LT(resident_octets() - before, std::size_t{20} << 20);
}

TEST(FlowTable, HoldsIpv6) {
  FlowTable<FlowKey6, State> table(1000, HashKey::random());
  FlowTable<FlowKey6, State>::Slot evicted;
  const auto key = [](std::uint64_t i) { return FlowKey6({1, i}, 80, {2, i}, 443); };
  for (std::uint64_t i = 0; i < 800; ++i) {
    ASSERT_EQ(table.insert(key(i), table.place_of(key(i)), evicted).inserted, Inserted::fresh);
  }
  for (std::uint64_t i = 0; i < 800; ++i) {
    table.prefetch_slot(table.place_of(key(i)));
    ASSERT_NE(table.find(key(i), table.place_of(key(i))), nullptr);
  }
  EXPECT_EQ(table.find(key(800), table.place_of(key(800))), nullptr);
}

}  // namespace
}  // namespace doorslam::flowtable
