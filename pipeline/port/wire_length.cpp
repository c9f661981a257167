#include "pipeline/port/wire_length.h"

#include <algorithm>

#include "pipeline/packet/link_layer.h"
#include "pipeline/packet/reader.h"

namespace doorslam::port {

std::uint32_t wire_length_of(packet::ByteView frame) noexcept {
  const auto captured = static_cast<std::uint32_t>(frame.size());
  packet::Reader reader(frame);
  std::uint16_t vlan = 0;
  if (!packet::strip_plain_ethernet(reader, vlan) &&
      packet::reach_ip({.layer = packet::Layer::ethernet}, reader, vlan)) {
    return captured;
  }
  const auto link_octets = static_cast<std::uint32_t>(frame.size() - reader.captured_size());
  const auto header = reader.peek<8>();
  if (!header) return captured;
  switch (header.u8<0>() >> 4U) {
    case 4:
      return std::max<std::uint32_t>(captured, link_octets + header.be16<2>());
    case 6: {
      constexpr std::uint32_t kFixedHeader = 40;
      return std::max<std::uint32_t>(captured, link_octets + kFixedHeader + header.be16<4>());
    }
    default:
      return captured;
  }
}

}  // namespace doorslam::port
