#include "pipeline/host/judge.h"

#include <algorithm>

namespace doorslam::host {

bool Needs::has(PortNeed::Kind kind) const noexcept {
  return std::any_of(ports.begin(), ports.end(), [=](const PortNeed& port) { return port.kind == kind; });
}

void judge(const Facts& facts, const Needs& needs, Findings& out) {
  judge_system(facts, needs, out);
  judge_memory(facts, needs, out);
  judge_cpus(facts, needs, out);
  judge_ports(facts, needs, out);
}

}  // namespace doorslam::host
