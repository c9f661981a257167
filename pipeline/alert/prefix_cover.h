#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "flowtable/ip_address.h"

/// Which part of the address space was refused: what an access list would have to say.
namespace doorslam::alert {

/// An address range in CIDR form.
struct AddressPrefix {
  flowtable::IpAddress address;  ///< bits behind `length` are zero
  std::uint8_t length = 0;       ///< bits, 0 to 32 or 128
  std::uint32_t clients = 0;     ///< refused clients in it

  friend bool operator==(const AddressPrefix&, const AddressPrefix&) = default;
};

/// The smallest set of prefixes that hold all of `refused` and none of `served`, each as narrow as it can be; in order
/// of address, IPv4 first. Addresses may come in any order and more than once; one that is in both lists is left out.
std::vector<AddressPrefix> prefixes_of(std::vector<flowtable::IpAddress> refused,
                                       std::vector<flowtable::IpAddress> served);

/// "10.1.2.0/25"; a single address without its length.
std::string text_of(const AddressPrefix& prefix);

}  // namespace doorslam::alert
