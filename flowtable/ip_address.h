#pragma once

#include <array>
#include <compare>
#include <cstdint>

namespace doorslam::flowtable {

enum class IpVersion : std::uint8_t { v4 = 4, v6 = 6 };

/// An IPv4 or IPv6 address in network byte order. IPv4 uses the first four octets, the rest is zero.
struct IpAddress {
  std::array<std::uint8_t, 16> octets{};
  IpVersion version = IpVersion::v4;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

/// One end of a connection. The port is in host byte order.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace doorslam::flowtable
