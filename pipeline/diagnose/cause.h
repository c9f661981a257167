#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace doorslam::diagnose {

/// Why a connection ended as it did. docs/causes.md defines each.
enum class Cause : std::uint8_t {
  served,
  acl_denied,
  connection_limit,
  rate_limit,
  app_crash,
  port_closed,
  icmp_unreachable,
  icmp_admin_prohibited,
  silent_drop,
  accept_queue_overflow,
  middlebox_reset,
  bad_handshake_ack,
  client_abort,
  client_vanished,
  client_zero_window,
  server_no_reply,
  tls_refused,
  http_refused,
  auth_failed,
  maintenance,
  unknown,
};

inline constexpr std::size_t kCauseCount = 21;

/// The contract's spelling, in the order of Cause.
inline constexpr std::array<std::string_view, kCauseCount> kCauseNames = {
    "served",          "acl_denied",        "connection_limit",      "rate_limit",      "app_crash",
    "port_closed",     "icmp_unreachable",  "icmp_admin_prohibited", "silent_drop",     "accept_queue_overflow",
    "middlebox_reset", "bad_handshake_ack", "client_abort",          "client_vanished", "client_zero_window",
    "server_no_reply", "tls_refused",       "http_refused",          "auth_failed",     "maintenance",
    "unknown",
};

constexpr std::string_view name_of(Cause cause) { return kCauseNames[static_cast<std::size_t>(cause)]; }

constexpr std::optional<Cause> cause_named(std::string_view name) {
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    if (kCauseNames[i] == name) return static_cast<Cause>(i);
  }
  return std::nullopt;
}

/// A refusal is what an operator wants to hear of: neither good service, nor a client's own choice, nor ignorance.
constexpr bool is_refusal(Cause cause) {
  return cause != Cause::served && cause != Cause::client_abort && cause != Cause::unknown;
}

}  // namespace doorslam::diagnose
