#include "pipeline/diagnose/chance.h"

#include <algorithm>
#include <cmath>

namespace doorslam::diagnose {

namespace {

/// The logarithm of the ways to choose k of n.
double log_choices(std::uint32_t n, std::uint32_t k) {
  // lgamma() writes a global sign; lgamma_r() is the same without.
  const auto log_factorial = [](std::uint32_t x) {
    int sign = 0;
    return lgamma_r(static_cast<double>(x) + 1.0, &sign);
  };
  return log_factorial(n) - log_factorial(k) - log_factorial(n - k);
}

/// Terms that fall by and by add no more than this to the sum.
constexpr double kNegligible = 1e-12;

}  // namespace

double chance_of(const Draw& draw) {
  const std::uint32_t unmarked = draw.all - draw.marked;
  const std::uint32_t most = std::min(draw.marked, draw.drawn);
  const std::uint32_t least = draw.drawn > unmarked ? draw.drawn - unmarked : 0;
  const double all_ways = log_choices(draw.all, draw.drawn);
  double chance = 0.0;
  double before = 0.0;
  for (std::uint32_t k = std::max(draw.drawn_marked, least); k <= most; ++k) {
    const double term = std::exp(log_choices(draw.marked, k) + log_choices(unmarked, draw.drawn - k) - all_ways);
    chance += term;
    if (term < before && term < kNegligible * chance) break;
    before = term;
  }
  return std::min(chance, 1.0);
}

double chance_of_few_runs(std::uint32_t ones, std::uint32_t others, std::uint32_t runs) {
  const std::uint32_t most = std::min(ones, others + 1);
  if (ones == 0 || runs >= most) return 1.0;
  const double all_ways = log_choices(ones + others, ones);
  double chance = 0.0;
  double before = 0.0;
  // Ways to cut the ones into u runs, times those to place them into the gaps around the others.
  for (std::uint32_t u = runs; u >= 1; --u) {
    const double term = std::exp(log_choices(ones - 1, u - 1) + log_choices(others + 1, u) - all_ways);
    chance += term;
    if (term < before && term < kNegligible * chance) break;
    before = term;
  }
  return std::min(chance, 1.0);
}

double chance_of_few(std::uint32_t trials, double share, std::uint32_t hits) {
  if (hits >= trials || share <= 0.0) return 1.0;
  if (share >= 1.0) return 0.0;
  double chance = 0.0;
  double before = 0.0;
  for (std::uint32_t k = hits + 1; k-- > 0;) {
    const double term = std::exp(log_choices(trials, k) + k * std::log(share) + (trials - k) * std::log1p(-share));
    chance += term;
    if (term < before && term < kNegligible * chance) break;
    before = term;
  }
  return std::min(chance, 1.0);
}

}  // namespace doorslam::diagnose
