#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "flowtable/hash_key.h"
#include "flowtable/ip_address.h"

/// How the maps of the analysis hash addresses and endpoints, by a secret key, and compare them: as words, because
/// octet by octet is slower.
namespace doorslam::diagnose {

struct AddressKeys {
  using Words = std::array<std::uint64_t, 2>;
  flowtable::HashKey hash_key;

  std::uint64_t hash(const flowtable::IpAddress& a) const noexcept { return hash_key.hash(a); }
  static bool same(const flowtable::IpAddress& a, const flowtable::IpAddress& b) noexcept {
    const auto x = std::bit_cast<Words>(a.octets);
    const auto y = std::bit_cast<Words>(b.octets);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0 && a.version == b.version;
  }
};

struct EndpointKeys {
  flowtable::HashKey hash_key;

  std::uint64_t hash(const flowtable::Endpoint& e) const noexcept { return hash_key.hash(e.address, e.port); }
  static bool same(const flowtable::Endpoint& a, const flowtable::Endpoint& b) noexcept {
    return a.port == b.port && AddressKeys::same(a.address, b.address);
  }
};

}  // namespace doorslam::diagnose
