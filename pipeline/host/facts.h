#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/host/cpu_list.h"

/// What a host is like, as far as packet capture cares: read from /proc, /sys and /dev below a root folder, so that a
/// tree made by hand is read as the machine itself is. What a file does not tell stays empty; nothing fails.
namespace doorslam::host {

/// Huge pages of one size on one NUMA node.
struct HugePages {
  std::uint64_t page_octets = 0;
  std::uint64_t total = 0;  ///< pages
  std::uint64_t free = 0;   ///< pages
  std::string control;      ///< the file that sets `total`, as on the host itself
};

struct NumaNode {
  unsigned id = 0;
  CpuList cpus;
  std::vector<HugePages> huge_pages;  ///< smallest first
  std::uint64_t memory_octets = 0;
  std::uint64_t free_octets = 0;  ///< without what caches could give back
};

struct Swap {
  std::string device;
  std::uint64_t octets = 0;
};

struct MemoryFacts {
  std::vector<NumaNode> nodes;           ///< at least one, where the kernel tells of huge pages at all
  std::vector<std::uint64_t> hugetlbfs;  ///< page sizes of the mounted ones, octets
  std::uint64_t available_octets = 0;    ///< what new programs can have without swapping
  std::string transparent_huge_pages;    ///< always, madvise or never; empty: not in this kernel
  std::vector<Swap> swaps;
  bool numa_balancing = false;
};

/// An idle state that the kernel may put a CPU into.
struct IdleState {
  std::string name;
  std::uint64_t exit_latency_us = 0;
  bool disabled = false;
};

struct Cpu {
  unsigned id = 0;
  CpuList siblings;      ///< hyperthreads of its core, itself included
  std::string governor;  ///< empty: the kernel does not scale its frequency
  std::vector<IdleState> idle_states;
};

struct CpuFacts {
  std::map<unsigned, Cpu> cpus;  ///< those that are online
  CpuList isolated;              ///< isolcpus
  CpuList nohz_full;
  CpuList rcu_nocbs;               ///< as on the kernel's command line
  std::optional<CpuList> allowed;  ///< by the process's cpuset; nothing: no limit
  std::vector<std::string> flags;  ///< of the first CPU, sorted
  std::optional<bool> turbo;

  bool has_flag(std::string_view flag) const;
};

struct PciDevice {
  std::string address;  ///< "0000:3b:00.0"
  std::uint32_t class_code = 0;
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  std::string driver;                      ///< kernel driver; empty: none
  std::vector<std::string> interfaces;     ///< kernel network interfaces
  std::optional<unsigned> node;            ///< NUMA
  std::optional<unsigned> iommu_group;     ///< a group of noiommu mode as well
  std::string group_file;                  ///< /dev/vfio/..., where there is one
  bool group_file_usable = false;          ///< this process may read and write it
  double link_gts = 0, link_gts_most = 0;  ///< PCI Express transfer rate, GT/s; 0: not told
  unsigned lanes = 0, lanes_most = 0;

  bool is_network() const noexcept { return class_code >> 16U == 0x02; }
};

struct DeviceFacts {
  std::map<std::string, PciDevice> pci;           ///< by address
  std::map<std::string, std::string> interfaces;  ///< kernel network interfaces and their operstate
  std::vector<std::string> default_routes;        ///< interfaces that carry one (IPv4)
  bool iommu = false;                             ///< groups of a real one exist
  std::vector<std::string> modules;               ///< loaded or built in, sorted: vfio_pci, mlx5_ib, ...
  bool noiommu_allowed = false;                   ///< vfio's enable_unsafe_noiommu_mode is on
  std::optional<bool> noiommu_possible;           ///< the kernel was built with it; nothing: not known

  bool has_module(std::string_view name) const;
};

/// Linux capabilities that matter here, by number (linux/capability.h).
enum class Capability : std::uint8_t {
  net_admin = 12,
  net_raw = 13,
  ipc_lock = 14,
  sys_rawio = 17,
  sys_admin = 21,
};

struct ProcessFacts {
  unsigned uid = 0;
  std::uint64_t effective_capabilities = 0;         ///< a bit each
  std::optional<std::uint64_t> memlock_octets = 0;  ///< nothing: unlimited
  std::string program;                              ///< path of the running executable

  bool may(Capability capability) const noexcept {
    return (effective_capabilities >> static_cast<unsigned>(capability) & 1U) != 0;
  }
};

struct SystemFacts {
  std::string kernel_release;              ///< "6.1.0-28-amd64"
  std::string clock_source;                ///< "tsc"
  std::vector<std::string> clock_sources;  ///< those that could be chosen
  bool hypervisor = false;                 ///< the kernel says that it is a guest
  std::vector<std::string> commands;       ///< names of running programs, sorted, once each
  std::optional<bool> time_synchronised;   ///< by the kernel's clock discipline; nothing: not asked

  bool runs(std::string_view command) const;
};

struct Facts {
  MemoryFacts memory;
  CpuFacts cpu;
  DeviceFacts devices;
  ProcessFacts process;
  SystemFacts system;
};

/// Everything below `root`, usually "/". What only a system call tells (time_synchronised) is left open.
Facts read_facts(const std::filesystem::path& root);
/// adjtimex(2): whether something keeps the kernel's clock in step; nothing where it cannot be asked.
std::optional<bool> clock_is_synchronised();

/// The parts of read_facts(), for their tests.
MemoryFacts read_memory(const std::filesystem::path& root);
CpuFacts read_cpus(const std::filesystem::path& root);
DeviceFacts read_devices(const std::filesystem::path& root);
ProcessFacts read_process(const std::filesystem::path& root);
SystemFacts read_system(const std::filesystem::path& root);

}  // namespace doorslam::host
