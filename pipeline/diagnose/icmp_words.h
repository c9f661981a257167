#pragma once

#include <cstdint>
#include <string>

#include "flowtable/ip_address.h"

namespace doorslam::diagnose {

/// "ICMP 3/13: communication administratively prohibited" for an ICMP or ICMPv6 error.
std::string icmp_words(flowtable::IpVersion version, std::uint8_t type, std::uint8_t code);

}  // namespace doorslam::diagnose
