#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/port/ethdev/device.h"
#include "pipeline/port/ethdev/eal.h"
#include "pipeline/port/ethdev/rx_source.h"
#include "pipeline/port/tick_clock.h"

struct rte_mempool;

namespace doorslam::ethdev {

/// A port by its PCI address (0000:3b:00.0) or by the specification of a virtual device (net_pcap0,rx_pcap=x.pcap).
bool is_pci_address(const std::string& port);
/// The same address as DPDK and the kernel name it, with its domain and in lower case: 0000:3b:00.0 of 3B:00.0.
std::string whole_pci_address(std::string address);

/// Buffers of a port. Owns them.
class BufferPool {
 public:
  /// Errors (data): no memory for so many.
  static Result<BufferPool> make(const PortFacts& facts, const PoolPlan& plan, std::size_t data_octets);

  rte_mempool* get() const noexcept { return pool_.get(); }
  std::uint64_t buffers() const noexcept { return buffers_; }
  std::uint64_t in_use() const noexcept;

 private:
  struct Freer {
    void operator()(rte_mempool* pool) const noexcept;
  };
  std::unique_ptr<rte_mempool, Freer> pool_;
  std::uint64_t buffers_ = 0;
};

/// One port of a run: facts first, then its buffers and queues. The device goes before its buffers.
struct LivePort {
  PortFacts facts;
  unsigned group = 0;
  bool is_file = false;  ///< replays capture files: it waits for its reader, and has their times
  Stamps stamps = Stamps::none;
  std::unique_ptr<port::TickClock> clock;  ///< of the device, with Stamps::device_clock; else null
  BufferPool pool;
  std::unique_ptr<Device> device;
};

/// Finds or makes the ports of all groups. Errors (data): which port, why, and how to mend it.
Result<std::vector<LivePort>> open_ports(Eal& eal, const std::vector<std::vector<std::string>>& groups);

/// Octets of data in each buffer of a port, for frames of at most `frame_octets`: long frames span several buffers
/// where the device can do that, else a buffer takes one whole.
std::size_t buffer_octets(const PortFacts& facts, std::uint32_t frame_octets);

/// Where the times of a configured port's packets come from. Whether the device's clock can be read shows only once it
/// is started.
Stamps stamps_of(const LivePort& port);

}  // namespace doorslam::ethdev
