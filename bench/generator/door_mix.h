#pragma once

#include <cstdint>

#include "bench/support/traffic.h"

namespace doorslam::bench {

/// Connections come and go. Most are served and closed in order; of one in `refused_every` the server hangs up right
/// after the handshake. One in `v6_every` goes over IPv6. 0: none.
/// Seven requests and answers make it plain that a connection is served.
///
/// Between two segments of a connection `apart` others begin: about apart × kServedLife are open at any time,
/// and each of them has seen its handshake but for the newest.
class DoorMix {
 public:
  static constexpr std::uint32_t kServedLife = kHandshake + 2 * 7 + kClosing;  ///< segments

  struct Shape {
    std::uint32_t apart = 100;
    std::uint32_t refused_every = 0;
    std::uint32_t v6_every = 0;
  };

  explicit DoorMix(const Shape& shape) : shape_(shape) {}

  Line next() noexcept {
    while (true) {
      const std::uint32_t connection = newest_ - k_ * shape_.apart;
      const std::uint32_t k = k_;
      if (++k_ == kServedLife || newest_ < k_ * shape_.apart) {
        k_ = 0;
        ++newest_;
      }
      const bool is_refused = every(shape_.refused_every, connection);
      if (is_refused && k >= kRefusedLife) continue;
      refused_ += is_refused && k == 0 ? 1 : 0;
      Line line = is_refused ? slammed(connection, k) : life(connection, k, kServedLife, kLeastPayload);
      line.v6 = every(shape_.v6_every, connection);
      return line;
    }
  }

  std::uint64_t begun() const noexcept { return newest_ + (k_ > 0 ? 1U : 0U); }
  std::uint64_t refused() const noexcept { return refused_; }

 private:
  static constexpr std::uint32_t kRefusedLife = kHandshake + 3;

  static bool every(std::uint32_t one_in, std::uint32_t connection) noexcept {
    return one_in != 0 && connection % one_in == one_in - 1;
  }

  /// Handshake, then the server's FIN, and the client's, with no word from either.
  static Line slammed(std::uint32_t connection, std::uint32_t k) noexcept {
    if (k < kHandshake) return talk(connection, k, 0);
    const std::uint32_t client = connection * 0x85ebca6bU + 1;
    const std::uint32_t server = ~(connection * 0x85ebca6bU) + 1;
    if (k == kHandshake) return {connection, server, client, 0, 0x11, false};
    if (k == kHandshake + 1) return {connection, client, server + 1, 0, 0x11, true};
    return {connection, server + 1, client + 1, 0, 0x10, false};
  }

  Shape shape_;
  std::uint32_t newest_ = 0;
  std::uint32_t k_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace doorslam::bench
