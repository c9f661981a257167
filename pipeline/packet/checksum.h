#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pipeline/packet/raw_packet.h"

/// The Internet checksum (RFC 1071). Sums are kept unfolded in 64 bits and in the host's byte order: the ones'
/// complement sum does not mind (RFC 1071, section 2 (B)), so no octet is swapped.
namespace doorslam::packet {

/// The value of a 16-bit header field as it lies in memory.
constexpr std::uint16_t in_network_order(std::uint16_t value) noexcept {
  return std::endian::native == std::endian::big ? value : static_cast<std::uint16_t>(value << 8 | value >> 8);
}

/// The ones' complement sum of sums that may fill all 64 bits: what is carried out of them comes in again below, as
/// 2^64 leaves 1 when divided by 0xffff.
constexpr std::uint64_t sum_with_carry(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t sum = 0;
  const bool carry = __builtin_add_overflow(a, b, &sum);
  return sum + (carry ? 1U : 0U);
}

namespace detail {

/// A vector register's worth of 64-bit lanes; gcc and clang know it on every processor.
using Lanes = std::uint64_t __attribute__((vector_size(16)));
inline constexpr std::size_t kVector = sizeof(Lanes);

inline Lanes vector_at(ByteView octets, std::size_t at) noexcept {
  Lanes vector;
  std::memcpy(&vector, octets.data() + at, sizeof(vector));
  return vector;
}

/// Adds up vectors as 32-bit words. The lanes' own carries are lost, but their upper halves are added up apart as well,
/// and tell what the lower ones make: fewer instructions than to take each word out of its lane.
class VectorSum {
 public:
  void add(Lanes vector) noexcept {
    all_ += vector;
    upper_ += vector >> 32;
  }
  std::uint64_t total() const noexcept {
    const Lanes both = all_ - (upper_ << 32) + upper_;
    return both[0] + both[1];
  }

 private:
  Lanes all_{};
  Lanes upper_{};
};

/// Sum of the last `left` octets, fewer than a vector, of at least a vector. They begin at an even place. No branch:
/// lengths cannot be foreseen.
inline std::uint64_t sum_of_last(ByteView octets, std::size_t left) noexcept {
  // Read from `left` on, it keeps so many octets at the end.
  static constexpr std::array<std::uint8_t, 2 * kVector> kKept = [] {
    std::array<std::uint8_t, 2 * kVector> kept{};
    for (std::size_t i = kVector; i < kept.size(); ++i) kept[i] = 0xff;
    return kept;
  }();
  VectorSum sum;
  sum.add(vector_at(octets, octets.size() - kVector) & vector_at(kKept, left));
  // Where the vector begins at an odd place, the octets of all its words are swapped (RFC 1071, section 2 (B)).
  return sum.total() << (left % 2 * 8);
}

/// The same of less than eight octets, of at least eight.
inline std::uint64_t word_of_last(ByteView octets, std::size_t left) noexcept {
  std::uint64_t word;
  std::memcpy(&word, octets.data() + octets.size() - sizeof(word), sizeof(word));
  const std::size_t others = 63 ^ 8 * left;  // bits, but one: of none that are left, all 64 go
  return std::endian::native == std::endian::little ? word >> 1U >> others : word << 1U << others;
}

}  // namespace detail

/// Sum of all octets, an odd last one padded with zero. Never overflows when added to others of this kind: the result
/// is below 2^56.
std::uint64_t checksum_of(ByteView octets) noexcept;

/// Sum of the octets of `octets`, which has 16 or more, after the first `from`, an even number that is at most their
/// size; an odd last octet is padded with zero. For short rests: a few instructions, and no call.
inline std::uint64_t checksum_of_rest(ByteView octets, std::size_t from) noexcept {
  constexpr std::size_t kLong = 128;
  const std::size_t left = octets.size() - from;
  if (left < sizeof(std::uint64_t)) return detail::word_of_last(octets, left);
  if (left >= kLong) [[unlikely]]
    return checksum_of(octets.subspan(from));
  detail::VectorSum sum;
  for (; from + detail::kVector <= octets.size(); from += detail::kVector) sum.add(detail::vector_at(octets, from));
  return sum.total() + detail::sum_of_last(octets, octets.size() - from);
}

/// True when a sum that included the checksum field shows no error: folded to 16 bits it is 0xffff. As 2^16 leaves 1
/// when divided by 0xffff, folding keeps the remainder, and compilers turn the test for 0 into one multiplication.
constexpr bool checksum_holds(std::uint64_t sum) noexcept { return sum != 0 && sum % 0xffffU == 0; }

/// The same of octets not all of which are 0.
constexpr bool checksum_of_something_holds(std::uint64_t sum) noexcept { return sum % 0xffffU == 0; }

}  // namespace doorslam::packet
