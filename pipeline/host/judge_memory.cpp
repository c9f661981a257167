#include <fmt/format.h>

#include <algorithm>

#include "pipeline/host/judge.h"

namespace doorslam::host {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

std::uint64_t mib(std::uint64_t octets) { return (octets + kMiB - 1) / kMiB; }

/// "2 MiB" or "1 GiB".
std::string page_name(std::uint64_t octets) {
  return octets >= 1024 * kMiB ? fmt::format("{} GiB", octets / (1024 * kMiB)) : fmt::format("{} MiB", octets / kMiB);
}

struct Sum {
  std::uint64_t octets = 0;
  std::string arithmetic;  ///< "packet buffers 152 MiB + rings 8 MiB"
};

/// What is to lie on a node; what may lie anywhere counts for the first one.
Sum sum_on(const std::vector<MemoryNeed>& all, unsigned node, bool first) {
  Sum sum;
  for (const MemoryNeed& need : all) {
    if (need.node ? *need.node != node : !first) continue;
    sum.octets += need.octets;
    sum.arithmetic += fmt::format("{}{} = {} MiB", sum.arithmetic.empty() ? "" : ", ", need.what, mib(need.octets));
  }
  return sum;
}

void judge_node(const NumaNode& node, const Sum& need, Findings& out) {
  const std::string topic = fmt::format("huge pages {}", node.id);
  std::uint64_t free_octets = 0;
  std::uint64_t total_octets = 0;
  std::string stock;
  for (const HugePages& pages : node.huge_pages) {
    free_octets += pages.free * pages.page_octets;
    total_octets += pages.total * pages.page_octets;
    stock += fmt::format("{}{} of {} pages of {} free", stock.empty() ? "" : ", ", pages.free, pages.total,
                         page_name(pages.page_octets));
  }
  const std::string text = fmt::format("node {} needs {} MiB ({}); {}", node.id, mib(need.octets), need.arithmetic,
                                       stock.empty() ? "this kernel has no huge pages" : stock);
  if (free_octets >= need.octets) return out.fine(topic, text);
  if (node.huge_pages.empty()) {
    return out.must(topic, text,
                    "use a kernel with CONFIG_HUGETLBFS (Debian's has it), or run without: run.huge_pages");
  }
  const HugePages& pages = node.huge_pages.front();
  const std::uint64_t missing = (need.octets - free_octets + pages.page_octets - 1) / pages.page_octets;
  const std::string command = fmt::format("echo {} > {}", pages.total + missing, pages.control);
  if (total_octets >= need.octets) {
    return out.should(topic, text + "; enough, but in use: by the running sensor, or by another program", command);
  }
  out.must(topic, text, command);
}

void judge_huge_pages(const MemoryFacts& memory, const Needs& needs, Findings& out) {
  if (!needs.huge_pages) {
    return out.should("huge pages", "the configuration does without: more TLB misses, and no card can be used",
                      "--set run.huge_pages=true");
  }
  bool first = true;
  for (const NumaNode& node : memory.nodes) {
    const Sum need = sum_on(needs.huge_memory, node.id, first);
    first = false;
    if (need.octets > 0) judge_node(node, need, out);
  }
  if (!needs.hugetlbfs_files) return;
  if (memory.hugetlbfs.empty()) {
    return out.must("hugetlbfs", "not mounted", "mkdir -p /dev/hugepages && mount -t hugetlbfs none /dev/hugepages");
  }
  out.fine("hugetlbfs", "mounted");
}

void judge_transparent_huge_pages(const MemoryFacts& memory, const Needs& needs, Findings& out) {
  if (!needs.transparent_huge_pages) return;
  const std::string& mode = memory.transparent_huge_pages;
  if (mode == "always" || mode == "madvise") {
    return out.fine("table pages", fmt::format("transparent huge pages are given on request ({})", mode));
  }
  out.should("table pages",
             fmt::format("flows.huge_pages asks for transparent huge pages, and the kernel {}",
                         mode.empty() ? "has none" : "is set to never"),
             "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

void judge_swap(const MemoryFacts& memory, Findings& out) {
  if (memory.swaps.empty()) return out.fine("swap", "none");
  std::uint64_t octets = 0;
  for (const Swap& swap : memory.swaps) octets += swap.octets;
  out.should("swap", fmt::format("{} MiB: a table that is swapped out loses packets", mib(octets)),
             "swapoff -a && sed -i '/\\sswap\\s/s/^/#/' /etc/fstab");
}

void judge_memlock(const ProcessFacts& process, const Needs& needs, Findings& out) {
  std::uint64_t pinned = 0;
  for (const MemoryNeed& need : needs.huge_memory) pinned += need.octets;
  if (!needs.has(PortNeed::Kind::pci)) {
    return out.skipped("locked memory", "no card has to reach DPDK's memory");
  }
  if (process.may(Capability::ipc_lock)) return out.fine("locked memory", "CAP_IPC_LOCK: as much as wanted");
  if (!process.memlock_octets) return out.fine("locked memory", "no limit");
  const std::string text = fmt::format("{} MiB must be pinned for the card, the limit is {} MiB", mib(pinned),
                                       *process.memlock_octets / kMiB);
  if (*process.memlock_octets >= pinned) return out.fine("locked memory", text);
  out.must("locked memory", text, "ulimit -l unlimited (in the unit: LimitMEMLOCK=infinity)");
}

}  // namespace

void judge_normal_memory(const MemoryFacts& memory, const Needs& needs, Findings& out) {
  std::uint64_t octets = 0;
  std::string arithmetic;
  for (const MemoryNeed& need : needs.normal_memory) {
    octets += need.octets;
    arithmetic += fmt::format("{}{} = {} MiB", arithmetic.empty() ? "" : ", ", need.what, mib(need.octets));
  }
  const std::string text = fmt::format("needs up to {} MiB ({}); {} MiB are available", mib(octets), arithmetic,
                                       mib(memory.available_octets));
  if (octets <= memory.available_octets) return out.fine("memory", text);
  out.must("memory", text,
           "lower flows.capacity or evidence.capacity, or add memory; see which programs hold it: ps -eo rss,comm "
           "--sort=-rss");
}

void judge_memory(const Facts& facts, const Needs& needs, Findings& out) {
  judge_normal_memory(facts.memory, needs, out);
  judge_transparent_huge_pages(facts.memory, needs, out);
  if (!needs.live()) {
    return out.skipped("huge pages", "no ports are configured: captures are read without them");
  }
  judge_huge_pages(facts.memory, needs, out);
  judge_memlock(facts.process, needs, out);
  judge_swap(facts.memory, out);
}

}  // namespace doorslam::host
