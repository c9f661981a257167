#pragma once

#include <array>
#include <cstdint>

#include "pipeline/tcp/connection.h"

namespace doorslam::diagnose {

/// Those that answered at one endpoint, told apart by their SYN-ACKs. What comes when all places are taken stays
/// unknown.
class AnsweringStacks {
 public:
  /// Counted from 1; 0 where it is unknown.
  std::uint8_t number_of(const tcp::AnsweringStack& stack) noexcept;
  const tcp::AnsweringStack& numbered(std::uint8_t number) const noexcept { return stacks_[number - 1U]; }
  std::uint8_t count() const noexcept { return count_; }
  bool has_ttl(std::uint8_t ttl) const noexcept;

  static constexpr std::size_t kMost = 8;

 private:
  std::array<tcp::AnsweringStack, kMost> stacks_;
  std::uint8_t count_ = 0;
};

}  // namespace doorslam::diagnose
