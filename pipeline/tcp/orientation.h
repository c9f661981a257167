#pragma once

#include <bitset>
#include <cstdint>
#include <span>

#include "pipeline/packet/segment.h"

/// Who opened the connection, told by its first segment in the capture.
namespace doorslam::tcp {

/// Ports on which servers listen. Immutable after construction.
class ServerPorts {
 public:
  explicit ServerPorts(std::span<const std::uint16_t> ports) {
    for (const std::uint16_t port : ports) known_.set(port);
  }
  bool has(std::uint16_t port) const noexcept { return known_.test(port); }

 private:
  std::bitset<65536> known_;
};

struct Orientation {
  bool source_is_originator = true;
  bool turned = false;   ///< the sender of the first segment is the responder: history begins with '^'
  bool guessed = false;  ///< by ports alone
};

/// A SYN comes from the originator, a SYN-ACK from the responder. Otherwise ports must tell: the well-known one is the
/// server's, of two the lower; failing that, the sender is taken for the originator, unless it uses a port below the
/// ephemeral range towards one inside it (RFC 6335, section 6).
inline Orientation orient(const packet::Segment& first, const ServerPorts& servers) noexcept {
  using namespace packet::tcp_flag;
  if (first.has(kSyn)) {
    const bool answer = first.has(kAck);
    return {!answer, answer, false};
  }
  const std::uint16_t from = first.source.port;
  const std::uint16_t to = first.destination.port;
  const bool from_server = servers.has(from);
  const bool to_server = servers.has(to);
  bool turned = from_server && (!to_server || from < to);
  if (!from_server && !to_server) {
    constexpr std::uint16_t kFirstUnprivileged = 1024;
    constexpr std::uint16_t kFirstEphemeral = 32768;
    turned =
        (from < kFirstUnprivileged && to >= kFirstUnprivileged) || (from < kFirstEphemeral && to >= kFirstEphemeral);
  }
  return {!turned, turned, true};
}

}  // namespace doorslam::tcp
