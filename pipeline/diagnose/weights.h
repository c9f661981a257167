#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <string_view>

#include "pipeline/diagnose/case.h"
#include "pipeline/diagnose/cause.h"

/// The one table of the diagnosis: what an ending makes likely before any evidence, and what each piece of evidence
/// adds. All figures are log-odds (natural logarithm): +1 makes a cause 2.7 times as likely against the others,
/// -3 twenty times less.
namespace doorslam::diagnose {

struct Weight {
  Cause cause = Cause::unknown;
  double log_odds = 0.0;
};

/// A few weights, in place: a row of the table holds its own. More than twelve do not compile.
class WeightList {
 public:
  constexpr WeightList(std::initializer_list<Weight> weights) {
    for (const Weight& weight : weights) weights_[count_++] = weight;
  }
  constexpr const Weight* begin() const { return weights_.data(); }
  constexpr const Weight* end() const { return weights_.data() + count_; }
  constexpr bool empty() const { return count_ == 0; }
  constexpr std::span<const Weight> view() const { return {weights_.data(), count_}; }

 private:
  std::array<Weight, 12> weights_{};
  std::size_t count_ = 0;
};

struct EndingPrior {
  Ending ending;
  WeightList causes;  ///< causes not listed start at kUnlisted
};

struct EvidenceRow {
  std::string_view name;
  std::optional<Finding> (*find)(const Case&);
  WeightList weights;
};

/// A cause that an ending does not suggest needs strong evidence of its own.
inline constexpr double kUnlisted = -4.0;
/// `unknown` competes with this; the others must earn more.
inline constexpr double kUnknown = 0.0;

std::span<const Weight> prior_of(Ending ending);
std::span<const EvidenceRow> evidence_table();

}  // namespace doorslam::diagnose
