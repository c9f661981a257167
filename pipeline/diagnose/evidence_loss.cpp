#include "pipeline/diagnose/evidence_loss.h"

#include <fmt/format.h>

#include "pipeline/base/text.h"

namespace doorslam::diagnose::evidence {

/// Causes that are read from something not being there are doubtful where something is known to be missing.
std::optional<Finding> packets_lost_meanwhile(const Case& c) {
  if (c.packets_lost == 0) return std::nullopt;
  return Finding{fmt::format("the sensor lost {} meanwhile: what seems missing may only not have been seen",
                             counted(c.packets_lost, "packet", "packets"))};
}

}  // namespace doorslam::diagnose::evidence
