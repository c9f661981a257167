#pragma once

#include <cstdint>

#include "pipeline/packet/raw_packet.h"

namespace doorslam::port {

/// The length on the wire of an Ethernet frame that may have been cut: at least what its IP header says. For sources
/// that do not tell, such as a mirror session that truncates, or a capture replayed through a port.
std::uint32_t wire_length_of(packet::ByteView frame) noexcept;

}  // namespace doorslam::port
