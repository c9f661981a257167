#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace doorslam::bench {

/// A measured figure: the least of all rounds, which others on the machine disturb least, and the median.
struct Timing {
  double minimum = 0;
  double median = 0;

  friend Timing operator-(const Timing& a, const Timing& b) { return {a.minimum - b.minimum, a.median - b.median}; }
  friend Timing operator+(const Timing& a, const Timing& b) { return {a.minimum + b.minimum, a.median + b.median}; }
  friend Timing operator/(const Timing& a, const Timing& b) { return {a.minimum / b.minimum, a.median / b.median}; }
};

Timing timing_of(std::vector<double> rounds);

/// Contenders measured in turn, round after round, so that whatever disturbs the machine disturbs all of them.
class Contest {
 public:
  /// `round` does a portion of the work and returns its cost, in cycles an item.
  void add(std::string name, std::function<double()> round);
  /// One more round of each comes first, and does not count.
  void run(std::size_t rounds);
  /// `name` has been added and run.
  Timing of(std::string_view name) const;

 private:
  struct Contender {
    std::string name;
    std::function<double()> round;
    std::vector<double> costs;
  };
  std::vector<Contender> contenders_;
};

}  // namespace doorslam::bench
