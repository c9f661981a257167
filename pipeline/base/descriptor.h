#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace doorslam {

/// A file descriptor, owned: it is closed with the object. -1: there is none.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~Descriptor() { reset(); }

  /// Closes what it has and owns `number` from now on. errno stays as it was.
  void reset(int number = -1) noexcept {
    const int before = errno;
    if (number_ >= 0) ::close(number_);
    number_ = number;
    errno = before;
  }
  /// Closes it, for who has to know whether what was written before is stored. False: it is not (errno).
  bool close() noexcept {
    const int number = release();
    return number < 0 || ::close(number) == 0;
  }
  /// The caller closes it from now on.
  int release() noexcept { return std::exchange(number_, -1); }
  int get() const noexcept { return number_; }
  explicit operator bool() const noexcept { return number_ >= 0; }

 private:
  int number_ = -1;
};

}  // namespace doorslam
