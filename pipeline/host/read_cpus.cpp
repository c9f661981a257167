#include <algorithm>

#include "pipeline/host/facts.h"
#include "pipeline/host/tree.h"

namespace doorslam::host {
namespace fs = std::filesystem;

namespace {

Cpu read_cpu(const fs::path& folder, unsigned id) {
  Cpu cpu;
  cpu.id = id;
  cpu.siblings = parse_cpu_list(read_text(folder / "topology/thread_siblings_list")).value_or(CpuList{id});
  cpu.governor = read_text(folder / "cpufreq/scaling_governor");
  for (const std::string& name : names_in(folder / "cpuidle")) {
    const fs::path state = folder / "cpuidle" / name;
    IdleState idle;
    idle.name = read_text(state / "name");
    idle.exit_latency_us = read_number(state / "latency").value_or(0);
    idle.disabled = read_number(state / "disable").value_or(0) != 0;
    if (!idle.name.empty()) cpu.idle_states.push_back(std::move(idle));
  }
  return cpu;
}

/// The value of `name=` on the kernel's command line; the last one counts.
std::string boot_option(std::string_view command_line, std::string_view name) {
  std::string value;
  for (const std::string& word : words_of(command_line)) {
    if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=') {
      value = word.substr(name.size() + 1);
    }
  }
  return value;
}

/// What the cpuset of the process's control group lets it use: version 2 ("0::/path"), else version 1's cpuset.
std::optional<CpuList> cpuset_of(const fs::path& root) {
  for (const std::string& line : lines_of(read_text(root / "proc/self/cgroup"))) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (!group.starts_with('/')) continue;
    fs::path file;
    if (controllers.empty()) file = root / "sys/fs/cgroup" / group.substr(1) / "cpuset.cpus.effective";
    if (controllers == "cpuset") file = root / "sys/fs/cgroup/cpuset" / group.substr(1) / "cpuset.effective_cpus";
    const std::string text = file.empty() ? std::string() : read_text(file);
    if (!text.empty()) return parse_cpu_list(text);
  }
  return std::nullopt;
}

std::optional<bool> read_turbo(const fs::path& cpus) {
  if (const auto off = read_number(cpus / "intel_pstate/no_turbo")) return *off == 0;
  if (const auto on = read_number(cpus / "cpufreq/boost")) return *on != 0;
  return std::nullopt;
}

}  // namespace

bool CpuFacts::has_flag(std::string_view flag) const { return std::binary_search(flags.begin(), flags.end(), flag); }

CpuFacts read_cpus(const fs::path& root) {
  CpuFacts facts;
  const fs::path base = root / "sys/devices/system/cpu";
  for (const unsigned id : parse_cpu_list(read_text(base / "online")).value_or(CpuList())) {
    facts.cpus.emplace(id, read_cpu(base / ("cpu" + std::to_string(id)), id));
  }
  facts.isolated = parse_cpu_list(read_text(base / "isolated")).value_or(CpuList());
  // The kernel writes "(null)" where the option was not given.
  facts.nohz_full = parse_cpu_list(read_text(base / "nohz_full")).value_or(CpuList());
  const std::string command_line = read_text(root / "proc/cmdline");
  facts.rcu_nocbs = parse_cpu_list(boot_option(command_line, "rcu_nocbs")).value_or(CpuList());
  facts.allowed = cpuset_of(root);
  facts.flags = words_of(text_field_of(read_text(root / "proc/cpuinfo"), "flags"));
  std::sort(facts.flags.begin(), facts.flags.end());
  facts.turbo = read_turbo(base);
  return facts;
}

}  // namespace doorslam::host
