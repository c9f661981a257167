#include "pipeline/diagnose/word_memo.h"

#include <algorithm>
#include <cstring>

namespace doorslam::diagnose {

namespace {

/// Enough for "HTTP/1.1 403 Forbidden" and for the reply codes and error tags of all others.
constexpr std::size_t kTellingOctets = 16;

std::uint64_t mix(std::uint64_t digest, std::uint64_t word) {
  digest = (digest ^ word) * 0x9E3779B97F4A7C15ULL;
  return digest ^ (digest >> 29U);
}

std::uint64_t mix_octets(std::uint64_t digest, const std::uint8_t* octets, std::size_t count) {
  std::uint64_t words[2] = {0, 0};
  std::memcpy(words, octets, std::min(count, kTellingOctets));
  return mix(mix(mix(digest, words[0]), words[1]), count < kTellingOctets ? count : kTellingOctets);
}

}  // namespace

std::uint64_t WordMemo::digest_of(const tcp::SideEvidence& speaker, std::uint16_t port) {
  const tcp::PayloadHead& head = speaker.head;
  std::uint64_t digest = mix(port, head.segments);
  for (std::size_t i = 0; i < head.segments; ++i) {
    const std::size_t start = head.segment_start[i];
    if (start >= head.length) break;
    digest = mix_octets(digest, head.bytes.data() + start, head.length - start);
  }
  digest = mix_octets(digest, speaker.last_words.data(), speaker.last_words_length);
  return digest | 1U;
}

}  // namespace doorslam::diagnose
