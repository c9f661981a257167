#pragma once

#include <cstdint>
#include <vector>

#include "flowtable/ip_address.h"
#include "pipeline/base/address_prefix.h"

/// Which part of the address space was refused: what an access list would have to say.
namespace doorslam::alert {

/// A prefix out of which clients were refused, and none was served. Bits of its address beyond the length are zero.
struct RefusedPrefix {
  AddressPrefix prefix;
  std::uint32_t clients = 0;  ///< refused clients in it

  friend bool operator==(const RefusedPrefix&, const RefusedPrefix&) = default;
};

/// The smallest set of prefixes that hold all of `refused` and none of `served`, each as narrow as it can be; in order
/// of address, IPv4 first. Addresses may come in any order and more than once; one that is in both lists is left out.
std::vector<RefusedPrefix> prefixes_of(std::vector<flowtable::IpAddress> refused,
                                       std::vector<flowtable::IpAddress> served);

}  // namespace doorslam::alert
