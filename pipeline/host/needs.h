#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/host/cpu_list.h"

namespace doorslam::host {

/// A port that is to be read.
struct PortNeed {
  enum class Kind : std::uint8_t {
    pci,         ///< a card, by its PCI address
    af_packet,   ///< a kernel interface, read through a packet socket
    af_xdp,      ///< a kernel interface, read through an XDP socket
    no_hardware  ///< a file, shared memory, ...: asks nothing of the host
  };
  std::string name;  ///< as the configuration has it
  Kind kind = Kind::no_hardware;
  std::string address;    ///< pci: "0000:3b:00.0"
  std::string interface;  ///< af_packet, af_xdp
  CpuList cpus;           ///< those whose threads read it
};

/// An amount of memory and what for.
struct MemoryNeed {
  std::string what;  ///< with its arithmetic: "packet buffers 2 x 65,536 x 2,432 octets"
  std::uint64_t octets = 0;
  std::optional<unsigned> node;  ///< the NUMA node that it should lie on; nothing: any
};

/// What a configuration asks of the host.
struct Needs {
  std::vector<PortNeed> ports;            ///< none: captures are read from files, and little matters
  CpuList worker_cpus;                    ///< those on which threads poll without pause
  CpuList other_cpus;                     ///< those for the threads that do not poll
  std::size_t threads = 0;                ///< polling threads; more than worker_cpus where several share a CPU
  bool huge_pages = true;                 ///< DPDK's memory lies in huge pages
  bool hugetlbfs_files = false;           ///< and in files on a hugetlbfs, which must be mounted
  std::vector<MemoryNeed> huge_memory;    ///< in DPDK's memory
  std::vector<MemoryNeed> normal_memory;  ///< tables, ledger, evidence
  bool transparent_huge_pages = false;    ///< asked for, for the tables
  bool sleeps_when_idle = false;          ///< the poll saves power

  bool live() const noexcept { return !ports.empty(); }
  bool has(PortNeed::Kind kind) const noexcept;
};

}  // namespace doorslam::host
