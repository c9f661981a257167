#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "pipeline/base/descriptor.h"
#include "pipeline/base/result.h"

namespace doorslam::sink {

/// "siem.example:6514", "192.0.2.1:514", "[2001:db8::1]:514".
struct HostPort {
  std::string host;
  std::string port;

  std::string text() const;
};

/// Errors (usage): what is wrong with it. `fallback_port` stands in where none is named; empty: one must be.
Result<HostPort> parse_host_port(std::string_view text, std::string_view fallback_port = {});

enum class Transport : std::uint8_t { udp, tcp };

/// A connected, non-blocking socket. Tries the addresses of the host one after the other until `deadline` or `stop`.
/// Errors (data): "siem.example:6514: connection refused".
Result<Descriptor> connect_to(const HostPort& target, Transport transport,
                              std::chrono::steady_clock::time_point deadline, const std::stop_token& stop);

/// Another connection over TCP to the very address that `connected` leads to. `error`: errno of the attempt, 0: it is
/// there; `by_us`: this host has no socket or port left, which tells nothing about the other.
struct Reconnection {
  Descriptor socket;
  int error = 0;
  bool by_us = false;
};
Reconnection connect_to_peer_of(int connected, std::chrono::steady_clock::time_point deadline,
                                const std::stop_token& stop);

/// A connected, non-blocking datagram socket to a local path such as /dev/log. Errors (data): why not.
Result<Descriptor> connect_to_local(const std::string& path);

}  // namespace doorslam::sink
