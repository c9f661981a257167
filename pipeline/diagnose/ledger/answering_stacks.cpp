#include "pipeline/diagnose/ledger/answering_stacks.h"

#include <algorithm>

namespace doorslam::diagnose {

std::uint8_t AnsweringStacks::number_of(const tcp::AnsweringStack& stack) noexcept {
  if (stack.ttl == 0) return 0;
  for (std::uint8_t number = 1; number <= count_; ++number) {
    if (numbered(number) == stack) return number;
  }
  if (count_ == kMost) return 0;
  stacks_[count_] = stack;
  return ++count_;
}

bool AnsweringStacks::has_ttl(std::uint8_t ttl) const noexcept {
  return std::any_of(stacks_.begin(), stacks_.begin() + count_,
                     [ttl](const tcp::AnsweringStack& stack) { return stack.ttl == ttl; });
}

}  // namespace doorslam::diagnose
