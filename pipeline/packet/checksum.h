#pragma once

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

/// Sum of all octets, an odd last one padded with zero. Never overflows when added to others of this kind: the result
/// is below 2^48.
std::uint64_t checksum_of(ByteView octets) noexcept;

/// Sum of the octets of `octets` behind the first `from`, an even number that is at least 4 and at most their size; an
/// odd last octet is padded with zero. For short rests: a few instructions, and no call.
inline std::uint64_t checksum_of_rest(ByteView octets, std::size_t from) noexcept {
  const auto word_at = [octets](std::size_t at) {
    std::uint32_t word;
    std::memcpy(&word, octets.data() + at, sizeof(word));
    return std::uint64_t{word};
  };
  constexpr std::size_t kLong = 64;
  constexpr std::size_t kWord = sizeof(std::uint32_t);
  if (octets.size() - from >= kLong) return checksum_of(octets.subspan(from));
  std::uint64_t sum = 0;
  for (; from + kWord <= octets.size(); from += kWord) sum += word_at(from);
  // The last four octets again, without those that were added already or belong to what comes before.
  const std::size_t known_bits = 8 * (kWord - (octets.size() - from));
  const std::uint64_t last = word_at(octets.size() - kWord);
  return sum + (std::endian::native == std::endian::little ? last >> known_bits : last << known_bits & 0xffffffffU);
}

/// True when a sum that included the checksum field shows no error: folded to 16 bits it is 0xffff. As 2^16 leaves 1
/// when divided by 0xffff, folding keeps the remainder, and compilers turn the test for 0 into one multiplication.
constexpr bool checksum_holds(std::uint64_t sum) noexcept { return sum != 0 && sum % 0xffffU == 0; }

}  // namespace doorslam::packet
