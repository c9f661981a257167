#pragma once

#include <algorithm>
#include <string_view>

#include "pipeline/tcp/evidence.h"

/// How a few protocols begin, where the reading of a connection depends on it.
namespace doorslam::diagnose {

inline bool begins_with(const tcp::PayloadHead& head, std::string_view prefix) {
  return head.length >= prefix.size() && std::equal(prefix.begin(), prefix.end(), head.bytes.begin());
}

/// The identification string (RFC 4253, section 4.2).
inline bool speaks_ssh(const tcp::PayloadHead& head) { return begins_with(head, "SSH-"); }

/// TLS record layer: handshake (22), version 3.x, ClientHello (1) as first message (RFC 8446, sections 4 and 5.1).
inline bool is_client_hello(const tcp::PayloadHead& head) {
  return head.length >= 6 && head.bytes[0] == 22 && head.bytes[1] == 3 && head.bytes[5] == 1;
}

}  // namespace doorslam::diagnose
