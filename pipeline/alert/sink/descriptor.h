#pragma once

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace doorslam::sink {

/// A file descriptor, owned.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  ~Descriptor() { reset(); }

  /// errno stays as it was.
  void reset(int number = -1) noexcept;
  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }

 private:
  int number_ = -1;
};

/// How long a call may sleep before it looks whether it is to stop.
inline constexpr int kNapMs = 50;

/// Waits a nap's length for `events`. False: poll failed; else it is worth trying, or looking at the clock.
inline bool nap(int descriptor, short events, int longest_ms = kNapMs) noexcept {
  pollfd one{descriptor, events, 0};
  return ::poll(&one, 1, longest_ms) >= 0 || errno == EINTR;
}

inline bool wait_until_writable(int descriptor) noexcept { return nap(descriptor, POLLOUT); }

inline void Descriptor::reset(int number) noexcept {
  const int before = errno;
  if (number_ >= 0) ::close(number_);
  number_ = number;
  errno = before;
}

}  // namespace doorslam::sink
