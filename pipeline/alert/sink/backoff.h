#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace doorslam::sink {

struct BackoffOptions {
  std::chrono::milliseconds first{500};
  std::chrono::milliseconds most{15'000};
};

/// How long to wait before the next attempt: doubles with each, up to a bound, and is drawn from the upper half, so
/// that the sensors of a fleet do not come back all at once.
class Backoff {
 public:
  Backoff(const BackoffOptions& options, std::uint64_t seed) : options_(options), random_(seed) {}

  std::chrono::milliseconds next() {
    const std::int64_t bound = ceiling_.count();
    ceiling_ = std::min(2 * ceiling_, options_.most);
    return std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(bound / 2, bound)(random_));
  }
  void reset() { ceiling_ = options_.first; }

 private:
  BackoffOptions options_;
  std::chrono::milliseconds ceiling_ = options_.first;
  std::minstd_rand random_;
};

}  // namespace doorslam::sink
