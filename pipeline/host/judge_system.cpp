#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/host/judge.h"
#include "pipeline/host/tree.h"

namespace doorslam::host {
namespace {

/// The oldest kernel that DPDK 22.11 supports.
constexpr std::array<std::uint64_t, 2> kOldestKernel = {4, 14};

void judge_kernel(const SystemFacts& system, Findings& out) {
  const std::string& release = system.kernel_release;
  const std::size_t dot = release.find('.');
  const std::size_t end = dot == std::string::npos ? dot : release.find_first_not_of("0123456789", dot + 1);
  const auto major = number_of(std::string_view(release).substr(0, dot));
  const auto minor =
      dot == std::string::npos ? std::nullopt : number_of(std::string_view(release).substr(dot + 1, end - dot - 1));
  if (!major || !minor) return out.skipped("kernel", "its release is not told in /proc/sys/kernel/osrelease");
  if (std::array{*major, *minor} < kOldestKernel) {
    return out.must("kernel", fmt::format("{} is older than 4.14, which DPDK needs", release), "apt-get full-upgrade");
  }
  out.fine("kernel", release);
}

void judge_clock(const Facts& facts, Findings& out) {
  const SystemFacts& system = facts.system;
  const bool steady = facts.cpu.has_flag("constant_tsc") && facts.cpu.has_flag("nonstop_tsc");
  if (!steady) {
    return out.should("clock source", "the CPU's time stamp counter may stop or change its rate: packet times drift",
                      system.hypervisor ? "set the virtual machine's CPU type to host (invariant TSC)"
                                        : "use a card with hardware time stamps");
  }
  if (system.clock_source == "tsc" || system.clock_source == "kvm-clock") {
    return out.fine("clock source", system.clock_source + ", and a steady time stamp counter");
  }
  const bool offered =
      std::find(system.clock_sources.begin(), system.clock_sources.end(), "tsc") != system.clock_sources.end();
  if (!offered) {
    return out.should("clock source",
                      fmt::format("{}; the kernel found the time stamp counter unstable", system.clock_source),
                      "dmesg | grep -i tsc (firmware update; boot option tsc=reliable only where it is known to be)");
  }
  out.should("clock source", system.clock_source + ": each reading of the time is a slow one",
             "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource");
}

void judge_time(const SystemFacts& system, Findings& out) {
  if (!system.time_synchronised) return out.skipped("time", "the kernel cannot be asked whether it is in step");
  if (*system.time_synchronised) return out.fine("time", "synchronised");
  out.should("time", "not synchronised: records cannot be compared with those of other systems",
             "apt-get install chrony && systemctl enable --now chrony");
}

void judge_numa_balancing(const MemoryFacts& memory, Findings& out) {
  if (memory.nodes.size() < 2) return;
  if (!memory.numa_balancing) return out.fine("NUMA balancing", "off");
  out.should("NUMA balancing", "on: the kernel takes pages away for a moment to see who uses them",
             "sysctl -w kernel.numa_balancing=0");
}

}  // namespace

void judge_system(const Facts& facts, const Needs& needs, Findings& out) {
  judge_kernel(facts.system, out);
  if (!needs.live()) {
    return out.skipped("clock", "no ports are configured: a capture brings its own time");
  }
  judge_clock(facts, out);
  judge_time(facts.system, out);
  judge_numa_balancing(facts.memory, out);
}

}  // namespace doorslam::host
