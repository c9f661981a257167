#pragma once

#include <sys/types.h>

namespace doorslam {

/// The rights to every file that doorslam makes for what it has seen: records, alerts, the store, packets. Who talks to
/// whom, and the words of servers, are for their owner and group alone. The umask takes away from it, and a file that
/// is there keeps its rights.
inline constexpr mode_t kFileMode = 0640;

}  // namespace doorslam
