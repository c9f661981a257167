#pragma once

#include <cstdint>

/// How likely mere chance is: what keeps the diagnosis from seeing a pattern in a few points.
namespace doorslam::diagnose {

/// Some are marked, some are drawn; did drawing have nothing to do with the mark?
struct Draw {
  std::uint32_t all = 0;
  std::uint32_t marked = 0;
  std::uint32_t drawn = 0;
  std::uint32_t drawn_marked = 0;
};

/// The probability that, drawn blindly, at least as many marked ones come out (Fisher's exact test, one-sided). 0 to 1.
double chance_of(const Draw& draw);

/// The probability that so many of one kind, shuffled among others, stand in at most `runs` runs without one of the
/// others between them (Wald and Wolfowitz). 0 to 1.
double chance_of_few_runs(std::uint32_t ones, std::uint32_t others, std::uint32_t runs);

/// The probability that at most `hits` of the trials hit what is hit with probability `share` (binomial). 0 to 1.
double chance_of_few(std::uint32_t trials, double share, std::uint32_t hits);

/// How a threshold parts the refused from the served: connections at it or above, and below.
struct Parting {
  std::uint32_t refused_from = 0;
  std::uint32_t refused_below = 0;
  std::uint32_t served_from = 0;
  std::uint32_t served_below = 0;

  /// The share of the refused at the threshold less that of the served (Youden's J), 0 to 1; 1: they are parted wholly.
  constexpr double fit() const {
    const double refused = refused_from + refused_below;
    const double served = served_from + served_below;
    return refused == 0 || served == 0 ? 0.0 : refused_from / refused - served_from / served;
  }
};

}  // namespace doorslam::diagnose
