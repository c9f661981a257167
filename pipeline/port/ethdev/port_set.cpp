#include "pipeline/port/ethdev/port_set.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <algorithm>
#include <cctype>
#include <cstdint>

namespace doorslam::ethdev {

namespace {

constexpr std::size_t kOrdinaryBuffer = 2048;

std::size_t rounded_up(std::size_t octets, std::size_t step) { return (octets + step - 1) / step * step; }

}  // namespace

bool is_pci_address(const std::string& port) {
  // [0000:]3b:00.0
  const std::size_t dot = port.find('.');
  return dot != std::string::npos && port.find(',') == std::string::npos &&
         std::all_of(port.begin(), port.end(),
                     [](unsigned char c) { return std::isxdigit(c) != 0 || c == ':' || c == '.'; });
}

std::string whole_pci_address(std::string address) {
  std::transform(address.begin(), address.end(), address.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::count(address.begin(), address.end(), ':') == 1 ? "0000:" + address : address;
}

void BufferPool::Freer::operator()(rte_mempool* pool) const noexcept { rte_mempool_free(pool); }

Result<BufferPool> BufferPool::make(const PortFacts& facts, const PoolPlan& plan, std::size_t data_octets) {
  if (data_octets + RTE_PKTMBUF_HEADROOM > UINT16_MAX) {
    return usage_error(fmt::format("{}: buffers for frames of {} octets cannot be had; lower run.frame_octets to {}",
                                   facts.name, data_octets,
                                   (UINT16_MAX - RTE_PKTMBUF_HEADROOM) / RTE_CACHE_LINE_SIZE * RTE_CACHE_LINE_SIZE));
  }
  BufferPool made;
  const std::string name = fmt::format("port{}", facts.port);
  const int socket = facts.numa_node < 0 ? SOCKET_ID_ANY : facts.numa_node;
  made.pool_.reset(rte_pktmbuf_pool_create(name.c_str(), static_cast<unsigned>(plan.buffers),
                                           static_cast<unsigned>(plan.cache), 0,
                                           static_cast<std::uint16_t>(data_octets + RTE_PKTMBUF_HEADROOM), socket));
  if (made.pool_ == nullptr) {
    return data_error(
        fmt::format("{}: no memory for {} buffers of {} octets ({} MiB): {}; reserve more huge pages, or "
                    "lower run.descriptors or run.steering_ring",
                    facts.name, plan.buffers, data_octets, plan.octets >> 20U, rte_strerror(rte_errno)));
  }
  made.buffers_ = plan.buffers;
  return made;
}

std::uint64_t BufferPool::in_use() const noexcept { return pool_ ? rte_mempool_in_use_count(pool_.get()) : 0; }

Result<std::vector<LivePort>> open_ports(Eal& eal, const std::vector<std::vector<std::string>>& groups) {
  std::vector<LivePort> ports;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    for (const std::string& name : groups[group]) {
      const Result<std::uint16_t> number =
          is_pci_address(name) ? eal.port_at(whole_pci_address(name)) : eal.attach(name);
      if (!number) return tl::unexpected(number.error());
      auto facts = facts_of(*number);
      if (!facts) return tl::unexpected(facts.error());
      LivePort& port = ports.emplace_back();
      port.facts = std::move(*facts);
      port.group = static_cast<unsigned>(group);
      port.is_file = port.facts.driver == "net_pcap" && name.find("rx_pcap=") != std::string::npos;
    }
  }
  return ports;
}

std::size_t buffer_octets(const PortFacts& facts, std::uint32_t frame_octets) {
  if (facts.scatters) return kOrdinaryBuffer;
  const std::size_t longest =
      facts.most_frame_octets == 0 ? frame_octets : std::min(frame_octets, facts.most_frame_octets);
  return std::max(kOrdinaryBuffer, rounded_up(longest, RTE_CACHE_LINE_SIZE));
}

Stamps stamps_of(const LivePort& port) {
  if (port.facts.driver == "net_pcap") return Stamps::microseconds;
  const bool granted = port.facts.stamps_time && port.device->options().stamp_time;
  return granted ? Stamps::device_clock : Stamps::none;
}

}  // namespace doorslam::ethdev
