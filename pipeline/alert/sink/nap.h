#pragma once

#include <poll.h>

#include <cerrno>

namespace doorslam::sink {

/// How long a call may sleep before it looks whether it is to stop.
inline constexpr int kNapMs = 50;

/// Waits a nap's length for `events`. False: poll failed; else it is worth trying, or looking at the clock.
inline bool nap(int descriptor, short events, int longest_ms = kNapMs) noexcept {
  pollfd one{descriptor, events, 0};
  return ::poll(&one, 1, longest_ms) >= 0 || errno == EINTR;
}

inline bool wait_until_writable(int descriptor) noexcept { return nap(descriptor, POLLOUT); }

}  // namespace doorslam::sink
