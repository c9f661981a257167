#include "pipeline/alert/distinct_sketch.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "flowtable/mix.h"

namespace doorslam::alert {

void DistinctSketch::add(std::uint64_t hash) noexcept {
  const std::uint64_t x = flowtable::scattered(hash);
  std::uint8_t& highest = registers_[x >> (64U - kIndexBits)];
  // The bit set at the end bounds the run of zeros.
  const auto run = std::countl_zero((x << kIndexBits) | (std::uint64_t{1} << (kIndexBits - 1)));
  highest = std::max(highest, static_cast<std::uint8_t>(run + 1));
}

void DistinctSketch::merge(const DistinctSketch& other) noexcept {
  for (std::size_t i = 0; i < registers_.size(); ++i) registers_[i] = std::max(registers_[i], other.registers_[i]);
}

std::uint64_t DistinctSketch::estimate() const noexcept {
  const auto registers = static_cast<double>(registers_.size());
  double sum = 0.0;
  for (const std::uint8_t run : registers_) sum += std::ldexp(1.0, -run);
  const double raw = 0.7213 / (1.0 + 1.079 / registers) * registers * registers / sum;
  const auto empty = static_cast<double>(std::count(registers_.begin(), registers_.end(), std::uint8_t{0}));
  const bool few = raw <= 2.5 * registers && empty > 0.0;
  return static_cast<std::uint64_t>(std::llround(few ? registers * std::log(registers / empty) : raw));
}

}  // namespace doorslam::alert
