#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/port/ethdev/device.h"

/// Receive-side scaling: which queue a card puts a packet into.
namespace doorslam::ethdev {

/// Of an RSS key, where the driver does not say.
inline constexpr std::size_t kUsualKeyOctets = 40;

/// Whether the driver offers what symmetric spreading needs: a key to set, a redirection table, TCP over both IP
/// versions. Empty: it does. Otherwise what is missing.
std::string lacks_for_spreading(const PortFacts& facts);

/// RTE_ETH_RSS_* of those that doorslam wants and the device has.
std::uint64_t hash_functions_wanted(const PortFacts& facts);

/// Of a configured port: writes the redirection table evenly, reads back table, key and functions, and tries a set of
/// connections with them (rte_softrss) in both directions. Errors (data): what the driver did otherwise.
Result<void> spread_evenly(const PortFacts& facts, std::uint16_t queues);

}  // namespace doorslam::ethdev
