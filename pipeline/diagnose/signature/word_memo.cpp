#include "pipeline/diagnose/signature/word_memo.h"

#include <algorithm>
#include <cstring>

#include "flowtable/mix.h"
#include "pipeline/diagnose/protocol_marks.h"

namespace doorslam::diagnose {

namespace {

std::uint64_t mix(std::uint64_t digest, std::uint64_t word) { return flowtable::scattered(digest ^ word); }

}  // namespace

std::uint64_t WordMemo::digest_of(packet::ByteView words) noexcept {
  const std::size_t all = words.size();
  words = behind_senders_name(words);
  const std::uint64_t name = all - words.size();
  std::uint64_t halves[2] = {0, 0};
  const std::size_t count = std::min(words.size(), kTellingOctets);
  if (count == kTellingOctets) {
    std::memcpy(halves, words.data(), kTellingOctets);  // of fixed size: two loads
  } else {
    for (std::size_t i = 0; i < count; ++i) halves[i / 8] |= std::uint64_t{words[i]} << (i % 8 * 8);
  }
  return mix(mix(name << 8U | count, halves[0]), halves[1]);
}

std::uint64_t WordMemo::key_of(std::uint64_t own, std::uint64_t next, tcp::Side side, std::uint16_t port) noexcept {
  return mix(mix(mix(index_of(side) << 16U | port, own), next), 0) | 1U;
}

void WordMemo::put(std::uint64_t key, std::span<const Match> matches) noexcept {
  if (matches.size() > kMaxMatches) return;
  Entry& entry = entries_[key % kEntries];
  entry.key = key;
  entry.count = static_cast<std::uint32_t>(matches.size());
  std::copy(matches.begin(), matches.end(), entry.matches.begin());
}

}  // namespace doorslam::diagnose
