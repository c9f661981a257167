#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#if defined(__SSE4_1__)
#include <smmintrin.h>
#endif

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

/// The least distance of some of the group's stamps, and whose it is.
struct SoonestStamp {
  std::uint16_t distance;
  std::uint16_t position;
};

/// Of the stamps whose bit is set in `wanted`, the first that has the least distance; one that is not filed counts as
/// 0 here. Where none is wanted: kFarthestStamp.
inline SoonestStamp soonest_stamp(const std::uint16_t* stamps, std::uint16_t base, std::uint32_t wanted) noexcept {
#if defined(__SSE4_1__)
  const __m128i bases = _mm_set1_epi16(static_cast<short>(base));
  const __m128i bits = _mm_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128);
  // The least of eight in the low half of the result, its position in the high half.
  const auto least_of = [&](const std::uint16_t* eight, std::uint32_t wanted_bits) {
    const __m128i stamp = _mm_load_si128(reinterpret_cast<const __m128i*>(eight));
    const __m128i filed = _mm_andnot_si128(_mm_cmpeq_epi16(stamp, _mm_setzero_si128()), _mm_sub_epi16(stamp, bases));
    const __m128i mask = _mm_and_si128(_mm_set1_epi16(static_cast<short>(wanted_bits)), bits);
    const __m128i unwanted = _mm_cmpeq_epi16(mask, _mm_setzero_si128());
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_or_si128(filed, unwanted))));
  };
  const std::uint32_t lower = least_of(stamps, wanted & 0xff);
  const std::uint32_t upper = least_of(stamps + 8, wanted >> 8 & 0xff) + (8U << 16U);
  const std::uint32_t least = (upper & 0xffff) < (lower & 0xffff) ? upper : lower;
  return {static_cast<std::uint16_t>(least), static_cast<std::uint16_t>(least >> 16U)};
#else
  SoonestStamp soonest{kFarthestStamp, 0};
  for (std::uint16_t i = 0; i < kStampGroup; ++i) {
    if ((wanted >> i & 1U) == 0) continue;
    const std::uint16_t distance = stamps[i] == 0 ? std::uint16_t{0} : detail::stamp_distance(stamps[i], base);
    if (distance < soonest.distance) soonest = {distance, i};
  }
  return soonest;
#endif
}

}  // namespace doorslam::flowtable
