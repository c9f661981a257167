#pragma once

#include "pipeline/packet/ip.h"
#include "pipeline/packet/reader.h"
#include "pipeline/packet/segment.h"

namespace doorslam::packet {

/// Reads an ICMP (RFC 792) or ICMPv6 (RFC 4443) message at the payload of `ip`. The outcome is icmp_error only when it
/// is an error that quotes a TCP segment up to its sequence number. Fills type, code, the inner addresses, ports and
/// seq of `error`.
DecodeOutcome parse_icmp(Reader reader, const IpHeader& ip, bool verify_checksums, IcmpError& error) noexcept;

}  // namespace doorslam::packet
