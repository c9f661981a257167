#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "flowtable/flow_key.h"
#include "flowtable/mix.h"

/// The hash of the flow table, and of all that is known by the addresses of packets, keyed with a secret.
///
/// Whoever sends packets chooses keys; if the hash were known (as RSS keys are), they could fill a bucket at will.
/// Folded multiplication: two for an IPv4 key or an address, four for IPv6. It is no cryptographic MAC: results must
/// stay inside.
namespace doorslam::flowtable {

/// 384 secret bits. Immutable; copies are cheap enough to keep one in each table.
class HashKey {
 public:
  /// A fresh secret of the kernel. Throws std::system_error if the kernel has no randomness to give.
  static HashKey random();
  /// A known one, for repeatable reads of captures. Never for live traffic.
  static constexpr HashKey fixed() noexcept {
    return HashKey({0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89, 0x452821e638d01377,
                    0xbe5466cf34e90c6c});  // the digits of pi: nothing up the sleeve
  }
  explicit constexpr HashKey(const std::array<std::uint64_t, 6>& secret) noexcept : secret_(secret) {}

  std::uint64_t hash(const FlowKey4& key) const noexcept {
    const auto word = key.words();
    const std::uint64_t mixed = folded_product(word[0] ^ secret_[0], word[1] ^ secret_[1]);
    return folded_product(mixed ^ secret_[2], word[1] ^ secret_[3]);
  }

  std::uint64_t hash(const FlowKey6& key) const noexcept { return hash(key.words()); }

  /// Of two addresses of IPv6, or others in as many octets, and a word more.
  std::uint64_t hash(const std::array<std::uint64_t, 5>& word) const noexcept {
    const std::uint64_t lo = folded_product(word[0] ^ secret_[0], word[1] ^ secret_[1]);
    const std::uint64_t hi = folded_product(word[2] ^ secret_[2], word[3] ^ secret_[3]);
    const std::uint64_t mixed = folded_product(lo ^ word[4] ^ secret_[4], hi ^ secret_[5]);
    return folded_product(mixed ^ secret_[1], word[4] ^ secret_[3]);
  }

  /// Of an address, and of what else a thing is known by.
  std::uint64_t hash(const IpAddress& address, std::uint64_t with = 0) const noexcept {
    const auto word = std::bit_cast<std::array<std::uint64_t, 2>>(address.octets);
    const std::uint64_t rest = with ^ std::uint64_t{static_cast<std::uint8_t>(address.version)} << 56U;
    const std::uint64_t mixed = folded_product(word[0] ^ secret_[0], word[1] ^ rest ^ secret_[1]);
    return folded_product(mixed ^ secret_[2], rest ^ secret_[3]);
  }

  friend bool operator==(const HashKey&, const HashKey&) = default;

 private:
  std::array<std::uint64_t, 6> secret_;
};

}  // namespace doorslam::flowtable
