#pragma once

#include <array>
#include <cstdint>

namespace doorslam::alert {

/// Estimates how many different things were added, to within about 3 % (one standard deviation), in 1 KiB whatever
/// their number: HyperLogLog (Flajolet, Fusy, Gandouet and Meunier, 2007) with 1,024 registers, and linear counting
/// where few of them are set. The same things in any order give the same estimate.
class DistinctSketch {
 public:
  /// `hash` is any hash of the thing; it is mixed here.
  void add(std::uint64_t hash) noexcept;
  /// As if everything had been added here that `other` was given.
  void merge(const DistinctSketch& other) noexcept;
  std::uint64_t estimate() const noexcept;

 private:
  static constexpr unsigned kIndexBits = 10;
  std::array<std::uint8_t, std::size_t{1} << kIndexBits> registers_{};
};

}  // namespace doorslam::alert
