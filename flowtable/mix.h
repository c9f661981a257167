#pragma once

#include <cstdint>

/// What hashes are made of. Not keyed: where others choose what is hashed, see hash_key.h.
namespace doorslam::flowtable {

/// Both halves of the 128-bit product, folded onto each other: every bit of either factor reaches every bit of the
/// result.
constexpr std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

/// Every bit of the number moves every bit of the result, and no two numbers give the same: the finaliser of
/// splitmix64 (Steele, Lea and Flood, 2014).
constexpr std::uint64_t scattered(std::uint64_t number) noexcept {
  number = (number ^ (number >> 30U)) * 0xbf58476d1ce4e5b9U;
  number = (number ^ (number >> 27U)) * 0x94d049bb133111ebU;
  return number ^ (number >> 31U);
}

}  // namespace doorslam::flowtable
