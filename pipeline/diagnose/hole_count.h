#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>

namespace doorslam::diagnose {

/// How many of the accepted connections that ended last have holes: octets that were acknowledged and never seen.
/// In place; owned by the analysis thread.
class HoleCount {
 public:
  static constexpr std::size_t kRemembered = 128;

  void note(bool has_hole) noexcept {
    const std::size_t at = noted_++ % kRemembered;
    with_holes_ += (has_hole ? 1U : 0U) - (latest_[at] ? 1U : 0U);
    latest_[at] = has_hole;
  }
  std::uint32_t with_holes() const noexcept { return with_holes_; }
  std::uint32_t connections() const noexcept {
    return static_cast<std::uint32_t>(noted_ < kRemembered ? noted_ : kRemembered);
  }

 private:
  std::bitset<kRemembered> latest_;
  std::size_t noted_ = 0;
  std::uint32_t with_holes_ = 0;
};

}  // namespace doorslam::diagnose
