#pragma once

#include "pipeline/packet/link_layer.h"

namespace doorslam::packet {

/// IEEE 802.11 data frame, as radio captures and access points' GRE tunnels carry them. Of an aggregate (A-MSDU) the
/// first frame is read, the rest is not. Encrypted frames end here.
Position strip_wlan(Reader& reader) noexcept;

}  // namespace doorslam::packet
