#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/port/ethdev/plan.h"

/// The poll-mode shell around the core. This library alone knows DPDK.
namespace doorslam::ethdev {

struct EalOptions {
  std::vector<LcoreCpus> lcores;         ///< the first is the caller's own thread
  std::vector<std::string> pci;          ///< addresses of the ports, 0000:3b:00.0; no other PCI device is touched
  bool huge_pages = true;                ///< false: ordinary memory, `memory_octets` of it
  std::size_t memory_octets = 0;         ///< for mempools and rings; taken at once where there are no huge pages
  bool attachable = true;                ///< dpdk-dumpcap and dpdk-proc-info may attach; needs huge pages
  bool telemetry = true;                 ///< dpdk-telemetry.py may connect
  std::string file_prefix = "doorslam";  ///< of files in hugetlbfs and under /run/dpdk; one for each running instance
  bool prefix_is_ours = false;           ///< no other process will use those files: they go when the EAL ends
};

/// A line of the EAL's or a driver's own log, without its end. `level` as RTE_LOG_*: 1 emergency to 8 debug.
using EalLog = std::function<void(unsigned level, std::string_view line)>;

/// What the EAL is started with, program name first.
std::vector<std::string> eal_arguments(const EalOptions& options);

/// The environment abstraction layer of DPDK, once a process. Its end takes back memory and files.
class Eal {
 public:
  /// Pins the calling thread to the CPUs of the first lcore. `log` gets every line from then on, from any thread.
  /// Errors (data): no huge pages, no permission, a PCI device that is bound to no driver, with what mends it.
  static Result<Eal> start(const EalOptions& options, EalLog log);

  Eal(Eal&& other) noexcept;
  Eal& operator=(Eal&&) = delete;
  ~Eal();

  /// Makes the device of a specification such as "net_pcap0,rx_pcap=x.pcap". Returns its port number.
  /// Errors (data): no such driver, or what the driver complained of.
  Result<std::uint16_t> attach(const std::string& specification);
  /// The port of a PCI address. Errors (data): there is none, or no poll-mode driver took it.
  Result<std::uint16_t> port_at(const std::string& pci_address) const;
  /// Makes DPDK's interrupt thread, on which timers and drivers' handlers run, do nothing any more, ever. To be called
  /// before devices are closed for good: a driver may free memory whose handler it leaves registered (net_memif that of
  /// its listening socket), and whoever connects then would end the process.
  void still_interrupts() noexcept;
  /// What was asked for and not granted, a sentence; empty: nothing.
  const std::string& remark() const noexcept { return remark_; }

 private:
  Eal() = default;

  std::string to_be_removed_;  ///< a folder; empty: none
  std::string remark_;
  bool attachable_ = false;
  bool shared_ = false;  ///< memory is in huge pages, which outlive the process if they are not given back
  bool still_ = false;   ///< see still_interrupts()
  bool running_ = true;
};

}  // namespace doorslam::ethdev
