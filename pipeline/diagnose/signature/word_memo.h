#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "pipeline/packet/raw_packet.h"
#include "pipeline/tcp/connection.h"

namespace doorslam::diagnose {

/// Remembers words that were scanned and held nothing that decides, so that a server's ordinary answers are scanned
/// once and not at every connection. A fixed table; newer words take the place of older ones. Words are known by their
/// side, the server's port, and the first octets of their segment and of the next: refusals differ from ordinary
/// answers there, in their reply code or error tag. Worker-bound.
class WordMemo {
 public:
  /// A match of a signature (its index in the database), and how many octets of the words it took.
  struct Match {
    std::uint16_t signature = 0;
    std::uint16_t length = 0;
  };
  /// A greeting in few words ("220 ready") fits the signatures of many programs. So many make an entry one cache line.
  static constexpr std::size_t kMaxMatches = 13;

  /// Enough for "HTTP/1.1 403 Forbidden" and for the reply codes and error tags of all others.
  static constexpr std::size_t kTellingOctets = 16;

  /// What the first kTellingOctets of a segment, after its sender's name, come to. `words` go on to the end of what
  /// was kept of the side's words.
  static std::uint64_t digest_of(packet::ByteView words) noexcept;
  /// The key of words, from their own segment's digest and that of the next (0: there is none). Never 0.
  static std::uint64_t key_of(std::uint64_t own, std::uint64_t next, tcp::Side side, std::uint16_t port) noexcept;

  /// The matches, borrowed until the next put(); nothing where the words are not known.
  std::optional<std::span<const Match>> find(std::uint64_t key) const noexcept {
    const Entry& entry = entries_[key % kEntries];
    if (entry.key != key) return std::nullopt;
    return std::span(entry.matches.data(), entry.count);
  }
  /// Words with more matches than kMaxMatches are not remembered.
  void put(std::uint64_t key, std::span<const Match> matches) noexcept;

 private:
  static constexpr std::size_t kEntries = 4096;
  struct alignas(64) Entry {
    std::uint64_t key = 0;
    std::uint32_t count = 0;
    std::array<Match, kMaxMatches> matches;
  };
  static_assert(sizeof(Entry) == 64);
  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

}  // namespace doorslam::diagnose
