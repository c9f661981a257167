#pragma once

#include "pipeline/host/facts.h"
#include "pipeline/host/finding.h"
#include "pipeline/host/needs.h"

/// Whether a host can do what a configuration asks of it. Each function looks at one matter, appends what it finds (one
/// finding a line for a person) and names the command that mends it. Pure: facts and needs in, findings out.
namespace doorslam::host {

/// All of the below; what does not matter without ports is said to be skipped.
void judge(const Facts& facts, const Needs& needs, Findings& out);

void judge_memory(const Facts& facts, const Needs& needs, Findings& out);
/// The first part of judge_memory(): whether tables, rings and evidence can grow to what they are configured for.
void judge_normal_memory(const MemoryFacts& memory, const Needs& needs, Findings& out);
void judge_cpus(const Facts& facts, const Needs& needs, Findings& out);
void judge_ports(const Facts& facts, const Needs& needs, Findings& out);
void judge_system(const Facts& facts, const Needs& needs, Findings& out);

}  // namespace doorslam::host
