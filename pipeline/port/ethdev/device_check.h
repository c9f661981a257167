#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/port/ethdev/device.h"

namespace doorslam::ethdev {

/// What a configuration wants of each port.
struct DeviceWishes {
  std::size_t workers = 1;
  std::uint16_t descriptors = 1024;
  std::uint32_t frame_octets = 9018;
};

/// One thing about a device that a person should know before a run.
struct DeviceRemark {
  bool wanting = false;  ///< it runs, but not as well as the configuration wants
  std::string text;
  std::string advice;  ///< what mends it; empty unless wanting
};

/// Bits that PortFacts::hash_functions must have for connections of TCP over IPv4 and IPv6 to be spread.
std::uint64_t tcp_hash_functions() noexcept;

/// Queues and RSS, descriptors, longest frame, time stamps: what the device can do against what is wanted. Pure.
std::vector<DeviceRemark> remarks_on(const PortFacts& facts, const DeviceWishes& wishes);

}  // namespace doorslam::ethdev
