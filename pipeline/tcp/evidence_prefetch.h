#pragma once

#include <algorithm>
#include <cstddef>

#include "flowtable/prefetch.h"
#include "pipeline/tcp/evidence.h"

/// The last event of a connection takes a copy of its Evidence along: these bring near what is copied, in two steps.
namespace doorslam::tcp {

/// What each has of it, and what tells of the rest.
inline void prefetch_facts(const Evidence& evidence) noexcept {
  constexpr std::size_t kTwoLines = 128;
  flowtable::prefetch_line(&evidence);
  for (const SideEvidence& side : evidence.side) flowtable::prefetch_octets(&side, kTwoLines);
  flowtable::prefetch_line(evidence.first_rungs.data());
  flowtable::prefetch_line(&evidence.icmp);
}

/// The rest of it. The facts should be near already.
inline void prefetch_used(const Evidence& evidence) noexcept {
  const std::size_t rungs = std::min<std::size_t>(evidence.rung_count, Evidence::kFirstRungs);
  flowtable::prefetch_octets(evidence.first_rungs.data(), rungs * sizeof(Rung));
  for (const SideEvidence& side : evidence.side) {
    flowtable::prefetch_octets(side.head.bytes.data(), side.head.length);
    flowtable::prefetch_octets(side.last_words.data(), side.words_apart());
  }
}

}  // namespace doorslam::tcp
