#include "pipeline/port/symmetric_hash.h"

#include <bit>

namespace doorslam::port {

namespace {

using flowtable::Endpoint;
using flowtable::IpVersion;

/// What the set bits of an octet, the upper or the lower of a 16-bit word, add to the hash. A key that repeats itself
/// every 16 bits gives all words of the input the same weights, so that they can be added up first.
consteval std::array<std::uint32_t, 256> contributions(unsigned first_bit) {
  std::array<std::uint32_t, 256> table{};
  const std::uint32_t window = std::uint32_t{SymmetricHash::kKeyWord} << 16U | SymmetricHash::kKeyWord;
  for (unsigned octet = 0; octet < 256; ++octet) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      if ((octet >> (7 - bit) & 1U) != 0) table[octet] ^= std::rotl(window, static_cast<int>(first_bit + bit));
    }
  }
  return table;
}

constexpr auto kUpper = contributions(0);
constexpr auto kLower = contributions(8);

}  // namespace

std::vector<std::uint8_t> SymmetricHash::key(std::size_t octets) {
  std::vector<std::uint8_t> key(octets);
  for (std::size_t i = 0; i < octets; ++i) key[i] = static_cast<std::uint8_t>(i % 2 == 0 ? kKeyWord >> 8U : kKeyWord);
  return key;
}

std::uint32_t SymmetricHash::of(const Endpoint& a, const Endpoint& b) noexcept {
  const std::size_t octets = a.address.version == IpVersion::v4 ? 4 : 16;
  const auto ports = static_cast<unsigned>(a.port ^ b.port);
  unsigned upper = ports >> 8U;
  unsigned lower = ports & 0xffU;
  for (std::size_t i = 0; i < octets; i += 2) {
    upper ^= static_cast<unsigned>(a.address.octets[i]) ^ b.address.octets[i];
    lower ^= static_cast<unsigned>(a.address.octets[i + 1]) ^ b.address.octets[i + 1];
  }
  return kUpper[upper] ^ kLower[lower];
}

std::vector<std::uint16_t> even_redirection(std::size_t entries, std::size_t workers) {
  std::vector<std::uint16_t> redirection(std::bit_ceil(entries));
  for (std::size_t i = 0; i < redirection.size(); ++i) redirection[i] = static_cast<std::uint16_t>(i % workers);
  return redirection;
}

}  // namespace doorslam::port
