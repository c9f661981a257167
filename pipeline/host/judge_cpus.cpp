#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "pipeline/host/judge.h"

namespace doorslam::host {
namespace {

/// An idle state that takes longer to leave than a receive ring of a fast port lasts.
constexpr std::uint64_t kSlowExit_us = 50;

void judge_presence(const CpuFacts& facts, const Needs& needs, Findings& out) {
  CpuList online;
  for (const auto& [id, cpu] : facts.cpus) online.push_back(id);
  if (const CpuList absent = without(needs.worker_cpus, online); !absent.empty()) {
    return out.must("worker CPUs", fmt::format("CPU {} is not online; online are {}", text_of(absent), text_of(online)),
                    "choose among them, or: chcpu -e " + text_of(absent));
  }
  if (facts.allowed) {
    if (const CpuList barred = without(needs.worker_cpus, *facts.allowed); !barred.empty()) {
      return out.must(
          "worker CPUs",
          fmt::format("the process's cpuset does not allow CPU {}, only {}", text_of(barred), text_of(*facts.allowed)),
          "systemctl set-property doorslam.service AllowedCPUs=" + text_of(online));
    }
  }
  if (needs.threads > needs.worker_cpus.size()) {
    return out.should("worker CPUs",
                      fmt::format("{} polling threads share {} CPUs ({}): they take turns and lose packets meanwhile",
                                  needs.threads, needs.worker_cpus.size(), text_of(needs.worker_cpus)),
                      "lower workers, or give more CPUs");
  }
  out.fine("worker CPUs", fmt::format("{} of {} online", text_of(needs.worker_cpus), online.size()));
}

void judge_isolation(const CpuFacts& facts, const Needs& needs, Findings& out) {
  const CpuList& workers = needs.worker_cpus;
  if (contains(workers, 0)) {
    out.should("CPU 0", "a worker is to run on it, where the kernel does much of its own work",
               "leave CPU 0 out of the workers' CPUs");
  }
  std::string lacking;
  const auto look = [&](std::string_view option, const CpuList& given) {
    if (!without(workers, given).empty()) lacking += fmt::format("{}{}", lacking.empty() ? "" : ", ", option);
  };
  look("isolcpus", facts.isolated);
  look("nohz_full", facts.nohz_full);
  // nohz_full relieves its CPUs of RCU callbacks as well.
  CpuList relieved = facts.rcu_nocbs;
  relieved.insert(relieved.end(), facts.nohz_full.begin(), facts.nohz_full.end());
  std::sort(relieved.begin(), relieved.end());
  look("rcu_nocbs", relieved);
  if (lacking.empty()) {
    return out.fine("isolation", fmt::format("isolcpus, nohz_full and rcu_nocbs cover {}", text_of(workers)));
  }
  CpuList isolable = workers;
  isolable.erase(std::remove(isolable.begin(), isolable.end(), 0U), isolable.end());
  if (isolable.empty()) {
    return out.should("isolation", fmt::format("{} is not isolated, and CPU 0 cannot be", text_of(workers)),
                      "give the workers other CPUs than 0");
  }
  const std::string cpus = text_of(isolable);
  out.should("isolation",
             fmt::format("{} do not cover {}: other programs interrupt the poll", lacking, text_of(workers)),
             fmt::format("echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT isolcpus={0} nohz_full={0} "
                         "rcu_nocbs={0}\"' > /etc/default/grub.d/doorslam.cfg && update-grub && reboot",
                         cpus));
}

void judge_frequency(const CpuFacts& facts, const Needs& needs, Findings& out) {
  CpuList slow;
  std::string governor;
  bool scaled = false;
  for (const unsigned id : needs.worker_cpus) {
    const auto cpu = facts.cpus.find(id);
    if (cpu == facts.cpus.end() || cpu->second.governor.empty()) continue;
    scaled = true;
    if (cpu->second.governor == "performance") continue;
    slow.push_back(id);
    governor = cpu->second.governor;
  }
  if (!slow.empty()) {
    out.should("governor", fmt::format("{} on CPU {}: the clock follows the load too late", governor, text_of(slow)),
               fmt::format("cpupower -c {} frequency-set -g performance", text_of(slow)));
  } else {
    out.fine("governor", scaled ? "performance" : "the kernel does not scale the clock here");
  }
  if (facts.turbo)
    out.fine("turbo", *facts.turbo ? "on: quicker, by how much depends on the heat" : "off: a steady clock");
}

void judge_idle_states(const CpuFacts& facts, const Needs& needs, Findings& out) {
  CpuList slow;
  std::uint64_t latency_us = 0;
  for (const unsigned id : needs.worker_cpus) {
    const auto cpu = facts.cpus.find(id);
    if (cpu == facts.cpus.end()) continue;
    for (const IdleState& state : cpu->second.idle_states) {
      if (state.disabled || state.exit_latency_us <= kSlowExit_us) continue;
      if (slow.empty() || slow.back() != id) slow.push_back(id);
      latency_us = std::max(latency_us, state.exit_latency_us);
    }
  }
  if (slow.empty())
    return out.fine("idle states", fmt::format("none that takes more than {} us to leave", kSlowExit_us));
  const std::string text = fmt::format("CPU {} may take {} us to wake", text_of(slow), latency_us);
  if (!needs.sleeps_when_idle) return out.fine("idle states", text + ", but the poll never sleeps");
  out.should("idle states", text + ", and the poll sleeps when idle: a burst may overrun the ring",
             fmt::format("cpupower -c {} idle-set -D {}", text_of(slow), kSlowExit_us));
}

void judge_hyperthreads(const CpuFacts& facts, const Needs& needs, Findings& out) {
  const CpuList& workers = needs.worker_cpus;
  CpuList shared;
  CpuList disturbed;
  for (const unsigned id : workers) {
    const auto cpu = facts.cpus.find(id);
    if (cpu == facts.cpus.end()) continue;
    for (const unsigned sibling : cpu->second.siblings) {
      if (sibling == id) continue;
      if (contains(workers, sibling)) {
        if (shared.empty() || shared.back() != id) shared.push_back(id);
      } else if (!contains(facts.isolated, sibling) && facts.cpus.contains(sibling)) {
        disturbed.push_back(sibling);
      }
    }
  }
  std::sort(disturbed.begin(), disturbed.end());
  disturbed.erase(std::unique(disturbed.begin(), disturbed.end()), disturbed.end());
  if (!shared.empty()) {
    out.should("hyperthreads",
               fmt::format("workers on CPU {} are hyperthreads of the same cores: two give about 1.3 times one",
                           text_of(shared)),
               "choose one CPU of each core: lscpu -e=CPU,CORE,NODE");
  }
  if (!disturbed.empty()) {
    out.should("hyperthreads",
               fmt::format("CPU {} shares a core with a worker, and other programs run there", text_of(disturbed)),
               "chcpu -d " + text_of(disturbed));
  }
  if (shared.empty() && disturbed.empty()) out.fine("hyperthreads", "each worker has its core to itself");
}

void judge_flags(const CpuFacts& facts, const Needs& needs, Findings& out) {
  if (facts.flags.empty()) return out.skipped("CPU features", "the kernel does not tell them in /proc/cpuinfo");
  if (!facts.has_flag("sse4_2")) {
    return out.must("CPU features", "no SSE4.2, which doorslam and DPDK are built for",
                    "use a newer CPU; of a virtual machine, set the CPU type to host");
  }
  std::string text = facts.has_flag("avx2") ? "SSE4.2, AVX2" : "SSE4.2, no AVX2 (drivers and Hyperscan are slower)";
  if (needs.live()) {
    text += facts.has_flag("waitpkg") ? ", waitpkg (an idle poll can sleep in the CPU)"
                                      : ", no waitpkg (an idle poll pauses instead of sleeping in the CPU)";
  }
  out.fine("CPU features", text);
}

/// irqbalance keeps off CPUs that are isolated or tickless, by itself.
void judge_interrupts(const Facts& facts, const Needs& needs, Findings& out) {
  if (!facts.system.runs("irqbalance")) return out.fine("irqbalance", "does not run");
  CpuList spared = facts.cpu.isolated;
  spared.insert(spared.end(), facts.cpu.nohz_full.begin(), facts.cpu.nohz_full.end());
  std::sort(spared.begin(), spared.end());
  const CpuList reached = without(needs.worker_cpus, spared);
  if (reached.empty()) return out.fine("irqbalance", "runs, and leaves isolated CPUs alone");
  out.should(
      "irqbalance", fmt::format("runs, and may send interrupts to the workers' CPU {}", text_of(reached)),
      fmt::format("echo 'IRQBALANCE_BANNED_CPULIST={}' >> /etc/default/irqbalance && systemctl restart irqbalance",
                  text_of(needs.worker_cpus)));
}

}  // namespace

void judge_cpus(const Facts& facts, const Needs& needs, Findings& out) {
  judge_flags(facts.cpu, needs, out);
  if (!needs.live()) {
    return out.skipped("CPU isolation", "no ports are configured: nothing polls");
  }
  judge_presence(facts.cpu, needs, out);
  judge_isolation(facts.cpu, needs, out);
  judge_hyperthreads(facts.cpu, needs, out);
  judge_frequency(facts.cpu, needs, out);
  judge_idle_states(facts.cpu, needs, out);
  judge_interrupts(facts, needs, out);
}

}  // namespace doorslam::host
