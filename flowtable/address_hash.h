#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "flowtable/ip_address.h"

namespace doorslam::flowtable {

/// Hashes of addresses for the standard library's containers. Not keyed: for what is small and bounded. The flow table
/// has its own (hash_key.h).
struct AddressHash {
  static std::size_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd6e8feb86659fd93);
    return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64);
  }
  std::size_t operator()(const IpAddress& address) const noexcept {
    std::uint64_t words[2];
    std::memcpy(words, address.octets.data(), sizeof(words));
    return mixed(words[0], words[1] + static_cast<std::uint64_t>(address.version));
  }
  std::size_t operator()(const Endpoint& endpoint) const noexcept {
    return mixed((*this)(endpoint.address), endpoint.port);
  }
};

}  // namespace doorslam::flowtable
