#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pipeline/diagnose/signature_database.h"
#include "pipeline/tcp/evidence.h"

namespace doorslam::diagnose {

/// Remembers openings that were scanned and found to be no refusal, so that a server's ordinary dialogue is scanned
/// once and not at every connection. A fixed table; a newer opening takes the place of an older one. A dialogue is
/// known by its port and by the first octets of each of its segments: refusals differ from ordinary answers there, in
/// their reply code or error tag. What was found to be a refusal is never remembered and always scanned.
class WordMemo {
 public:
  /// What the scan of such words gave: nothing, or an ordinary answer.
  using Finding = std::optional<SignatureHit>;

  /// Never 0.
  static std::uint64_t digest_of(const tcp::SideEvidence& speaker, std::uint16_t port);

  /// Null where the words are not known.
  const Finding* find(std::uint64_t digest) const {
    const Entry& entry = entries_[digest % kEntries];
    return entry.digest == digest ? &entry.finding : nullptr;
  }
  void put(std::uint64_t digest, const Finding& finding) { entries_[digest % kEntries] = {digest, finding}; }

 private:
  static constexpr std::size_t kEntries = 4096;
  struct Entry {
    std::uint64_t digest = 0;
    Finding finding;
  };
  std::vector<Entry> entries_ = std::vector<Entry>(kEntries);
};

}  // namespace doorslam::diagnose
