#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "pipeline/packet/raw_packet.h"
#include "pipeline/tcp/evidence.h"

/// How a few protocols begin, where the reading of a connection depends on it.
namespace doorslam::diagnose {

inline bool begins_with(const tcp::PayloadHead& head, std::string_view prefix) {
  return head.length >= prefix.size() && std::equal(prefix.begin(), prefix.end(), head.bytes.begin());
}

/// What stands after the sender's name in a line that begins with one (IRC, RFC 2812, section 2.3.1: ":name "), which
/// is in front of all that a server says and tells nothing of it; else the words themselves.
inline packet::ByteView behind_senders_name(packet::ByteView words) noexcept {
  constexpr std::size_t kLongestName = 64;
  if (words.empty() || words[0] != ':') return words;
  const packet::ByteView beginning = words.first(std::min(words.size(), kLongestName));
  const auto end = std::ranges::find_if(beginning, [](std::uint8_t octet) { return octet <= ' '; });
  if (end == beginning.end() || *end != ' ') return words;
  return words.subspan(static_cast<std::size_t>(end - beginning.begin()) + 1);
}

/// The identification string (RFC 4253, section 4.2).
inline bool speaks_ssh(const tcp::PayloadHead& head) { return begins_with(head, "SSH-"); }

/// TLS record layer: handshake (22), version 3.x, ClientHello (1) as first message (RFC 8446, sections 4 and 5.1).
inline bool is_client_hello(const tcp::PayloadHead& head) {
  return head.length >= 6 && head.bytes[0] == 22 && head.bytes[1] == 3 && head.bytes[5] == 1;
}

/// A ServerHello that asks for another ClientHello, as its random number tells (RFC 8446, section 4.1.3).
inline bool is_hello_retry_request(const tcp::PayloadHead& head) {
  constexpr std::string_view kRandom(
      "\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
      "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c",
      32);
  constexpr std::size_t kBefore = 11;  // record and handshake header, version
  if (head.length < kBefore + kRandom.size() || head.bytes[0] != 22 || head.bytes[5] != 2) return false;
  return std::equal(kRandom.begin(), kRandom.end(), head.bytes.begin() + kBefore,
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
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
