#pragma once

#include <cstddef>
#include <cstdint>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "flowtable/bucket_head.h"

namespace doorslam::flowtable {

/// Compares the 16 tags of a bucket. Bit i is set where (tags[i] & mask) == value. `tags` is aligned to 16 octets.
inline std::uint32_t matching_tags(const std::uint16_t* tags, std::uint16_t mask, std::uint32_t value) noexcept {
#if defined(__SSE2__)
  const __m128i wanted = _mm_set1_epi16(static_cast<short>(value));
  const __m128i kept = _mm_set1_epi16(static_cast<short>(mask));
  const auto* const group = reinterpret_cast<const __m128i*>(tags);
  const __m128i lower = _mm_cmpeq_epi16(_mm_and_si128(_mm_load_si128(group), kept), wanted);
  const __m128i upper = _mm_cmpeq_epi16(_mm_and_si128(_mm_load_si128(group + 1), kept), wanted);
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(lower, upper)));
#else
  std::uint32_t equal = 0;
  for (std::size_t i = 0; i < kBucketSlots; ++i) equal |= static_cast<std::uint32_t>((tags[i] & mask) == value) << i;
  return equal;
#endif
}

}  // namespace doorslam::flowtable
