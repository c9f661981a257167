#include "pipeline/alert/prefix_cover.h"

#include <algorithm>
#include <cstddef>
#include <span>

namespace doorslam::alert {

namespace {

using flowtable::IpAddress;
using flowtable::IpVersion;

using Addresses = std::span<const IpAddress>;

bool bit_of(const IpAddress& address, unsigned bit) { return (address.octets[bit / 8] >> (7 - bit % 8) & 1U) != 0; }

RefusedPrefix prefix_of(Addresses addresses) {
  AddressPrefix prefix{.address = addresses.front()};
  const unsigned length = common_bits(addresses.front(), addresses.back());
  prefix.length = static_cast<std::uint8_t>(length);
  for (unsigned bit = length; bit < width_of(prefix.address); ++bit) {
    prefix.address.octets[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> bit % 8));
  }
  return {.prefix = prefix, .clients = static_cast<std::uint32_t>(addresses.size())};
}

/// Where, in sorted addresses that share their first `bit` bits, the next bit becomes 1.
std::size_t split_at(Addresses addresses, unsigned bit) {
  const auto one = std::ranges::partition_point(addresses, [bit](const IpAddress& a) { return !bit_of(a, bit); });
  return static_cast<std::size_t>(one - addresses.begin());
}

/// Both sorted, of one version and one binary subtree: they share their first `bit` bits. Depth: 128 at most.
void cover(Addresses refused, Addresses served, unsigned bit, std::vector<RefusedPrefix>& out) {
  if (refused.empty()) return;
  if (served.empty()) {
    out.push_back(prefix_of(refused));
    return;
  }
  const std::size_t refused_split = split_at(refused, bit);
  const std::size_t served_split = split_at(served, bit);
  cover(refused.first(refused_split), served.first(served_split), bit + 1, out);
  cover(refused.subspan(refused_split), served.subspan(served_split), bit + 1, out);
}

/// By version, then by bits.
bool is_lower(const IpAddress& a, const IpAddress& b) {
  return a.version != b.version ? a.version < b.version : a.octets < b.octets;
}

void sort_unique(std::vector<IpAddress>& addresses) {
  std::sort(addresses.begin(), addresses.end(), is_lower);
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
}

Addresses of_version(const std::vector<IpAddress>& sorted, IpVersion version) {
  const auto is_v4 = [](const IpAddress& a) { return a.version == IpVersion::v4; };
  const auto v6 = static_cast<std::size_t>(std::ranges::partition_point(sorted, is_v4) - sorted.begin());
  return version == IpVersion::v4 ? Addresses(sorted).first(v6) : Addresses(sorted).subspan(v6);
}

}  // namespace

std::vector<RefusedPrefix> prefixes_of(std::vector<IpAddress> refused, std::vector<IpAddress> served) {
  sort_unique(served);
  // Who is served at times is on no list.
  std::erase_if(refused,
                [&](const IpAddress& a) { return std::binary_search(served.begin(), served.end(), a, is_lower); });
  sort_unique(refused);
  std::vector<RefusedPrefix> out;
  for (const IpVersion version : {IpVersion::v4, IpVersion::v6}) {
    cover(of_version(refused, version), of_version(served, version), 0, out);
  }
  return out;
}

}  // namespace doorslam::alert
