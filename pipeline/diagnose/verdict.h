#pragma once

#include "pipeline/diagnose/case.h"
#include "pipeline/diagnose/diagnosis.h"

namespace doorslam::diagnose {

/// Weighs all evidence and words the hypotheses. Below this probability a cause is not named: `unknown` is.
inline constexpr double kLeastConfidence = 0.35;
/// The same for `served` where the capture lacks all but the close, or what the server said.
inline constexpr double kLeastToCallServed = 2.0 / 3;

/// The reading of one connection. Deterministic; no clock. Fills everything but banner, caveats and contributions.
Diagnosis judge(const Case& c);

/// All that judge() adds to kUnlisted for the same case, in its order. For those who fit the weights.
std::vector<Contribution> contributions_of(const Case& c);

}  // namespace doorslam::diagnose
