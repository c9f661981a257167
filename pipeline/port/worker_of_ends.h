#pragma once

#include <cstddef>
#include <cstdint>

#include "flowtable/hash_key.h"

namespace doorslam::port {

/// Which of several workers tracks a connection, where no card decides: told by its two ends alone, so that both
/// directions, and the ICMP errors about them, come together. immutable after start.
class WorkerOfEnds {
 public:
  /// Captures and replays take HashKey::fixed(), to be repeatable; live traffic a random one. `vlan_aware`: the VLAN is
  /// part of what a connection is known by, as in the tracker.
  WorkerOfEnds(const flowtable::HashKey& key, bool vlan_aware, std::size_t workers) noexcept
      : key_(key), vlan_aware_(vlan_aware), workers_(workers) {}

  /// Both ends must be of one IP version.
  std::size_t operator()(const flowtable::Endpoint& a, const flowtable::Endpoint& b,
                         std::uint16_t vlan) const noexcept {
    const std::uint16_t vlan_or_0 = vlan_aware_ ? vlan : std::uint16_t{0};
    const std::uint64_t hash = a.address.version == flowtable::IpVersion::v4
                                   ? key_.hash(flowtable::make_key4(a, b, vlan_or_0).key)
                                   : key_.hash(flowtable::make_key6(a, b, vlan_or_0).key);
    // A worker's table may have the same key, and picks buckets by the halves of the hash: without another mixture all
    // connections of a worker would want the same part of its table. The upper half times the number of workers, in
    // place of a division.
    constexpr std::uint64_t kGoldenRatio = 0x9e3779b97f4a7c15U;
    return static_cast<std::size_t>((((hash * kGoldenRatio) >> 32U) * workers_) >> 32U);
  }

 private:
  flowtable::HashKey key_;
  bool vlan_aware_;
  std::size_t workers_;
};

}  // namespace doorslam::port
