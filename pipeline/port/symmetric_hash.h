#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "flowtable/ip_address.h"

namespace doorslam::port {

/// The hash by which a card spreads connections over its queues: Toeplitz with a key of 0x6d5a repeated, which gives
/// both directions of a connection the same value (S. Woo and K. Park, "Scalable TCP Session Monitoring with Symmetric
/// Receive-side Scaling", 2012). The key is public: no table may rely on it.
class SymmetricHash {
 public:
  static constexpr std::uint16_t kKeyWord = 0x6d5a;

  /// The key, as long as a card wants it.
  static std::vector<std::uint8_t> key(std::size_t octets);

  /// Of addresses and ports, of either direction. Both ends must be of one IP version.
  static std::uint32_t of(const flowtable::Endpoint& a, const flowtable::Endpoint& b) noexcept;
};

/// From a connection to its worker, as the cards' redirection tables have it. immutable after start.
class WorkerOfConnection {
 public:
  /// `redirection`: worker by the low bits of the hash; its size is a power of two.
  explicit WorkerOfConnection(std::span<const std::uint16_t> redirection)
      : redirection_(redirection.begin(), redirection.end()) {}

  std::size_t operator()(const flowtable::Endpoint& a, const flowtable::Endpoint& b) const noexcept {
    return redirection_[SymmetricHash::of(a, b) & (redirection_.size() - 1)];
  }

 private:
  std::vector<std::uint16_t> redirection_;
};

/// Workers in turn, `entries` of them.
std::vector<std::uint16_t> even_redirection(std::size_t entries, std::size_t workers);

}  // namespace doorslam::port
