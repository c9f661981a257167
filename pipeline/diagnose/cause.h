#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace doorslam::diagnose {

/// Why a connection ended as it did. `doorslam explain` says what each means (guide/entries.cpp).
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

inline constexpr std::size_t kCauseCount = static_cast<std::size_t>(Cause::unknown) + 1;

/// How much an incident of ordinary size should worry.
enum class Worry : std::uint8_t { low, medium, high };

/// Whether a scan meets the cause by the thousand, so that its incidents may be one wider incident.
enum class Scanned : std::uint8_t {
  never,
  at_syn,  ///< only where it was the answer to the SYN
  always,
};

/// All that differs from cause to cause but needs no sentence (those are in guide.h).
struct CauseTraits {
  Cause cause = Cause::served;
  std::string_view name;     ///< the contract's spelling
  std::uint32_t number = 0;  ///< for receivers who want numbers: for good, never given to another cause
  bool refusal = false;      ///< an operator wants to hear of it: no good service, client's choice, or ignorance
  bool denial = false;       ///< somebody decided to refuse (ECS event.type "denied"), rather than failed
  bool by_address = false;   ///< an address list or a packet filter may be behind it
  Worry worry = Worry::low;
  Scanned scanned = Scanned::never;
  bool clients_own = false;  ///< the client failed, or its way to the network: nobody refused it
};

inline constexpr std::array<CauseTraits, kCauseCount> kCauses = {{
    {.cause = Cause::served, .name = "served", .number = 0},
    {.cause = Cause::acl_denied,
     .name = "acl_denied",
     .number = 1,
     .refusal = true,
     .denial = true,
     .by_address = true},
    {.cause = Cause::connection_limit,
     .name = "connection_limit",
     .number = 2,
     .refusal = true,
     .denial = true,
     .worry = Worry::medium},
    {.cause = Cause::rate_limit,
     .name = "rate_limit",
     .number = 3,
     .refusal = true,
     .denial = true,
     .worry = Worry::medium},
    {.cause = Cause::app_crash, .name = "app_crash", .number = 4, .refusal = true, .worry = Worry::high},
    {.cause = Cause::port_closed, .name = "port_closed", .number = 5, .refusal = true, .scanned = Scanned::always},
    {.cause = Cause::icmp_unreachable,
     .name = "icmp_unreachable",
     .number = 6,
     .refusal = true,
     .scanned = Scanned::always},
    {.cause = Cause::icmp_admin_prohibited,
     .name = "icmp_admin_prohibited",
     .number = 7,
     .refusal = true,
     .denial = true,
     .by_address = true,
     .scanned = Scanned::always},
    {.cause = Cause::silent_drop,
     .name = "silent_drop",
     .number = 8,
     .refusal = true,
     .denial = true,
     .by_address = true,
     .scanned = Scanned::always},
    {.cause = Cause::accept_queue_overflow,
     .name = "accept_queue_overflow",
     .number = 9,
     .refusal = true,
     .worry = Worry::high},
    {.cause = Cause::middlebox_reset,
     .name = "middlebox_reset",
     .number = 10,
     .refusal = true,
     .denial = true,
     .by_address = true,
     .worry = Worry::medium,
     .scanned = Scanned::at_syn},
    {.cause = Cause::bad_handshake_ack,
     .name = "bad_handshake_ack",
     .number = 11,
     .refusal = true,
     .worry = Worry::medium},
    {.cause = Cause::client_abort, .name = "client_abort", .number = 12},
    {.cause = Cause::client_vanished, .name = "client_vanished", .number = 13, .refusal = true, .clients_own = true},
    {.cause = Cause::client_zero_window,
     .name = "client_zero_window",
     .number = 14,
     .refusal = true,
     .clients_own = true},
    {.cause = Cause::server_no_reply, .name = "server_no_reply", .number = 15, .refusal = true, .worry = Worry::medium},
    {.cause = Cause::tls_refused, .name = "tls_refused", .number = 16, .refusal = true, .denial = true},
    {.cause = Cause::http_refused, .name = "http_refused", .number = 17, .refusal = true, .denial = true},
    {.cause = Cause::auth_failed, .name = "auth_failed", .number = 18, .refusal = true, .denial = true},
    {.cause = Cause::maintenance,
     .name = "maintenance",
     .number = 19,
     .refusal = true,
     .denial = true,
     .worry = Worry::medium},
    {.cause = Cause::unknown, .name = "unknown", .number = 20},
}};

constexpr const CauseTraits& traits_of(Cause cause) { return kCauses[static_cast<std::size_t>(cause)]; }

namespace detail {
/// Every cause has its row, at its place, with a name and a number of its own.
consteval bool causes_are_told_apart() {
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    if (static_cast<std::size_t>(kCauses[i].cause) != i || kCauses[i].name.empty()) return false;
    for (std::size_t j = 0; j < i; ++j) {
      if (kCauses[j].name == kCauses[i].name || kCauses[j].number == kCauses[i].number) return false;
    }
  }
  return true;
}
static_assert(causes_are_told_apart());
}  // namespace detail

/// The contract's spelling, in the order of Cause.
inline constexpr std::array<std::string_view, kCauseCount> kCauseNames = [] {
  std::array<std::string_view, kCauseCount> names;
  for (std::size_t i = 0; i < kCauseCount; ++i) names[i] = kCauses[i].name;
  return names;
}();

constexpr std::string_view name_of(Cause cause) { return traits_of(cause).name; }

constexpr std::optional<Cause> cause_named(std::string_view name) {
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    if (kCauseNames[i] == name) return static_cast<Cause>(i);
  }
  return std::nullopt;
}

/// What an operator wants to hear of.
constexpr bool is_refusal(Cause cause) { return traits_of(cause).refusal; }

}  // namespace doorslam::diagnose
