#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/raw_packet.h"

/// How fuzz input becomes packets. tests/fuzz/make_seeds.py writes the same layout.
namespace doorslam::fuzz {

/// LINKTYPE_* values by the number that the first octet of an input gives.
inline constexpr std::array<std::uint32_t, 19> kLinkTypes = {1,   0,   9,   10,  12,  14,  50,  51,  101, 104,
                                                             105, 108, 113, 127, 147, 219, 228, 229, 276};

/// Packets of: 1 octet that chooses the link type; then for each frame its length and the time since the frame before
/// in units of 10 ms (u16, little-endian), and its octets. The packets borrow from `input`.
inline std::vector<packet::RawPacket> packets_of(packet::ByteView input) {
  std::vector<packet::RawPacket> packets;
  if (input.empty()) return packets;
  const std::uint32_t link_type = kLinkTypes[input[0] % kLinkTypes.size()];
  input = input.subspan(1);
  flowtable::TimeNs now = 1'700'000'000 * flowtable::kSecondNs;
  while (input.size() > 4) {
    const std::size_t length = input[0] | input[1] << 8U;
    now += (input[2] | input[3] << 8U) * 10 * flowtable::kMillisecondNs;
    input = input.subspan(4);
    const std::size_t captured = std::min(length, input.size());
    packets.push_back({.captured = input.first(captured),
                       .wire_length = static_cast<std::uint32_t>(length),
                       .link_type = link_type,
                       .time_ns = now,
                       .number = packets.size() + 1});
    input = input.subspan(captured);
  }
  return packets;
}

}  // namespace doorslam::fuzz
