#include "pipeline/base/address_prefix.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>

#include "pipeline/base/printable.h"

namespace doorslam {

using flowtable::IpAddress;
using flowtable::IpVersion;

unsigned common_bits(const IpAddress& a, const IpAddress& b) noexcept {
  const unsigned width = width_of(a);
  for (unsigned octet = 0; octet < width / 8; ++octet) {
    const auto differing = static_cast<std::uint8_t>(a.octets[octet] ^ b.octets[octet]);
    if (differing != 0) return octet * 8 + static_cast<unsigned>(std::countl_zero(differing));
  }
  return width;
}

bool AddressPrefix::holds(const IpAddress& one) const noexcept {
  return one.version == address.version && common_bits(address, one) >= length;
}

bool AddressPrefix::names_a_host_within() const noexcept {
  for (unsigned bit = length; bit < width_of(address); ++bit) {
    if ((address.octets[bit / 8] >> (7 - bit % 8) & 1U) != 0) return true;
  }
  return false;
}

Result<AddressPrefix> parse_prefix(std::string_view text) {
  const auto refused = [&](std::string_view why) {
    return usage_error(fmt::format("\"{}\" is no network: {}; write 192.0.2.0/24, 2001:db8::/32 or an address",
                                   printable(text, 60), why));
  };
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string address(text.substr(0, slash));
  AddressPrefix prefix;
  if (inet_pton(AF_INET, address.c_str(), prefix.address.octets.data()) != 1) {
    prefix.address.version = IpVersion::v6;
    if (inet_pton(AF_INET6, address.c_str(), prefix.address.octets.data()) != 1) {
      return refused("no address stands before the slash");
    }
  }
  unsigned length = width_of(prefix.address);
  if (slash < text.size()) {
    const std::string_view bits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), length);
    if (error != std::errc() || end != bits.data() + bits.size() || length > width_of(prefix.address)) {
      return refused(fmt::format("its length is not from 0 to {}", width_of(prefix.address)));
    }
  }
  prefix.length = static_cast<std::uint8_t>(length);
  return prefix;
}

std::string text_of(const AddressPrefix& prefix) {
  const std::string address = text_of(prefix.address);
  return prefix.length == width_of(prefix.address) ? address : fmt::format("{}/{}", address, prefix.length);
}

}  // namespace doorslam
