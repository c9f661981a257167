#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "flowtable/time.h"

namespace doorslam::packet {

using ByteView = std::span<const std::uint8_t>;

/// Packets that are taken, decoded and tracked together, at most.
inline constexpr std::size_t kBurst = 64;

/// A frame as its source delivered it. The bytes are borrowed until the source is asked for the next burst.
struct RawPacket {
  ByteView captured;              ///< what the snap length left of it
  std::uint32_t wire_length = 0;  ///< octets on the wire; >= captured.size()
  std::uint32_t link_type = 0;    ///< LINKTYPE_* value (https://www.tcpdump.org/linktypes.html)
  flowtable::TimeNs time_ns = 0;  ///< never less than that of the packet before it
  std::uint64_t number = 0;       ///< 1 for the first packet of the source, then counting up; breaks ties of time
  bool checksums_good = false;    ///< the card has verified those of IPv4 and TCP (not of what a tunnel holds)
};

}  // namespace doorslam::packet
