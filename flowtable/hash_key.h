#pragma once

#include <array>
#include <cstdint>

#include "flowtable/flow_key.h"

/// The hash of the flow table, keyed with a secret.
///
/// Whoever sends packets chooses keys; if the hash were known (as RSS keys are), they could fill a bucket at will.
/// Folded multiplication: two for an IPv4 key, four for IPv6. It is no cryptographic MAC: results must stay inside.
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
    const std::uint64_t mixed = fold(word[0] ^ secret_[0], word[1] ^ secret_[1]);
    return fold(mixed ^ secret_[2], word[1] ^ secret_[3]);
  }

  std::uint64_t hash(const FlowKey6& key) const noexcept {
    const auto word = key.words();
    const std::uint64_t lo = fold(word[0] ^ secret_[0], word[1] ^ secret_[1]);
    const std::uint64_t hi = fold(word[2] ^ secret_[2], word[3] ^ secret_[3]);
    const std::uint64_t mixed = fold(lo ^ word[4] ^ secret_[4], hi ^ secret_[5]);
    return fold(mixed ^ secret_[1], word[4] ^ secret_[3]);
  }

 private:
  /// Both halves of the 128-bit product, so that every bit of either factor reaches every bit of the result.
  static std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  }

  std::array<std::uint64_t, 6> secret_;
};

}  // namespace doorslam::flowtable
