#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>

#include "flowtable/bucket_head.h"
#include "flowtable/deadlines.h"
#include "flowtable/flow_key.h"
#include "flowtable/hash_key.h"
#include "flowtable/page_memory.h"
#include "flowtable/prefetch.h"
#include "flowtable/stamp_group.h"
#include "flowtable/tag_group.h"
#include "flowtable/time.h"

namespace doorslam::flowtable {

/// What a full table gives up first: the least value.
enum class EvictionClass : std::uint8_t {
  embryonic = 0,    ///< handshake not complete
  closed = 1,       ///< over, lingering
  established = 2,  ///< handshake complete, or picked up in mid-stream
};

/// What the table asks of the state it holds for the caller: last_seen(), and eviction_class() as an EvictionClass or
/// its number.
template <class State>
concept FlowState = std::is_trivially_copyable_v<State> && std::default_initializable<State> &&
    requires(const State& state) {
  static_cast<EvictionClass>(state.eviction_class());
  static_cast<TimeNs>(state.last_seen());
};

/// How an insertion found its place: in an empty slot, or in that of a connection of some class.
enum class Inserted : std::uint8_t {
  fresh = 0,
  evicted_embryonic = 1 + static_cast<int>(EvictionClass::embryonic),
  evicted_closed = 1 + static_cast<int>(EvictionClass::closed),
  evicted_established = 1 + static_cast<int>(EvictionClass::established),
};

/// All connections of one worker: fixed memory, a bounded amount of work for every call.
///
/// A key may stand in one of two buckets of 16 slots. The heads of the buckets are apart from the slots, a cache line
/// each: 16 tags, of 14 bits of the hash and the two bits of the connection's eviction class, and 16 deadlines. So a
/// lookup costs two heads, compared at once, and (nearly always) the one slot it wants; a miss costs no slot, and an
/// insertion or an eviction the same two heads and one slot. An insertion takes the emptier bucket; when both are full
/// it evicts, and never moves others about. With an IPv4 key (16 octets) and a state of up to 48 octets a slot is one
/// cache line, and a slot's share of everything is 68 octets.
///
/// A burst hides its cache misses by going through in three passes:
///     for each packet: place_of() and prefetch();  for each: prefetch_slot();  for each: find() or insert().
///
/// Expiry is an input like a packet is: schedule() every inserted slot, and for each slot that due() hands out erase()
/// it or schedule() it again. See Deadlines for why packets need not move their deadlines.
///
/// Worker-bound. Pointers to slots and the numbers that due() gave are valid until the next insert() or erase() (of
/// another slot: an eviction may take any slot of the two buckets). No call allocates or throws but the constructor and
/// grow().
template <class Key, FlowState State>
class FlowTable {
 public:
  /// Where key and state fit into a cache line, a slot is one, not parts of two.
  struct alignas(sizeof(Key) + sizeof(State) <= 64 ? 64 : std::max(alignof(Key), alignof(State))) Slot {
    Key key;
    State state;
  };
  static_assert(std::is_trivially_copyable_v<Slot>);

  struct InsertResult {
    Slot* slot;
    Inserted inserted;
  };

  /// Where a key may stand, and the tag it leaves there.
  struct Place {
    std::array<std::uint32_t, 2> bucket;
    std::uint32_t tag;  ///< 16 bits of it: written as two octets and read as four, it would have to wait
  };

  /// Memory a slot takes, its share of its bucket's head included, in octets.
  static constexpr std::size_t kOctetsPerSlot = sizeof(Slot) + sizeof(BucketHead) / kBucketSlots;

  /// Room for `capacity_flows` or up to 31 more. Throws std::bad_alloc.
  explicit FlowTable(std::size_t capacity_flows, const HashKey& hash_key, Pages pages = Pages::normal)
      : hash_key_(hash_key),
        buckets_(bucket_count(capacity_flows)),
        heads_(buckets_, pages),
        slot_memory_(buckets_ * kBucketSlots * sizeof(Slot), pages),
        deadlines_(heads_) {}

  /// What capacity() is of a table that was asked for so many.
  static constexpr std::size_t rounded_capacity(std::size_t capacity_flows) noexcept {
    return bucket_count(capacity_flows) * kBucketSlots;
  }

  /// Moves all connections, with their deadlines, into a table of more room. False, and nothing has changed: they do
  /// not fit in there, as too many want the same two buckets. Slots and their numbers are others afterwards. Takes time
  /// in proportion to the capacity; throws std::bad_alloc.
  bool grow(std::size_t capacity_flows, Pages pages) {
    FlowTable larger(capacity_flows, hash_key_, pages);
    larger.deadlines_.go_on_from(deadlines_);
    Slot evicted;
    for (std::size_t i = next_occupied(0); i < capacity(); i = next_occupied(i + 1)) {
      const auto index = static_cast<std::uint32_t>(i);
      const Slot& slot = at(index);
      const InsertResult moved = larger.insert(slot.key, larger.place_of(slot.key), evicted);
      if (moved.inserted != Inserted::fresh) return false;
      moved.slot->state = slot.state;
      larger.reclassify(*moved.slot);
      larger.deadlines_.take_over(larger.index_of(*moved.slot), deadlines_, index);
    }
    *this = std::move(larger);
    return true;
  }

  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return buckets_ * kBucketSlots; }

  /// Each half of the key's hash, scaled to the number of buckets, picks one; its lower bits are left for the tag.
  Place place_of(const Key& key) const noexcept {
    const std::uint64_t hash = hash_key_.hash(key);
    const std::uint64_t first = ((hash >> 32) * buckets_) >> 32;
    std::uint64_t second = ((hash & 0xffffffff) * buckets_) >> 32;
    if (second == first) second ^= 1;  // the number of buckets is even
    const auto fingerprint = static_cast<std::uint32_t>(hash ^ (hash >> 32)) & kFingerprintMask;
    return {{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(second)},
            std::max(fingerprint, kLeastFingerprint)};
  }

  /// Brings the heads of the key's two buckets near.
  void prefetch(Place place) const noexcept {
    prefetch_line(&heads_[place.bucket[0]]);
    prefetch_line(&heads_[place.bucket[1]]);
  }

  /// What prefetch_slot() saw. A hint that may be out of date: find() and insert() check what they take from it. Worth
  /// nothing after grow().
  struct Glimpse {
    std::uint32_t tag;     ///< the table's, of the slot that insert() would take: the key was not there
    std::uint32_t moment;  ///< when the key was not there: see FlowTable::moment_
    Slot* slot;            ///< that find() will look at first, or that insert() would take

    /// The slot held a connection; its key says which. Otherwise it was empty.
    bool occupied() const noexcept { return tag != kEmpty; }
  };

  /// Brings the slot near that find() or insert() will look at. The heads should be near already.
  Glimpse prefetch_slot(const Place& place) noexcept {
    const std::uint32_t candidates = matching(place, kFingerprintMask, place.tag);
    if (candidates == 0) [[unlikely]]
      return prefetch_slot_to_take(place);
    Slot* const candidate = slots() + number(place, candidates);  // a second one is a matter of one lookup in 500
    prefetch_slot_at(candidate);
    return {kNotToTake, 0, candidate};
  }

  /// The key's slot, or nullptr. `place` is place_of(key).
  Slot* find(const Key& key, const Place& place) noexcept {
    for (std::uint32_t candidates = matching(place, kFingerprintMask, place.tag); candidates != 0;
         candidates &= candidates - 1) {
      Slot* const candidate = slots() + number(place, candidates);
      if (candidate->key == key) return candidate;
    }
    return nullptr;
  }
  const Slot* find(const Key& key, const Place& place) const noexcept {
    return const_cast<FlowTable*>(this)->find(key, place);
  }
  /// The same, faster if `glimpse`, of prefetch_slot(), shows where the key still is, or that it still is nowhere.
  Slot* find(const Key& key, const Place& place, const Glimpse& glimpse) noexcept {
    if (glimpse.tag == kNotToTake) [[likely]] {
      if (glimpse.slot->key == key) [[likely]]
        return glimpse.slot;
    } else if (is_as_seen(glimpse)) {
      return nullptr;
    }
    return find(key, place);
  }

  /// A slot for a key that find() did not find. The state is State{}, embryonic until reclassify(), and not scheduled.
  /// When both buckets are full, one of their 32 connections makes way and is copied to `evicted`, which is not
  /// written otherwise: of the lowest class there, and within it the one with the least last_seen() if all are
  /// established, else the one whose scheduled deadline is soonest (which is as good and reads no slot).
  InsertResult insert(const Key& key, const Place& place, Slot& evicted) noexcept {
    begin_moment();
    return insert_anywhere(key, place, evicted);
  }
  /// The same, faster where the slot that prefetch_slot() saw is still as it was. Who makes way may then be one that
  /// was to when it looked, although another has gone since.
  InsertResult insert(const Key& key, const Place& place, const Glimpse& glimpse, Slot& evicted) noexcept {
    if (glimpse.moment != moment_ || glimpse.tag == kNotToTake) [[unlikely]]
      return insert(key, place, evicted);
    changed_ = true;
    if (!is_as_seen(glimpse)) [[unlikely]]
      return insert_anywhere(key, place, evicted);
    return insert_at(index_of(*glimpse.slot), key, place, evicted);
  }

  /// Brings a slot near that due() has handed out.
  void prefetch_due(std::uint32_t index) const noexcept { prefetch_slot_at(slots() + index); }

  /// Takes note of slot.state.eviction_class(); call it after a change of that. Costs a store to the bucket's head.
  void reclassify(const Slot& slot) noexcept {
    std::uint16_t& tag = tag_at(index_of(slot));
    const std::uint16_t before = tag;
    tag =
        static_cast<std::uint16_t>((tag & kFingerprintMask) | static_cast<std::uint16_t>(slot.state.eviction_class()));
    changed_ = true;
    if (tag < before) [[unlikely]]
      begin_moment();  // a tag that comes back to what it was would look as if nothing had happened
  }

  void erase(Slot* slot) noexcept {
    const std::uint32_t index = index_of(*slot);
    tag_at(index) = kEmpty;
    slot->key.invalidate();  // find() may be told to look there first
    begin_moment();
    deadlines_.cancel(index);
    --size_;
  }

  /// The number of a slot, by which schedule() and due() know it: 0 to capacity() - 1.
  std::uint32_t index_of(const Slot& slot) const noexcept { return static_cast<std::uint32_t>(&slot - slots()); }
  /// The slot of that number. Its contents mean something only while it is occupied.
  Slot& at(std::uint32_t index) noexcept { return slots()[index]; }
  const Slot& at(std::uint32_t index) const noexcept { return slots()[index]; }
  bool occupied(std::uint32_t index) const noexcept { return tag_at(index) != kEmpty; }
  /// The first occupied slot from `index` on, or capacity(): to walk through the table.
  std::size_t next_occupied(std::size_t index) const noexcept {
    while (index < capacity() && !occupied(static_cast<std::uint32_t>(index))) ++index;
    return index;
  }

  /// Files the slot: due() hands it out once `deadline_ns` has come. A later call replaces an earlier one, sooner or
  /// later.
  void schedule(std::uint32_t index, TimeNs deadline_ns) noexcept {
    changed_ = true;  // whom a full bucket gives up
    deadlines_.schedule(index, deadline_ns);
  }
  /// Pops occupied slots whose deadline has come, into `out`; see Deadlines::due(). Begin a burst with it, with the
  /// time of its first packet, before anything is scheduled.
  std::size_t due(TimeNs now, std::span<std::uint32_t> out, std::size_t most_groups = Deadlines::kAllGroups) noexcept {
    changed_ = true;  // as above
    return deadlines_.due(now, out, most_groups);
  }
  /// Some of the slots that due() is about to hand out, to bring them near; see Deadlines::upcoming().
  std::size_t upcoming(std::span<std::uint32_t> out) const noexcept { return deadlines_.upcoming(out); }
  const Deadlines& deadlines() const noexcept { return deadlines_; }

 private:
  static constexpr std::uint16_t kEmpty = 0;
  static constexpr std::uint16_t kWholeTag = 0xffff;
  static constexpr std::uint16_t kClassMask = 0x0003;
  static constexpr std::uint16_t kFingerprintMask = 0xfffc;
  static constexpr std::uint32_t kLeastFingerprint = 0x0004;  ///< 0 is that of an empty slot
  static constexpr std::uint16_t kNotToTake = kClassMask;     ///< in a Glimpse; no slot has this tag
  static constexpr std::uint32_t kAllSlots = 0xffffffff;
  static constexpr std::uint32_t kNone = 0xffffffff;  ///< no slot
  static constexpr std::uint32_t kFirstBucket = 0x0000ffff;
  static_assert(2 * kBucketSlots == std::numeric_limits<std::uint32_t>::digits, "a bit for each slot of a pair");
  static_assert(kBucketSlots == kStampGroup, "a bucket's deadlines are looked at together");
  static constexpr auto kBucket = static_cast<std::uint32_t>(kBucketSlots);
  static constexpr std::size_t kMaxSlots = (std::size_t{1} << 32) - 2 * kBucketSlots;  ///< one number is kNone

  static constexpr std::size_t bucket_count(std::size_t capacity_flows) noexcept {
    const std::size_t pairs = (std::min(capacity_flows, kMaxSlots) + 2 * kBucketSlots - 1) / (2 * kBucketSlots);
    return 2 * std::max<std::size_t>(pairs, 1);
  }

  /// prefetch_slot() for a key that is not there. Out of line: it would have the other keep what it has loaded.
  [[gnu::noinline]] Glimpse prefetch_slot_to_take(const Place& place) noexcept {
    if (changed_) [[unlikely]]
      begin_moment();
    const std::uint32_t empty = matching(place, kWholeTag, kEmpty);
    if (empty != 0) {
      Slot* const taken = slots() + vacancy(place, empty);
      prefetch_to_take(taken);
      return {kEmpty, moment_, taken};
    }
    const std::uint32_t lesser = victim_without_established(place);
    Slot* const seen = slots() + (lesser != kNone ? lesser : place.bucket[0] * kBucket);
    prefetch_to_take(seen);
    return {lesser != kNone ? tag_at(lesser) : kNotToTake, moment_, seen};
  }

  /// The key that it was made for is not there, and the slot that it is to take is as it was: an insertion of the key
  /// since then had the same glimpse, so either it has left the key's tag in that slot, or that had changed before. And
  /// within a moment no tag comes back to what the glimpses saw: a key of that tag would have been seen as a candidate.
  bool is_as_seen(const Glimpse& glimpse) const noexcept {
    return glimpse.moment == moment_ && tag_at(index_of(*glimpse.slot)) == glimpse.tag;
  }

  /// From now on no glimpse so far shows that a key is absent, or where it is to stand.
  void begin_moment() noexcept {
    ++moment_;
    changed_ = false;
  }

  InsertResult insert_anywhere(const Key& key, const Place& place, Slot& evicted) noexcept {
    const std::uint32_t empty = matching(place, kWholeTag, kEmpty);
    return insert_at(empty != 0 ? vacancy(place, empty) : victim(place), key, place, evicted);
  }

  /// Makes the slot the key's, whoever it belonged to.
  InsertResult insert_at(std::uint32_t chosen, const Key& key, const Place& place, Slot& evicted) noexcept {
    std::uint16_t& tag = tag_at(chosen);
    Inserted inserted = Inserted::fresh;
    if (tag == kEmpty) [[likely]] {
      ++size_;
    } else {
      inserted = static_cast<Inserted>((tag & kClassMask) + 1);
      evicted = slots()[chosen];
      deadlines_.cancel(chosen);
    }
    tag = static_cast<std::uint16_t>(place.tag);
    return {std::construct_at(slots() + chosen, Slot{key, State{}}), inserted};
  }

  /// Bits 0 to 15 stand for the slots of the first bucket, 16 to 31 for those of the second.
  std::uint32_t matching(const Place& place, std::uint16_t mask, std::uint32_t value) const noexcept {
    const auto in = [&](std::uint32_t bucket) { return matching_tags(heads_[bucket].tags.data(), mask, value); };
    return in(place.bucket[0]) | in(place.bucket[1]) << kBucketSlots;
  }

  /// Slot number of the lowest bit set in a mask of matching().
  static std::uint32_t number(const Place& place, std::uint32_t mask) noexcept {
    return slot_of(place, static_cast<std::uint32_t>(std::countr_zero(mask)));
  }

  /// Slot number of a position among both buckets' slots.
  static std::uint32_t slot_of(const Place& place, std::uint32_t position) noexcept {
    // Which bucket it is cannot be foreseen: an index instead of a branch.
    return place.bucket[position / kBucket] * kBucket + position % kBucket;
  }

  /// An empty slot of the emptier bucket. `empty` is not 0.
  static std::uint32_t vacancy(const Place& place, std::uint32_t empty) noexcept {
    const int surplus = std::popcount(empty & kFirstBucket) - std::popcount(empty >> kBucketSlots);
    const std::uint32_t which = static_cast<std::uint32_t>(surplus) >> 31U;  // 1 where negative; not to be foreseen
    const auto position = static_cast<std::uint32_t>(std::countr_zero(empty >> which * kBucket));
    return place.bucket[which] * kBucket + position;
  }

  /// Whom a full pair of buckets gives up.
  std::uint32_t victim(const Place& place) const noexcept {
    const std::uint32_t lesser = victim_without_established(place);
    if (lesser != kNone) return lesser;
    std::uint32_t oldest = place.bucket[0] * kBucket;
    TimeNs oldest_seen = std::numeric_limits<TimeNs>::max();
    for (std::uint32_t all = kAllSlots; all != 0; all &= all - 1) {
      const std::uint32_t candidate = number(place, all);
      const TimeNs seen = slots()[candidate].state.last_seen();
      if (seen < oldest_seen) {
        oldest_seen = seen;
        oldest = candidate;
      }
    }
    return oldest;
  }

  /// The soonest due of the lowest class: read from heads and deadlines alone. kNone if all are established.
  std::uint32_t victim_without_established(const Place& place) const noexcept {
    for (const EvictionClass lesser : {EvictionClass::embryonic, EvictionClass::closed}) {
      const auto soonest_in = [&](std::uint32_t bucket) {
        return deadlines_.soonest(bucket, kClassMask, static_cast<std::uint16_t>(lesser));
      };
      const std::uint32_t least = std::min(soonest_in(place.bucket[0]), soonest_in(place.bucket[1]) + kBucket);
      if (least < kNoRank) return slot_of(place, least % (2 * kBucket));
    }
    return kNone;
  }

  static void prefetch_slot_at(const Slot* slot) noexcept {
    const auto* const octets = reinterpret_cast<const char*>(slot);
    prefetch_line(octets);
    if constexpr (sizeof(Slot) > 64) prefetch_line(octets + sizeof(Slot) - 1);
  }

  /// Whoever takes it is going to schedule it.
  void prefetch_to_take(const Slot* slot) const noexcept {
    prefetch_slot_at(slot);
    deadlines_.prefetch(index_of(*slot));
  }

  std::uint16_t& tag_at(std::uint32_t index) const noexcept { return heads_[index / kBucket].tags[index % kBucket]; }
  Slot* slots() const noexcept { return static_cast<Slot*>(slot_memory_.data()); }

  HashKey hash_key_;
  std::size_t buckets_;  ///< even, so that a pair can always be told apart
  BucketHeads heads_;
  PageMemory slot_memory_;
  Deadlines deadlines_;
  std::size_t size_ = 0;
  /// Glimpses of one moment saw the same table, so that of one key all are the same; and since then nobody came but by
  /// insertions that had a glimpse of it, and nobody went but who made way. Those of a burst are of one moment.
  std::uint32_t moment_ = 1;
  bool changed_ = false;  ///< since the latest glimpse: another one would be of another moment
};

}  // namespace doorslam::flowtable
