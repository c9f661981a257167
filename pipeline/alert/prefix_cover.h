#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flowtable/ip_address.h"
#include "pipeline/base/text.h"

/// Which part of the address space was refused: what an access list would have to say.
namespace doorslam::alert {

/// An address range in CIDR form.
struct AddressPrefix {
  flowtable::IpAddress address;  ///< bits behind `length` are zero
  std::uint8_t length = 0;       ///< bits, 0 to 32 or 128
  std::uint32_t clients = 0;     ///< refused clients in it

  bool holds(const flowtable::IpAddress& one) const noexcept;

  friend bool operator==(const AddressPrefix&, const AddressPrefix&) = default;
};

/// The smallest set of prefixes that hold all of `refused` and none of `served`, each as narrow as it can be; in order
/// of address, IPv4 first. Addresses may come in any order and more than once; one that is in both lists is left out.
std::vector<AddressPrefix> prefixes_of(std::vector<flowtable::IpAddress> refused,
                                       std::vector<flowtable::IpAddress> served);

/// Reads "10.1.2.0/25", "2001:db8::/32" or a single address. Bits behind the length must be zero. Empty: it is none.
std::optional<AddressPrefix> parse_prefix(std::string_view text);

using doorslam::text_of;  // or the overload below would hide those of addresses
/// "10.1.2.0/25"; a single address without its length.
std::string text_of(const AddressPrefix& prefix);

}  // namespace doorslam::alert
