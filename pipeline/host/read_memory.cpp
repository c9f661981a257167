#include <algorithm>

#include "pipeline/host/facts.h"
#include "pipeline/host/tree.h"

namespace doorslam::host {
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kKiB = 1024;

/// "hugepages-2048kB" and the like in `folder`, whose name on the host is `name`.
std::vector<HugePages> huge_pages_in(const fs::path& root, const std::string& folder) {
  std::vector<HugePages> all;
  for (const std::string& name : names_in(root / folder)) {
    constexpr std::string_view kPrefix = "hugepages-";
    if (!name.starts_with(kPrefix) || !name.ends_with("kB")) continue;
    const auto kib = number_of(std::string_view(name).substr(kPrefix.size(), name.size() - kPrefix.size() - 2));
    if (!kib) continue;
    const std::string pages = (fs::path(folder) / name).string();
    HugePages found;
    found.page_octets = *kib * kKiB;
    found.total = read_number(root / pages / "nr_hugepages").value_or(0);
    found.free = read_number(root / pages / "free_hugepages").value_or(0);
    found.control = "/" + pages + "/nr_hugepages";
    all.push_back(std::move(found));
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.page_octets < b.page_octets; });
  return all;
}

/// "Node 0 MemTotal:  1234 kB" of a node's meminfo.
std::uint64_t node_field(std::string_view text, unsigned id, std::string_view name) {
  const std::string wanted = "Node " + std::to_string(id) + " " + std::string(name);
  return field_of(text, wanted).value_or(0) * kKiB;
}

std::vector<NumaNode> read_nodes(const fs::path& root) {
  const std::string base = "sys/devices/system/node";
  std::vector<NumaNode> nodes;
  for (const std::string& name : names_in(root / base)) {
    if (!name.starts_with("node")) continue;
    const auto id = number_of(std::string_view(name).substr(4));
    if (!id) continue;
    NumaNode node;
    node.id = static_cast<unsigned>(*id);
    node.cpus = parse_cpu_list(read_text(root / base / name / "cpulist")).value_or(CpuList());
    node.huge_pages = huge_pages_in(root, (fs::path(base) / name / "hugepages").string());
    const std::string meminfo = read_text(root / base / name / "meminfo");
    node.memory_octets = node_field(meminfo, node.id, "MemTotal");
    node.free_octets = node_field(meminfo, node.id, "MemFree");
    nodes.push_back(std::move(node));
  }
  std::sort(nodes.begin(), nodes.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
  if (!nodes.empty()) return nodes;
  // A kernel without NUMA: all is one node.
  NumaNode only;
  only.cpus = parse_cpu_list(read_text(root / "sys/devices/system/cpu/online")).value_or(CpuList());
  only.huge_pages = huge_pages_in(root, "sys/kernel/mm/hugepages");
  const std::string meminfo = read_text(root / "proc/meminfo");
  only.memory_octets = field_of(meminfo, "MemTotal").value_or(0) * kKiB;
  only.free_octets = field_of(meminfo, "MemFree").value_or(0) * kKiB;
  nodes.push_back(std::move(only));
  return nodes;
}

/// A hugetlbfs mount names its page size where it is not the default one: pagesize=1024M, 2M, 1G.
std::uint64_t page_size_of(std::string_view options, std::uint64_t fallback) {
  constexpr std::string_view kOption = "pagesize=";
  const std::size_t at = options.find(kOption);
  if (at == std::string_view::npos) return fallback;
  std::string_view value = options.substr(at + kOption.size());
  value = value.substr(0, value.find(','));
  std::uint64_t unit = 1;
  if (!value.empty() && (value.back() == 'K' || value.back() == 'M' || value.back() == 'G')) {
    unit = value.back() == 'K' ? kKiB : value.back() == 'M' ? kKiB * kKiB : kKiB * kKiB * kKiB;
    value.remove_suffix(1);
  }
  return number_of(value).value_or(0) * unit;
}

/// "always [madvise] never": the one in brackets.
std::string chosen_of(std::string_view text) {
  const std::size_t open = text.find('[');
  const std::size_t close = text.find(']');
  return open < close && close != std::string_view::npos ? std::string(text.substr(open + 1, close - open - 1)) : "";
}

}  // namespace

MemoryFacts read_memory(const fs::path& root) {
  MemoryFacts facts;
  const std::string meminfo = read_text(root / "proc/meminfo");
  facts.available_octets = field_of(meminfo, "MemAvailable").value_or(0) * kKiB;
  facts.nodes = read_nodes(root);
  const std::uint64_t default_page = field_of(meminfo, "Hugepagesize").value_or(2 * kKiB) * kKiB;
  for (const std::string& line : lines_of(read_text(root / "proc/mounts"))) {
    const std::vector<std::string> words = words_of(line);  // device, folder, type, options
    if (words.size() >= 4 && words[2] == "hugetlbfs") facts.hugetlbfs.push_back(page_size_of(words[3], default_page));
  }
  facts.transparent_huge_pages = chosen_of(read_text(root / "sys/kernel/mm/transparent_hugepage/enabled"));
  const std::vector<std::string> swaps = lines_of(read_text(root / "proc/swaps"));
  for (std::size_t i = 1; i < swaps.size(); ++i) {
    const std::vector<std::string> words = words_of(swaps[i]);  // device, type, size in KiB, used, priority
    if (words.size() >= 3) facts.swaps.push_back({words[0], number_of(words[2]).value_or(0) * kKiB});
  }
  facts.numa_balancing = read_number(root / "proc/sys/kernel/numa_balancing").value_or(0) != 0;
  return facts;
}

}  // namespace doorslam::host
