#include "pipeline/port/ethdev/device.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <utility>

namespace doorslam::ethdev {

namespace {

/// Ethernet header and FCS, which the MTU does not count.
constexpr std::uint32_t kFrameOverhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

/// Descriptors of the queue that is never used.
constexpr std::uint16_t kLeastToSend = 64;

/// As rte_eth_dev_configure() reckons it, which refuses an MTU that with this exceeds the longest frame.
std::uint32_t frame_overhead(const PortFacts& facts) {
  const bool told = facts.most_mtu != 0 && facts.most_mtu != UINT16_MAX && facts.most_frame_octets > facts.most_mtu;
  return told ? facts.most_frame_octets - facts.most_mtu : kFrameOverhead;
}

tl::unexpected<Error> refused(const PortFacts& facts, int error, const std::string& what) {
  return data_error(fmt::format("{} ({}): {}: {}", facts.name, facts.driver, what, rte_strerror(-error)));
}

/// VLAN tags stay on, and frames are not merged: doorslam looks at what was on the wire. Checksums are verified by the
/// card where it can; what it does not call good is verified again.
std::uint64_t wanted_offloads(const PortFacts& facts, const DeviceOptions& options) {
  std::uint64_t wanted = 0;
  if (facts.scatters) wanted |= RTE_ETH_RX_OFFLOAD_SCATTER;
  if (facts.stamps_time && options.stamp_time) wanted |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  wanted |= facts.receive_offloads & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM);
  if (options.queues > 1) wanted |= facts.receive_offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH;
  return wanted;
}

/// The driver's own, but that a full queue drops: some cards (ixgbe) hold all queues up for one that is full.
rte_eth_rxconf options_of_queues(std::uint16_t port, std::uint16_t queues) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(port, &info) != 0) return {};
  if (queues > 1) info.default_rxconf.rx_drop_en = 1;
  return info.default_rxconf;
}

}  // namespace

Result<PortFacts> facts_of(std::uint16_t port) {
  rte_eth_dev_info info{};
  if (const int failed = rte_eth_dev_info_get(port, &info); failed != 0) {
    return data_error(fmt::format("port {}: the driver tells nothing of the device: {}", port, rte_strerror(-failed)));
  }
  PortFacts facts;
  facts.port = port;
  std::array<char, RTE_ETH_NAME_MAX_LEN> name{};
  if (rte_eth_dev_get_name_by_port(port, name.data()) == 0) facts.name = name.data();
  facts.driver = info.driver_name == nullptr ? "" : info.driver_name;
  facts.numa_node = rte_eth_dev_socket_id(port);
  facts.interface_index = static_cast<int>(info.if_index);
  facts.most_queues = info.max_rx_queues;
  facts.can_send = info.max_tx_queues > 0;
  facts.least_descriptors = info.rx_desc_lim.nb_min;
  facts.most_descriptors = info.rx_desc_lim.nb_max == 0 ? UINT16_MAX : info.rx_desc_lim.nb_max;
  facts.descriptors_multiple_of = std::max<std::uint16_t>(info.rx_desc_lim.nb_align, 1);
  facts.redirection_entries = info.reta_size;
  facts.hash_key_octets = info.hash_key_size;
  facts.hash_functions = info.flow_type_rss_offloads;
  facts.receive_offloads = info.rx_offload_capa;
  facts.most_frame_octets = info.max_rx_pktlen;
  facts.most_mtu = info.max_mtu;
  facts.scatters = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
  facts.stamps_time = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0;
  return facts;
}

std::uint16_t fitting_descriptors(const PortFacts& facts, std::uint16_t wanted) {
  const unsigned step = std::max<unsigned>(facts.descriptors_multiple_of, 1);
  const unsigned most = facts.most_descriptors / step * step;
  const unsigned least = (facts.least_descriptors + step - 1) / step * step;
  const unsigned rounded = (wanted + step - 1) / step * step;
  return static_cast<std::uint16_t>(std::clamp(rounded, least, std::max(least, most)));
}

std::uint32_t fitting_mtu(const PortFacts& facts, std::uint32_t frame_octets) {
  std::uint32_t mtu = frame_octets - kFrameOverhead;
  if (facts.most_mtu != 0) mtu = std::min<std::uint32_t>(mtu, facts.most_mtu);
  if (facts.most_frame_octets != 0) mtu = std::min(mtu, facts.most_frame_octets - frame_overhead(facts));
  return mtu;
}

DeviceCounters with_losses_kept(DeviceCounters now, const DeviceCounters& before) {
  now.missed = std::max(now.missed, before.missed);
  now.errors = std::max(now.errors, before.errors);
  now.no_buffer = std::max(now.no_buffer, before.no_buffer);
  return now;
}

Result<Device> Device::configure(const PortFacts& facts, const DeviceOptions& options,
                                 std::span<rte_mempool* const> pools) {
  if (options.queues > facts.most_queues || pools.size() < options.queues) {
    return data_error(fmt::format("{} ({}): has {} receive queues, {} are wanted", facts.name, facts.driver,
                                  facts.most_queues, options.queues));
  }
  Device device(facts, options);
  if (auto set_up = device.set_up(pools); !set_up) return tl::unexpected(set_up.error());
  return device;
}

Result<void> Device::set_up(std::span<rte_mempool* const> pools) {
  rte_eth_conf conf{};
  conf.rxmode.offloads = wanted_offloads(facts_, options_);
  conf.rxmode.mtu = fitting_mtu(facts_, options_.frame_octets);
  if (conf.rxmode.mtu + kFrameOverhead < options_.frame_octets) {
    remarks_.push_back(fmt::format("{}: promises to take frames of {} octets at most, longer ones may be lost",
                                   facts_.name, conf.rxmode.mtu + frame_overhead(facts_)));
  }
  if (options_.queues > 1 && options_.hash_functions != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = options_.hash_functions;
    if (!options_.hash_key.empty()) {
      conf.rx_adv_conf.rss_conf.rss_key = options_.hash_key.data();
      conf.rx_adv_conf.rss_conf.rss_key_len = static_cast<std::uint8_t>(options_.hash_key.size());
    }
  }
  // Nothing is ever put into it; but dpdk-dumpcap attaches to both directions, or to none.
  const std::uint16_t senders = options_.attachable && facts_.can_send ? 1 : 0;
  if (const int failed = rte_eth_dev_configure(facts_.port, options_.queues, senders, &conf); failed != 0) {
    return refused(facts_, failed,
                   fmt::format("cannot be set up with {} queues and frames of {} octets (run.frame_octets)",
                               options_.queues, conf.rxmode.mtu + kFrameOverhead));
  }
  std::uint16_t descriptors = fitting_descriptors(facts_, options_.descriptors);
  std::uint16_t to_send = kLeastToSend;
  rte_eth_dev_adjust_nb_rx_tx_desc(facts_.port, &descriptors, &to_send);
  if (descriptors != options_.descriptors) {
    remarks_.push_back(fmt::format("{}: {} descriptors a queue instead of {} (run.descriptors)", facts_.name,
                                   descriptors, options_.descriptors));
    options_.descriptors = descriptors;
  }
  const auto socket = static_cast<unsigned>(facts_.numa_node < 0 ? SOCKET_ID_ANY : facts_.numa_node);
  const rte_eth_rxconf queue_options = options_of_queues(facts_.port, options_.queues);
  for (std::uint16_t queue = 0; queue < options_.queues; ++queue) {
    const int failed = rte_eth_rx_queue_setup(facts_.port, queue, descriptors, socket, &queue_options, pools[queue]);
    if (failed != 0) {
      return refused(
          facts_, failed,
          fmt::format("queue {} cannot be set up with {} descriptors (run.descriptors)", queue, descriptors));
    }
  }
  if (senders > 0) {
    const int failed = rte_eth_tx_queue_setup(facts_.port, 0, to_send, socket, nullptr);
    if (failed != 0) return refused(facts_, failed, "its queue for dpdk-dumpcap cannot be set up (run.attachable)");
  }
  be_promiscuous();
  find_losses();
  return {};
}

/// Of packet sockets the driver tells no losses: they are asked themselves, one of each queue.
void Device::find_losses() {
  if (facts_.driver != "net_af_packet") return;
  socket_losses_ = std::make_unique<PacketSocketLosses>(facts_.interface_index);
  tells_losses_ = socket_losses_->sockets() >= facts_.most_queues;
  if (tells_losses_) return;
  remarks_.push_back(
      fmt::format("{}: its packet sockets are not found: what is lost at this port cannot be told", facts_.name));
}

void Device::be_promiscuous() {
  if (!options_.promiscuous) return;
  const int failed = rte_eth_promiscuous_enable(facts_.port);
  if (failed == 0 || rte_eth_promiscuous_get(facts_.port) == 1) return;
  if (failed == -ENOTSUP) return;  // a device without addresses, which receives everything
  remarks_.push_back(fmt::format("{}: cannot be made promiscuous, it shows only what is addressed to it: {}",
                                 facts_.name, rte_strerror(-failed)));
}

Device::Device(Device&& other) noexcept
    : facts_(std::move(other.facts_)),
      options_(std::move(other.options_)),
      remarks_(std::move(other.remarks_)),
      socket_losses_(std::move(other.socket_losses_)),
      tells_losses_(other.tells_losses_),
      last_counters_(std::move(other.last_counters_)),
      open_(std::exchange(other.open_, false)),
      started_(std::exchange(other.started_, false)) {}

Device::~Device() {
  if (!open_) return;
  stop();
  rte_eth_dev_close(facts_.port);
}

Result<void> Device::start() {
  if (const int failed = rte_eth_dev_start(facts_.port); failed != 0)
    return refused(facts_, failed, "cannot be started");
  started_ = true;
  return {};
}

void Device::stop() noexcept {
  if (started_) rte_eth_dev_stop(facts_.port);
  started_ = false;
}

std::uint64_t Device::take_out() noexcept {
  constexpr std::uint64_t kMostInQueue = UINT16_MAX;
  std::uint64_t all = 0;
  for (std::uint16_t queue = 0; started_ && queue < options_.queues; ++queue) {
    std::array<rte_mbuf*, 64> burst;
    std::uint64_t taken = 0;
    while (taken < kMostInQueue) {
      const std::uint16_t count = rte_eth_rx_burst(facts_.port, queue, burst.data(), burst.size());
      if (count == 0) break;
      rte_pktmbuf_free_bulk(burst.data(), count);
      taken += count;
    }
    all += taken;
  }
  return all;
}

void Device::forget_counters() noexcept {
  rte_eth_stats_reset(facts_.port);
  if (socket_losses_) socket_losses_->forget();
  last_counters_ = {};
}

LinkState Device::link() const noexcept {
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(facts_.port, &link) != 0) return {};
  const bool known = link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
  return {.up = link.link_status == RTE_ETH_LINK_UP, .megabits = known ? link.link_speed : 0};
}

DeviceCounters Device::counters() const {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(facts_.port, &stats) != 0) return last_counters_;
  DeviceCounters counters;
  counters.received = stats.ipackets;
  counters.received_octets = stats.ibytes;
  counters.missed = stats.imissed + (socket_losses_ ? socket_losses_->read() : 0);
  counters.errors = stats.ierrors;
  counters.no_buffer = stats.rx_nombuf;
  // Drivers that do not count by queue leave them 0.
  std::uint64_t sum = 0;
  const std::size_t queues = std::min<std::size_t>(options_.queues, RTE_ETHDEV_QUEUE_STAT_CNTRS);
  for (std::size_t i = 0; i < queues; ++i) sum += stats.q_ipackets[i];
  if (sum == stats.ipackets) counters.received_by_queue.assign(stats.q_ipackets, stats.q_ipackets + queues);
  last_counters_ = with_losses_kept(std::move(counters), last_counters_);
  return last_counters_;
}

}  // namespace doorslam::ethdev
