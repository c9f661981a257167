#pragma once

#include <cstdint>

/// Time in doorslam is packet time: it comes in with the packets and is an argument everywhere.
namespace doorslam::flowtable {

/// Nanoseconds since the Unix epoch, as the capture or the port stamped the packet.
using TimeNs = std::int64_t;
/// A length of time in nanoseconds.
using DurationNs = std::int64_t;

inline constexpr DurationNs kMicrosecondNs = 1'000;
inline constexpr DurationNs kMillisecondNs = 1'000'000;
inline constexpr DurationNs kSecondNs = 1'000'000'000;

/// "Not seen": no packet is that old.
inline constexpr TimeNs kNoTime = 0;
/// The year 2200: a later stamp is damage, and would leave no headroom for deadlines.
inline constexpr TimeNs kLatestNs = 7'258'118'400 * kSecondNs;

}  // namespace doorslam::flowtable
