#include "pipeline/packet/reassembly.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace doorslam::packet {
namespace {

/// A mirror port may deliver a datagram's fragments twice, interleaved: so long a finished datagram is remembered.
constexpr flowtable::DurationNs kDuplicateWindowNs = flowtable::kMillisecondNs;

/// Calls `piece(block index, offset in block, octets)` for each block that a range of a datagram touches, until one
/// returns false.
template <std::size_t BlockOctets, class Piece>
bool for_each_piece(std::size_t offset, ByteView octets, Piece&& piece) noexcept {
  while (!octets.empty()) {
    const std::size_t inside = offset % BlockOctets;
    const std::size_t count = std::min(octets.size(), BlockOctets - inside);
    if (!piece(offset / BlockOctets, inside, octets.first(count))) return false;
    offset += count;
    octets = octets.subspan(count);
  }
  return true;
}

}  // namespace

Reassembler::Reassembler(std::size_t budget_bytes, flowtable::DurationNs timeout_ns, const flowtable::HashKey& hash_key,
                         DecodeCounters& counters)
    : timeout_ns_(timeout_ns), hash_key_(hash_key), counters_(counters) {
  if (budget_bytes < kMinReassemblyBytes) return;
  arena_bytes_ = std::max(budget_bytes / 8, kMaxDatagram + 1);
  // Two blocks a datagram, so that both run out together when most datagrams are about 3 KB.
  const std::size_t pair = sizeof(Datagram) + 2 * sizeof(Block);
  const std::size_t datagrams = std::bit_floor((budget_bytes - arena_bytes_) / pair);
  set_count_ = datagrams / kSet;
  block_count_ =
      std::min<std::size_t>((budget_bytes - arena_bytes_ - datagrams * sizeof(Datagram)) / sizeof(Block), kNoBlock);
  arena_ = std::make_unique_for_overwrite<std::uint8_t[]>(arena_bytes_);
  blocks_ = std::make_unique_for_overwrite<Block[]>(block_count_);
  datagrams_ = std::make_unique<Datagram[]>(datagrams);
}

Reassembler::Result Reassembler::add(const IpHeader& ip, const Reader& payload, flowtable::TimeNs now_ns) noexcept {
  const std::size_t octets = payload.wire_size();
  const std::size_t end = ip.offset + octets;
  if (octets == 0 || end > kMaxDatagram || (ip.more_fragments && octets % kUnit != 0)) {
    return {.outcome = DecodeOutcome::fragment_bad};
  }
  if (set_count_ == 0) return {.outcome = DecodeOutcome::fragment_lost};
  expire_some(now_ns);
  Datagram& datagram = entry_of(ip, now_ns);
  if (datagram.settled) return {.outcome = datagram.fate};
  const auto settle_as = [&](DecodeOutcome fate) {
    settle(datagram, now_ns, fate);
    return Result{.outcome = fate};
  };
  if (payload.captured_size() < octets) return settle_as(DecodeOutcome::fragment_lost);
  const bool beyond_end = datagram.total != 0 && end > datagram.total;
  const bool other_end = !ip.more_fragments && (datagram.end > end || (datagram.total != 0 && datagram.total != end));
  if (beyond_end || other_end) return settle_as(DecodeOutcome::fragment_overlap);
  switch (coverage(datagram, ip.offset, payload.captured())) {
    case Coverage::same:
      return {.outcome = DecodeOutcome::fragment_duplicate};
    case Coverage::conflict:
      return settle_as(DecodeOutcome::fragment_overlap);
    case Coverage::nothing:
      break;
  }
  if (!store(datagram, ip.offset, payload.captured())) return settle_as(DecodeOutcome::fragment_lost);
  datagram.received_octets += static_cast<std::uint32_t>(octets);
  datagram.end = std::max(datagram.end, static_cast<std::uint32_t>(end));
  if (!ip.more_fragments) datagram.total = static_cast<std::uint32_t>(end);
  if (ip.offset == 0) {
    datagram.protocol = ip.protocol;
    datagram.ttl = ip.ttl;
  }
  if (datagram.total == 0 || datagram.received_octets < datagram.total) return {};
  return finish(datagram, now_ns);
}

void Reassembler::give_up(const IpHeader& ip, flowtable::TimeNs now_ns, DecodeOutcome fate) noexcept {
  if (set_count_ == 0) return;
  Datagram& datagram = entry_of(ip, now_ns);
  if (!datagram.settled) settle(datagram, now_ns, fate);
}

Reassembler::Key Reassembler::key_of(const IpHeader& ip) noexcept {
  Key key;
  std::memcpy(key.addresses.data(), ip.source.data(), ip.source.size());
  std::memcpy(key.addresses.data() + 16, ip.destination.data(), ip.destination.size());
  key.id = ip.id;
  key.protocol = ip.is_v4() ? ip.protocol : 0;
  key.version = ip.is_v4() ? 4 : 6;
  return key;
}

/// The entry of this datagram: its own, or a fresh one in place of a free, outdated, settled or the oldest one.
Reassembler::Datagram& Reassembler::entry_of(const IpHeader& ip, flowtable::TimeNs now_ns) noexcept {
  const Key key = key_of(ip);
  std::array<std::uint64_t, 5> words;
  static_assert(sizeof(key.addresses) + sizeof(words.back()) == sizeof(words));
  std::memcpy(words.data(), key.addresses.data(), sizeof(key.addresses));
  words.back() = key.id;
  const std::uint64_t hash = hash_key_.hash(words);
  Datagram* const set = &datagrams_[((hash >> 32U) & (set_count_ - 1)) * kSet];
  Datagram* victim = set;
  const auto rank = [&](const Datagram& d) {
    return d.key.version == 0 ? 0 : outdated(d, now_ns) ? 1 : d.settled ? 2 : 3;
  };
  for (Datagram* datagram = set; datagram != set + kSet; ++datagram) {
    if (datagram->key == key) {
      if (!outdated(*datagram, now_ns)) return *datagram;
      victim = datagram;
      break;
    }
    const int mine = rank(*datagram);
    const int best = rank(*victim);
    if (mine < best || (mine == best && datagram->since_ns < victim->since_ns)) victim = datagram;
  }
  if (rank(*victim) == 3) ++counters_.datagrams_evicted;
  if (rank(*victim) == 1 && !victim->settled) ++counters_.datagrams_expired;
  forget(*victim);
  victim->key = key;
  victim->since_ns = now_ns;
  victim->blocks.fill(kNoBlock);
  return *victim;
}

bool Reassembler::outdated(const Datagram& datagram, flowtable::TimeNs now_ns) const noexcept {
  const bool finished = datagram.settled && datagram.fate == DecodeOutcome::fragment_duplicate;
  return now_ns - datagram.since_ns > (finished ? kDuplicateWindowNs : timeout_ns_);
}

/// A few entries with every fragment: all are looked at again and again, none at the cost of one packet.
void Reassembler::expire_some(flowtable::TimeNs now_ns) noexcept {
  constexpr std::size_t kEntries = 4;
  for (std::size_t i = 0; i < kEntries; ++i) {
    Datagram& datagram = datagrams_[sweep_];
    sweep_ = (sweep_ + 1) & (set_count_ * kSet - 1);
    if (datagram.key.version == 0 || !outdated(datagram, now_ns)) continue;
    if (!datagram.settled) ++counters_.datagrams_expired;
    forget(datagram);
  }
}

void Reassembler::forget(Datagram& datagram) noexcept {
  if (datagram.key.version != 0 && !datagram.settled) release_blocks(datagram);
  datagram = Datagram{};
}

void Reassembler::settle(Datagram& datagram, flowtable::TimeNs now_ns, DecodeOutcome fate) noexcept {
  release_blocks(datagram);
  datagram.settled = true;
  datagram.fate = fate;
  datagram.since_ns = now_ns;
}

Reassembler::Coverage Reassembler::coverage(const Datagram& datagram, std::size_t offset,
                                            ByteView octets) const noexcept {
  std::size_t units = 0;
  std::size_t held = 0;
  const bool equal =
      for_each_piece<kBlockOctets>(offset, octets, [&](std::size_t index, std::size_t at, ByteView part) {
        const std::size_t end_unit = (at + part.size() + kUnit - 1) / kUnit;
        units += end_unit - at / kUnit;
        if (datagram.blocks[index] == kNoBlock) return true;
        const Block& block = blocks_[datagram.blocks[index]];
        std::size_t held_here = 0;
        for (std::size_t unit = at / kUnit; unit < end_unit; ++unit)
          held_here += block.held[unit / 64] >> unit % 64 & 1U;
        held += held_here;
        return held_here == 0 || std::memcmp(block.octets.data() + at, part.data(), part.size()) == 0;
      });
  if (held == 0) return Coverage::nothing;
  return equal && held == units ? Coverage::same : Coverage::conflict;
}

bool Reassembler::store(Datagram& datagram, std::size_t offset, ByteView octets) noexcept {
  return for_each_piece<kBlockOctets>(offset, octets, [&](std::size_t index, std::size_t at, ByteView part) {
    if (datagram.blocks[index] == kNoBlock) datagram.blocks[index] = allocate_block();
    if (datagram.blocks[index] == kNoBlock) return false;
    Block& block = blocks_[datagram.blocks[index]];
    std::memcpy(block.octets.data() + at, part.data(), part.size());
    const std::size_t end_unit = (at + part.size() + kUnit - 1) / kUnit;
    for (std::size_t unit = at / kUnit; unit < end_unit; ++unit) block.held[unit / 64] |= std::uint64_t{1} << unit % 64;
    return true;
  });
}

Reassembler::Result Reassembler::finish(Datagram& datagram, flowtable::TimeNs now_ns) noexcept {
  if (datagram.total > arena_bytes_ - arena_used_) {
    settle(datagram, now_ns, DecodeOutcome::fragment_lost);
    return {.outcome = DecodeOutcome::fragment_lost};
  }
  std::uint8_t* const place = arena_.get() + arena_used_;
  for (std::size_t at = 0; at < datagram.total; at += kBlockOctets) {
    const Block& block = blocks_[datagram.blocks[at / kBlockOctets]];
    std::memcpy(place + at, block.octets.data(), std::min<std::size_t>(kBlockOctets, datagram.total - at));
  }
  arena_used_ += datagram.total;
  ++counters_.datagrams_reassembled;
  const Result result = {
      .complete = true, .datagram = {place, datagram.total}, .protocol = datagram.protocol, .ttl = datagram.ttl};
  settle(datagram, now_ns, DecodeOutcome::fragment_duplicate);
  return result;
}

std::uint16_t Reassembler::allocate_block() noexcept {
  std::uint16_t index = first_free_;
  if (index != kNoBlock) {
    first_free_ = blocks_[index].next_free;
  } else if (blocks_touched_ < block_count_) {
    index = static_cast<std::uint16_t>(blocks_touched_++);
  } else {
    return kNoBlock;
  }
  blocks_[index].held.fill(0);
  ++blocks_in_use_;
  return index;
}

void Reassembler::release_blocks(Datagram& datagram) noexcept {
  for (std::uint16_t& index : datagram.blocks) {
    if (index == kNoBlock) continue;
    blocks_[index].next_free = first_free_;
    first_free_ = index;
    index = kNoBlock;
    --blocks_in_use_;
  }
}

}  // namespace doorslam::packet
