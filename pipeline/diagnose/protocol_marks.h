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

/// MQTT 3.1.1 CONNECT whose flags (section 3.1.2.3) announce a user name and a password: packet type 1, its length in
/// one or two octets, the protocol's name, level 4.
inline bool is_mqtt_connect_with_password(const tcp::PayloadHead& head) {
  if (head.length < 2 || head.bytes[0] != 0x10) return false;
  const std::size_t name = head.bytes[1] >= 0x80 ? 3 : 2;
  constexpr std::string_view kName("\0\4MQTT\4", 7);
  constexpr unsigned kUserAndPassword = 0xc0;
  if (head.length < name + kName.size() + 1) return false;
  return std::equal(kName.begin(), kName.end(), head.bytes.begin() + static_cast<std::ptrdiff_t>(name)) &&
         (head.bytes[name + kName.size()] & kUserAndPassword) == kUserAndPassword;
}

/// MQTT 3.1.1 CONNACK with return code 5 (section 3.2.2.3).
inline bool is_mqtt_not_authorised(const tcp::PayloadHead& head) {
  return head.length >= 4 && head.bytes[0] == 0x20 && head.bytes[1] == 2 && head.bytes[3] == 5;
}

}  // namespace doorslam::diagnose
