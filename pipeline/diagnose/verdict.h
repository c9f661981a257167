#pragma once

#include "pipeline/diagnose/case.h"
#include "pipeline/diagnose/diagnosis.h"

namespace doorslam::diagnose {

/// Weighs all evidence and words the hypotheses. Below this probability a cause is not named: `unknown` is.
inline constexpr double kLeastConfidence = 0.35;

/// The reading of one connection. Deterministic; no clock. Fills everything but banner and caveats.
Diagnosis judge(const Case& c);

}  // namespace doorslam::diagnose
