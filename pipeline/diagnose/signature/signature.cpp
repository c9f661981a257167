#include "pipeline/diagnose/signature/signature.h"

#include <algorithm>

namespace doorslam::diagnose {

double Signature::weight_of(Cause cause) const {
  const auto found = std::ranges::find(causes, cause, &CauseWeight::cause);
  return found == causes.end() ? 0.0 : found->weight;
}

bool Signature::has_port(std::uint16_t port) const {
  return std::ranges::any_of(ports, [port](PortRange range) { return range.first <= port && port <= range.last; });
}

}  // namespace doorslam::diagnose
