#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/port/ethdev/packet_socket_losses.h"

struct rte_mempool;

namespace doorslam::ethdev {

/// What a port is and can do, as its driver says.
struct PortFacts {
  std::uint16_t port = 0;   ///< DPDK's number of it
  std::string name;         ///< PCI address, or name of the virtual device
  std::string driver;       ///< net_ixgbe, mlx5_pci, net_pcap, ...
  int numa_node = -1;       ///< -1: none
  int interface_index = 0;  ///< of the kernel's interface that it reads; 0: none
  std::uint16_t most_queues = 1;
  std::uint16_t least_descriptors = 0;
  std::uint16_t most_descriptors = 0;
  std::uint16_t descriptors_multiple_of = 1;
  std::uint16_t redirection_entries = 0;  ///< of the RSS redirection table; 0: none
  std::uint8_t hash_key_octets = 0;       ///< 0: the driver does not say
  std::uint64_t hash_functions = 0;       ///< RTE_ETH_RSS_*
  std::uint64_t receive_offloads = 0;     ///< RTE_ETH_RX_OFFLOAD_*
  std::uint32_t most_frame_octets = 0;    ///< longest frame that it receives
  std::uint16_t most_mtu = 0;
  bool can_send = false;     ///< has transmit queues
  bool scatters = false;     ///< long frames may span several buffers
  bool stamps_time = false;  ///< offers hardware timestamps
};

struct DeviceOptions {
  std::uint16_t queues = 1;
  std::uint16_t descriptors = 1024;   ///< of each queue; brought within what the device allows
  std::uint32_t frame_octets = 9018;  ///< longest frame wanted, with its Ethernet header and FCS
  bool promiscuous = true;
  bool attachable = false;             ///< dpdk-dumpcap may attach, for which a port must have a transmit queue
  bool stamp_time = true;              ///< ask for hardware timestamps where offered
  std::uint64_t hash_functions = 0;    ///< RTE_ETH_RSS_* to spread packets over the queues by; 0: none
  std::vector<std::uint8_t> hash_key;  ///< empty: the driver's
};

struct LinkState {
  bool up = false;
  std::uint32_t megabits = 0;  ///< a second; 0: unknown

  friend bool operator==(const LinkState&, const LinkState&) = default;
};

/// What the device itself counted since it was started.
struct DeviceCounters {
  std::uint64_t received = 0;  ///< packets handed over
  std::uint64_t received_octets = 0;
  std::uint64_t missed = 0;                      ///< dropped for want of free descriptors (imissed)
  std::uint64_t errors = 0;                      ///< dropped as damaged (ierrors)
  std::uint64_t no_buffer = 0;                   ///< dropped for want of free buffers (rx_nombuf)
  std::vector<std::uint64_t> received_by_queue;  ///< empty: the driver does not count by queue
};

/// `now`, with no loss fewer than `before`: some drivers forget their counters when the other end goes.
DeviceCounters with_losses_kept(DeviceCounters now, const DeviceCounters& before);

/// Errors (data): the driver does not answer.
Result<PortFacts> facts_of(std::uint16_t port);

/// The number of descriptors nearest to `wanted` that the device can have.
std::uint16_t fitting_descriptors(const PortFacts& facts, std::uint16_t wanted);

/// The largest MTU that the device accepts up to the one of frames of `frame_octets`, which count Ethernet header and
/// FCS. A device that names only its longest frame may have a smaller MTU than it says.
std::uint32_t fitting_mtu(const PortFacts& facts, std::uint32_t frame_octets);

/// One port, set up to receive and never to send. Owned and used by the control thread; the queues are polled by others
/// between start() and stop().
class Device {
 public:
  /// Configures the port; `pools` names the buffers of each queue, and outlives the device.
  /// Errors (data): what the driver refused, and the option at fault.
  static Result<Device> configure(const PortFacts& facts, const DeviceOptions& options,
                                  std::span<rte_mempool* const> pools);

  Device(Device&& other) noexcept;
  Device& operator=(Device&&) = delete;
  ~Device();  ///< stops and closes

  Result<void> start();
  void stop() noexcept;

  /// Takes out of the queues, unread, what nobody polls any more; as much as a queue can hold, for a link may never
  /// fall silent. Returns how many packets that were. To be called when all who polled have ended.
  std::uint64_t take_out() noexcept;
  /// Packets that its queues can hold at most.
  std::uint64_t places() const noexcept { return std::uint64_t{options_.queues} * options_.descriptors; }

  /// From now on counters() starts from zero.
  void forget_counters() noexcept;
  /// Not to be closed by this object: it is going to be configured anew.
  void let_go() noexcept { open_ = false; }

  LinkState link() const noexcept;
  /// Where the driver does not answer, what it said last. Losses never become fewer. One thread at a time.
  DeviceCounters counters() const;
  /// Whether counters() has the losses: not where the driver cannot tell them.
  bool tells_losses() const noexcept { return tells_losses_; }
  const PortFacts& facts() const noexcept { return facts_; }
  const DeviceOptions& options() const noexcept { return options_; }
  /// What was asked for and not granted, one sentence each.
  const std::vector<std::string>& remarks() const noexcept { return remarks_; }

 private:
  Device(const PortFacts& facts, const DeviceOptions& options) : facts_(facts), options_(options) {}
  Result<void> set_up(std::span<rte_mempool* const> pools);
  void find_losses();
  void be_promiscuous();

  PortFacts facts_;
  DeviceOptions options_;
  std::vector<std::string> remarks_;
  std::unique_ptr<PacketSocketLosses> socket_losses_;  ///< of net_af_packet, else null
  bool tells_losses_ = true;
  mutable DeviceCounters last_counters_;
  bool open_ = true;
  bool started_ = false;
};

}  // namespace doorslam::ethdev
