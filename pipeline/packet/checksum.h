#pragma once

#include <bit>
#include <cstdint>

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

/// True when a sum that included the checksum field shows no error: folded to 16 bits it is 0xffff. As 2^16 leaves 1
/// when divided by 0xffff, folding keeps the remainder, and compilers turn the test for 0 into one multiplication.
constexpr bool checksum_holds(std::uint64_t sum) noexcept { return sum != 0 && sum % 0xffffU == 0; }

}  // namespace doorslam::packet
