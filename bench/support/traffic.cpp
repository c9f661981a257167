#include "bench/support/traffic.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace doorslam::bench {

std::vector<std::uint32_t> shuffled(std::uint32_t count) {
  std::vector<std::uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(count));
  return order;
}

std::vector<std::uint32_t> zipf(std::uint32_t count, std::size_t draws) {
  std::vector<double> cumulative(count);
  double sum = 0;
  for (std::uint32_t k = 0; k < count; ++k) cumulative[k] = sum += 1.0 / (k + 1);
  const std::vector<std::uint32_t> places = shuffled(count);
  std::mt19937_64 random(draws);
  std::uniform_real_distribution<double> share(0, sum);
  std::vector<std::uint32_t> sequence(draws);
  for (std::uint32_t& draw : sequence) {
    const auto found = std::lower_bound(cumulative.begin(), cumulative.end(), share(random));
    draw = places[std::min<std::size_t>(static_cast<std::size_t>(found - cumulative.begin()), count - 1)];
  }
  return sequence;
}

}  // namespace doorslam::bench
