#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// Made-up traffic. What the n-th connection looks like follows from n alone, and what its k-th segment carries from n
/// and k, so that a source of millions of connections keeps no state that would take the cache from what is measured.
namespace doorslam::bench {

/// A segment to be written into a frame.
struct Line {
  std::uint32_t connection = 0;
  std::uint32_t seq = 0;
  std::uint32_t ack = 0;
  std::uint16_t payload = 0;  ///< octets
  std::uint8_t flags = 0;     ///< packet::tcp_flag
  bool from_client = true;
  bool v6 = false;
};

/// Ends of a connection. The IPv6 addresses end in these numbers.
struct Ends {
  std::uint32_t client;
  std::uint32_t server;
  std::uint16_t client_port;
  std::uint16_t server_port;
};

/// Different for every number: four million clients, each with 1,024 ports, at 256 servers.
inline Ends ends_of(std::uint32_t connection) noexcept {
  const std::uint32_t mixed = connection * 0x9e3779b1U;  // odd: no two numbers give one
  return {0x0a000000U | mixed >> 10U, 0xc0a80000U | mixed >> 24U, static_cast<std::uint16_t>(32768U | (mixed & 1023U)),
          443};
}

inline constexpr std::uint32_t kHandshake = 3;  ///< segments
inline constexpr std::uint32_t kClosing = 3;

/// The k-th segment of a connection that never ends: handshake, then requests and responses of `payload` octets in
/// turn.
inline Line talk(std::uint32_t connection, std::uint32_t k, std::uint16_t payload) noexcept {
  const std::uint32_t client = connection * 0x85ebca6bU;
  const std::uint32_t server = ~client;
  if (k >= kHandshake) {
    const std::uint32_t turn = k - kHandshake;
    const std::uint32_t said = turn / 2 * payload;
    const bool from_client = turn % 2 == 0;
    if (from_client) return {connection, client + 1 + said, server + 1 + said, payload, 0x18, true};
    return {connection, server + 1 + said, client + 1 + said + payload, payload, 0x18, false};
  }
  if (k == 0) return {connection, client, 0, 0, 0x02, true};
  if (k == 1) return {connection, server, client + 1, 0, 0x12, false};
  return {connection, client + 1, server + 1, 0, 0x10, true};
}

/// The k-th of `segments` of a connection that closes in order. The handshake and closing apart, an even number.
inline Line life(std::uint32_t connection, std::uint32_t k, std::uint32_t segments, std::uint16_t payload) noexcept {
  if (k + kClosing < segments) return talk(connection, k, payload);
  const std::uint32_t said = (segments - kHandshake - kClosing) / 2 * payload;
  const std::uint32_t client = connection * 0x85ebca6bU + 1 + said;
  const std::uint32_t server = ~(connection * 0x85ebca6bU) + 1 + said;
  if (k + 3 == segments) return {connection, client, server, 0, 0x11, true};
  if (k + 2 == segments) return {connection, server, client + 1, 0, 0x11, false};
  return {connection, client + 1, server + 1, 0, 0x10, true};
}

/// Payload of the smallest frame that Ethernet carries.
inline constexpr std::uint16_t kLeastPayload = 6;

/// The simple Internet mix: of twelve frames, seven are the smallest, four have 594 octets, one 1,518 (FCS included).
inline std::uint16_t imix_payload(std::uint32_t connection) noexcept {
  constexpr std::uint16_t kSizes[12] = {6, 536, 6, 6, 536, 6, 1460, 6, 536, 6, 6, 536};
  return kSizes[connection % 12];
}

/// The numbers 0 to count - 1 in an order that no cache foresees; the same one every time.
std::vector<std::uint32_t> shuffled(std::uint32_t count);
/// `draws` numbers below `count`: number k with a frequency of 1 / (k + 1), scattered over the range.
std::vector<std::uint32_t> zipf(std::uint32_t count, std::size_t draws);

/// All connections in turn, in a shuffled order, over and over: each round one segment of each. The worst case, as no
/// line is used again before all others have been.
class Uniform {
 public:
  enum class Kind { plain, half_v6, imix };

  /// `order` is borrowed.
  explicit Uniform(const std::vector<std::uint32_t>& order, Kind kind = Kind::plain) : order_(&order), kind_(kind) {}

  Line next() noexcept {
    const std::uint32_t connection = (*order_)[position_];
    Line line = talk(connection, round_, kind_ == Kind::imix ? imix_payload(connection) : kLeastPayload);
    line.v6 = kind_ == Kind::half_v6 && connection % 2 == 1;
    if (++position_ == order_->size()) {
      position_ = 0;
      ++round_;
    }
    return line;
  }

  /// Segments that bring all connections so far that they are plainly served.
  static constexpr std::uint32_t kSettled = kHandshake + 2 * 8;
  std::uint64_t to_settle() const { return std::uint64_t{kSettled} * order_->size(); }

 private:
  const std::vector<std::uint32_t>* order_;
  Kind kind_;
  std::size_t position_ = 0;
  std::uint32_t round_ = 0;
};

/// Connections as they come in a sequence of draws; which segment is next is counted for each.
class Drawn {
 public:
  /// `sequence` is borrowed.
  Drawn(const std::vector<std::uint32_t>& sequence, std::uint32_t connections)
      : sequence_(&sequence), sent_(connections) {}

  Line next() noexcept {
    const std::uint32_t connection = (*sequence_)[position_];
    position_ = position_ + 1 == sequence_->size() ? 0 : position_ + 1;
    return talk(connection, sent_[connection]++, kLeastPayload);
  }
  /// The first segments of all connections, one connection after another.
  Line settle(std::uint64_t n) noexcept {
    const auto connection = static_cast<std::uint32_t>(n / Uniform::kSettled);
    return talk(connection, sent_[connection]++, kLeastPayload);
  }

 private:
  const std::vector<std::uint32_t>* sequence_;
  std::vector<std::uint32_t> sent_;
  std::size_t position_ = 0;
};

/// Connections come and go: each sends `segments` in all, and for as many one begins and one is done.
class Churn {
 public:
  static constexpr std::uint32_t kShortLife = kHandshake + 4 + kClosing;

  /// `apart`: connections that begin between two segments of one. `segments`: even. `first`: number of the first
  /// connection.
  explicit Churn(std::uint32_t apart, std::uint32_t segments = kShortLife, std::uint32_t first = 0)
      : apart_(apart), segments_(segments), first_(first) {}

  Line next() noexcept {
    const Line line = life(first_ + newest_ - k_ * apart_, k_, segments_, kLeastPayload);
    if (++k_ == segments_ || newest_ < k_ * apart_) {
      k_ = 0;
      ++newest_;
    }
    return line;
  }

 private:
  std::uint32_t apart_;
  std::uint32_t segments_;
  std::uint32_t first_;
  std::uint32_t newest_ = 0;
  std::uint32_t k_ = 0;
};

/// SYNs, none from where one came before.
class Flood {
 public:
  explicit Flood(std::uint32_t first) : next_(first) {}
  Line next() noexcept { return talk(next_++, 0, 0); }

 private:
  std::uint32_t next_;
};

}  // namespace doorslam::bench
