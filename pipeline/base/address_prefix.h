#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flowtable/ip_address.h"
#include "pipeline/base/result.h"
#include "pipeline/base/text.h"

namespace doorslam {

/// A part of the address space in CIDR form (RFC 4632, RFC 4291).
struct AddressPrefix {
  flowtable::IpAddress address;
  std::uint8_t length = 0;  ///< bits, 0 to 32 or 128

  bool holds(const flowtable::IpAddress& one) const noexcept;
  /// Bits of the address beyond the length are set, as in 10.9.0.1/16: a host was meant, or somebody slipped.
  bool names_a_host_within() const noexcept;

  friend bool operator==(const AddressPrefix&, const AddressPrefix&) = default;
};

/// Bits of such an address: 32 or 128.
constexpr unsigned width_of(const flowtable::IpAddress& address) noexcept {
  return address.version == flowtable::IpVersion::v4 ? 32 : 128;
}

/// Leading bits that two addresses of one version have in common.
unsigned common_bits(const flowtable::IpAddress& a, const flowtable::IpAddress& b) noexcept;

/// Reads "192.0.2.0/24", "2001:db8::/32" or a bare address. Errors (usage): what is wrong with it.
Result<AddressPrefix> parse_prefix(std::string_view text);

/// "10.1.2.0/25"; a single address without its length.
std::string text_of(const AddressPrefix& prefix);

}  // namespace doorslam
