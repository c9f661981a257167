#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

#include "flowtable/bucket_head.h"

/// Sixteen stamps of Deadlines at once. A stamp's distance is stamp - base modulo 2^16; a stamp of 0 is not filed and
/// has the distance 0xffff. `stamps` is aligned to 16 octets.
namespace doorslam::flowtable {

inline constexpr std::size_t kStampGroup = 16;
inline constexpr std::uint16_t kFarthestStamp = 0xffff;

#if defined(__SSE4_1__)
namespace detail {
inline __m128i stamp_distances(const std::uint16_t* stamps, __m128i base) noexcept {
  const __m128i eight = _mm_load_si128(reinterpret_cast<const __m128i*>(stamps));
  return _mm_or_si128(_mm_sub_epi16(eight, base), _mm_cmpeq_epi16(eight, _mm_setzero_si128()));
}
}  // namespace detail
#else
namespace detail {
inline std::uint16_t stamp_distance(std::uint16_t stamp, std::uint16_t base) noexcept {
  return stamp == 0 ? kFarthestStamp : static_cast<std::uint16_t>(stamp - base);
}
}  // namespace detail
#endif

/// The least distance in the group.
inline std::uint16_t nearest_stamp(const std::uint16_t* stamps, std::uint16_t base) noexcept {
#if defined(__SSE4_1__)
  const __m128i bases = _mm_set1_epi16(static_cast<short>(base));
  const __m128i least =
      _mm_min_epu16(detail::stamp_distances(stamps, bases), detail::stamp_distances(stamps + 8, bases));
  return static_cast<std::uint16_t>(_mm_extract_epi16(_mm_minpos_epu16(least), 0));
#else
  std::uint16_t nearest = kFarthestStamp;
  for (std::size_t i = 0; i < kStampGroup; ++i) nearest = std::min(nearest, detail::stamp_distance(stamps[i], base));
  return nearest;
#endif
}

/// Bit i is set where the distance of stamps[i] is `window` (less than 0xffff) or less.
inline std::uint32_t stamps_within(const std::uint16_t* stamps, std::uint16_t base, std::uint16_t window) noexcept {
#if defined(__SSE4_1__)
  const __m128i bases = _mm_set1_epi16(static_cast<short>(base));
  const __m128i limit = _mm_set1_epi16(static_cast<short>(window));
  const __m128i lower = detail::stamp_distances(stamps, bases);
  const __m128i upper = detail::stamp_distances(stamps + 8, bases);
  const __m128i within = _mm_packs_epi16(_mm_cmpeq_epi16(_mm_min_epu16(lower, limit), lower),
                                         _mm_cmpeq_epi16(_mm_min_epu16(upper, limit), upper));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(within));
#else
  std::uint32_t within = 0;
  for (std::size_t i = 0; i < kStampGroup; ++i) {
    within |= static_cast<std::uint32_t>(detail::stamp_distance(stamps[i], base) <= window) << i;
  }
  return within;
#endif
}

/// What soonest_rank() gives, or more, where there is no such slot.
inline constexpr std::uint32_t kNoRank = std::uint32_t{kFarthestStamp} << 16U;

/// The soonest of those slots of a bucket whose (tag & mask) == value: its stamp's distance, which counts as 0 if it is
/// not filed, above its position. So the lesser is the sooner, and of equals the first.
inline std::uint32_t soonest_rank(const BucketHead& head, std::uint16_t base, std::uint16_t mask,
                                  std::uint16_t value) noexcept {
#if defined(__SSE4_1__)
  const __m128i bases = _mm_set1_epi16(static_cast<short>(base));
  const __m128i masks = _mm_set1_epi16(static_cast<short>(mask));
  const __m128i values = _mm_set1_epi16(static_cast<short>(value));
  const auto least_of_eight = [&](std::size_t first) {
    const __m128i tag = _mm_load_si128(reinterpret_cast<const __m128i*>(head.tags.data() + first));
    const __m128i stamp = _mm_load_si128(reinterpret_cast<const __m128i*>(head.stamps.data() + first));
    const __m128i wanted = _mm_cmpeq_epi16(_mm_and_si128(tag, masks), values);
    const __m128i filed = _mm_andnot_si128(_mm_cmpeq_epi16(stamp, _mm_setzero_si128()), _mm_sub_epi16(stamp, bases));
    const __m128i unwanted = _mm_cmpeq_epi16(wanted, _mm_setzero_si128());
    const auto least = static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_or_si128(filed, unwanted))));
    return std::rotl(least, 16);  // the instruction puts the distance below its position
  };
  return std::min(least_of_eight(0), least_of_eight(8) + 8);
#else
  std::uint32_t least = kNoRank;
  for (std::uint32_t i = 0; i < kStampGroup; ++i) {
    if ((head.tags[i] & mask) != value) continue;
    const std::uint16_t stamp = head.stamps[i];
    const std::uint16_t distance = stamp == 0 ? std::uint16_t{0} : detail::stamp_distance(stamp, base);
    least = std::min(least, std::uint32_t{distance} << 16U | i);
  }
  return least;
#endif
}

}  // namespace doorslam::flowtable
