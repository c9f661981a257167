#include "pipeline/app/host_needs.h"

#include <fmt/format.h>

#include <algorithm>

#include "flowtable/flow_key.h"
#include "flowtable/flow_table.h"
#include "pipeline/base/text.h"
#include "pipeline/port/ethdev/port_set.h"
#include "pipeline/tcp/event.h"
#include "pipeline/tcp/evidence.h"
#include "pipeline/tcp/flow_record.h"
#include "pipeline/tcp/frames.h"
#include "pipeline/tcp/irregularities.h"

namespace doorslam::app {
namespace {

/// DPDK's own tables and the drivers' descriptor rings: an estimate on the safe side.
constexpr std::uint64_t kDpdkOctets = std::uint64_t{32} << 20U;

/// What DPDK's packet sockets take unless their specification says more.
constexpr std::uint32_t kPacketSocketFrame = 2048;

host::MemoryNeed of_records(std::string_view what, std::uint64_t count, std::uint64_t octets_each) {
  return {fmt::format("{} {} x {} octets", what, grouped(count), octets_each), count * octets_each, {}};
}

/// A connection's slot in the table, and what lies beside it when nothing goes well.
template <class Key>
constexpr std::uint64_t octets_per_flow() {
  return flowtable::FlowTable<Key, tcp::FlowRecord>::kOctetsPerSlot + sizeof(tcp::FlowDetails) +
         sizeof(tcp::Irregularities);
}

void add_tables(const ethdev::LiveOptions& options, std::size_t frame_memory, host::Needs& needs) {
  const tcp::TrackerOptions& tracker = options.tracker;
  needs.normal_memory = {
      of_records("IPv4 connections", tracker.capacity_flows, octets_per_flow<flowtable::FlowKey4>()),
      of_records("IPv6 connections", tracker.capacity_flows6, octets_per_flow<flowtable::FlowKey6>()),
      of_records("evidence", tracker.evidence_capacity, sizeof(tcp::Evidence)),
  };
  if (tracker.frame_octets != 0) {
    needs.normal_memory.push_back(of_records("packets of evidence", tracker.evidence_capacity, sizeof(tcp::FrameSlot)));
    needs.normal_memory.push_back({"packets of ended connections (evidence.memory_bytes)", frame_memory, {}});
  }
  needs.transparent_huge_pages = tracker.pages == flowtable::Pages::huge;
  if (!needs.live()) return;
  const std::size_t events =
      options.workers * (port::ring_places(options.events.refusals) + port::ring_places(options.events.served));
  needs.normal_memory.push_back(of_records("events", events, sizeof(tcp::ConnectionEvent)));
  needs.normal_memory.push_back(of_records(
      "evidence of events", options.workers * port::ring_places(options.events.evidence), sizeof(tcp::Evidence)));
  if (options.events.frames != 0) {
    needs.normal_memory.push_back(of_records(
        "packets of events", options.workers * port::ring_places(options.events.frames), sizeof(port::FrameChunk)));
  }
  // What the analysis has taken out of full rings at once, and judges when all of it is there. Its batches keep the
  // room that they once needed.
  needs.normal_memory.push_back(of_records("events at the analysis", events, sizeof(tcp::ConnectionEvent)));
  needs.normal_memory.push_back(of_records(
      "their evidence", options.workers * port::ring_places(options.events.refusals), sizeof(tcp::Evidence)));
}

void add_threads(const ethdev::LiveOptions& options, const host::Facts& facts, host::Needs& needs) {
  host::CpuList online;
  for (const auto& [id, cpu] : facts.cpu.cpus) online.push_back(id);
  needs.threads = options.workers;
  if (!host::without(options.lcores, online).empty() || online.empty()) {
    needs.worker_cpus = options.lcores;
    return;
  }
  const ethdev::LcorePlan plan =
      ethdev::plan_lcores({.workers = options.workers, .receivers = 0, .allowed = online, .wanted = options.lcores});
  needs.other_cpus = plan.control.cpus;
  for (const ethdev::LcoreCpus& worker : plan.workers) {
    needs.worker_cpus.insert(needs.worker_cpus.end(), worker.cpus.begin(), worker.cpus.end());
  }
  std::sort(needs.worker_cpus.begin(), needs.worker_cpus.end());
  needs.worker_cpus.erase(std::unique(needs.worker_cpus.begin(), needs.worker_cpus.end()), needs.worker_cpus.end());
  needs.sleeps_when_idle =
      options.idle == ethdev::IdleChoice::sleep || (options.idle == ethdev::IdleChoice::automatic && plan.shared);
}

/// The buffers of each port, at the node of its card.
void add_buffers(const ethdev::LiveOptions& options, const host::Facts& facts, host::Needs& needs) {
  needs.huge_memory.push_back({"DPDK itself", kDpdkOctets, {}});
  for (const host::PortNeed& port : needs.ports) {
    ethdev::PortFacts device;  // as a card is: only the run can ask it
    device.most_descriptors = UINT16_MAX;
    device.scatters = port.kind == host::PortNeed::Kind::pci;
    if (port.kind == host::PortNeed::Kind::af_packet) device.most_frame_octets = kPacketSocketFrame;
    const bool steered = options.workers > 1 && port.kind != host::PortNeed::Kind::pci;
    const ethdev::PoolNeeds pool = ethdev::pool_needs(options, device, steered ? 1 : options.workers, steered);
    const ethdev::PoolPlan plan = ethdev::plan_pool(pool);
    host::MemoryNeed need;
    need.what = fmt::format("{} packet buffers of {} ({} queues x {} descriptors and what the threads hold)",
                            grouped(plan.buffers), port.name, pool.queues, pool.descriptors);
    need.octets = plan.octets;
    if (const auto card = facts.devices.pci.find(port.address); card != facts.devices.pci.end()) {
      need.node = card->second.node;
    }
    needs.huge_memory.push_back(std::move(need));
  }
}

/// The value of "key=" among a virtual device's arguments.
std::string argument_of(const std::string& specification, std::string_view key) {
  std::size_t begin = specification.find(',');
  while (begin != std::string::npos) {
    const std::size_t end = specification.find(',', begin + 1);
    const std::string argument = specification.substr(begin + 1, end == std::string::npos ? end : end - begin - 1);
    if (argument.starts_with(key) && argument.size() > key.size() && argument[key.size()] == '=') {
      return argument.substr(key.size() + 1);
    }
    begin = end;
  }
  return {};
}

}  // namespace

host::PortNeed port_need(const std::string& name) {
  using Kind = host::PortNeed::Kind;
  host::PortNeed port;
  port.name = name;
  if (ethdev::is_pci_address(name)) {
    port.kind = Kind::pci;
    port.address = ethdev::whole_pci_address(name);
    return port;
  }
  for (const std::string_view key : {"iface", "rx_iface"}) {
    if (port.interface.empty()) port.interface = argument_of(name, key);
  }
  // libpcap listens to an interface through a packet socket as well.
  const bool packet_socket = name.starts_with("net_af_packet") || name.starts_with("eth_af_packet") ||
                             (name.starts_with("net_pcap") && !port.interface.empty());
  if (packet_socket) port.kind = Kind::af_packet;
  if (name.starts_with("net_af_xdp")) port.kind = Kind::af_xdp;
  return port;
}

host::Needs host_needs(const ethdev::LiveOptions& options, std::size_t frame_memory, const host::Facts& facts) {
  host::Needs needs;
  for (const auto& group : options.groups) {
    for (const std::string& name : group) needs.ports.push_back(port_need(name));
  }
  add_tables(options, frame_memory, needs);
  if (!needs.live()) return needs;
  add_threads(options, facts, needs);
  for (host::PortNeed& port : needs.ports) port.cpus = needs.worker_cpus;
  needs.huge_pages = options.huge_pages;
  needs.hugetlbfs_files = options.huge_pages && options.attachable;
  add_buffers(options, facts, needs);
  if (!options.huge_pages) {
    needs.normal_memory.insert(needs.normal_memory.end(), needs.huge_memory.begin(), needs.huge_memory.end());
  }
  return needs;
}

}  // namespace doorslam::app
