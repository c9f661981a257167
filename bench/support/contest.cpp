#include "bench/support/contest.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace doorslam::bench {

Timing timing_of(std::vector<double> rounds) {
  if (rounds.empty()) throw std::logic_error("nothing was measured");
  std::sort(rounds.begin(), rounds.end());
  return {rounds.front(), rounds[rounds.size() / 2]};
}

void Contest::add(std::string name, std::function<double()> round) {
  contenders_.push_back({std::move(name), std::move(round), {}});
}

void Contest::run(std::size_t rounds) {
  for (std::size_t i = 0; i <= rounds; ++i) {
    for (Contender& contender : contenders_) {
      const double cost = contender.round();
      if (i != 0) contender.costs.push_back(cost);
    }
  }
}

Timing Contest::of(std::string_view name) const {
  for (const Contender& contender : contenders_) {
    if (contender.name == name) return timing_of(contender.costs);
  }
  throw std::logic_error("no contender of that name: " + std::string(name));
}

}  // namespace doorslam::bench
