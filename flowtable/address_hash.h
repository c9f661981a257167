#pragma once

#include <cstddef>
#include <cstdint>

#include "flowtable/hash_key.h"
#include "flowtable/ip_address.h"

namespace doorslam::flowtable {

/// Hashes of addresses and endpoints for containers, keyed with a secret: the hosts of a network are what its users
/// choose to send from and to. Immutable.
class AddressHash {
 public:
  explicit AddressHash(const HashKey& key) noexcept : key_(key) {}

  std::size_t operator()(const IpAddress& address) const noexcept { return key_.hash(address); }
  std::size_t operator()(const Endpoint& endpoint) const noexcept { return key_.hash(endpoint.address, endpoint.port); }

 protected:
  const HashKey& key() const noexcept { return key_; }

 private:
  HashKey key_;
};

}  // namespace doorslam::flowtable
