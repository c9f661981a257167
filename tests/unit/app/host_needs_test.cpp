#include "pipeline/app/host_needs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "pipeline/port/event_rings.h"
#include "pipeline/tcp/event.h"
#include "pipeline/tcp/evidence.h"
#include "pipeline/tcp/frames.h"

namespace doorslam::app {
namespace {

using Kind = host::PortNeed::Kind;

constexpr std::size_t kFrameMemory = std::size_t{3} << 20U;

host::Facts host_of(unsigned cpus) {
  host::Facts facts;
  for (unsigned id = 0; id < cpus; ++id) facts.cpu.cpus[id].id = id;
  host::PciDevice card;
  card.address = "0000:af:00.0";
  card.node = 1;
  facts.devices.pci[card.address] = card;
  return facts;
}

TEST(PortNeed, TellsWhatAPortStandsOn) {
  EXPECT_EQ(port_need("0000:3b:00.0").kind, Kind::pci);
  EXPECT_EQ(port_need("3B:00.0").address, "0000:3b:00.0") << "as the kernel writes it";
  EXPECT_EQ(port_need("0001:3B:00.0").address, "0001:3b:00.0");
  const host::PortNeed socket = port_need("net_af_packet0,qpairs=2,iface=mon0,blocksz=4096");
  EXPECT_EQ(socket.kind, Kind::af_packet);
  EXPECT_EQ(socket.interface, "mon0");
  EXPECT_EQ(port_need("net_af_xdp0,iface=mon0").kind, Kind::af_xdp);
  EXPECT_EQ(port_need("net_pcap0,rx_iface=mon0").kind, Kind::af_packet) << "libpcap listens by a packet socket";
  EXPECT_EQ(port_need("net_pcap0,rx_pcap=iface=x.pcap").kind, Kind::no_hardware);
  EXPECT_EQ(port_need("net_memif0,role=server").kind, Kind::no_hardware);
}

TEST(HostNeeds, OfAConfigurationWithoutPortsAreItsTables) {
  ethdev::LiveOptions options;
  options.tracker.capacity_flows = 1000;
  options.tracker.pages = flowtable::Pages::huge;
  const host::Needs needs = host_needs(options, kFrameMemory, host_of(8));
  EXPECT_FALSE(needs.live());
  EXPECT_TRUE(needs.huge_memory.empty());
  EXPECT_TRUE(needs.transparent_huge_pages);
  ASSERT_FALSE(needs.normal_memory.empty());
  EXPECT_NE(needs.normal_memory[0].what.find("IPv4 connections 1,000 x "), std::string::npos);
  EXPECT_GE(needs.normal_memory[0].octets, 64'000U);
}

TEST(HostNeeds, OfATapAreBuffersAtItsCardAndTheWorkersCpus) {
  ethdev::LiveOptions options;
  options.groups = {{"0000:af:00.0", "0000:af:00.1"}};
  options.workers = 4;
  options.lcores = {4, 5, 6, 7};
  const host::Needs needs = host_needs(options, kFrameMemory, host_of(8));
  ASSERT_EQ(needs.ports.size(), 2U);
  EXPECT_EQ(needs.worker_cpus, (host::CpuList{4, 5, 6, 7}));
  EXPECT_EQ(needs.ports[0].cpus, needs.worker_cpus);
  EXPECT_EQ(needs.threads, 4U);
  EXPECT_FALSE(needs.other_cpus.empty());
  EXPECT_TRUE(host::without(needs.worker_cpus, needs.other_cpus) == needs.worker_cpus) << "the rest runs elsewhere";
  ASSERT_EQ(needs.huge_memory.size(), 3U);
  EXPECT_EQ(needs.huge_memory[1].node, 1U);
  EXPECT_FALSE(needs.huge_memory[2].node) << "a card that is not there";
  // Every descriptor of every queue may hold a buffer of 2 KiB.
  EXPECT_GE(needs.huge_memory[1].octets, 4U * options.descriptors * 2048U);
  EXPECT_TRUE(needs.hugetlbfs_files);
  options.attachable = false;
  EXPECT_FALSE(host_needs(options, kFrameMemory, host_of(8)).hugetlbfs_files);
}

TEST(HostNeeds, KeepCpusThatAreNotThere) {
  ethdev::LiveOptions options;
  options.groups = {{"0000:af:00.0"}};
  options.lcores = {40};
  EXPECT_EQ(host_needs(options, kFrameMemory, host_of(8)).worker_cpus, host::CpuList{40})
      << "for the check to name them";
}

TEST(HostNeeds, TheAnalysisMayHoldWhatTheRingsHold) {
  ethdev::LiveOptions options;
  options.groups = {{"net_af_packet0,iface=mon0"}};
  const auto memory = [&options] {
    std::uint64_t octets = 0;
    for (const host::MemoryNeed& need : host_needs(options, kFrameMemory, host_of(8)).normal_memory)
      octets += need.octets;
    return octets;
  };
  const std::uint64_t before = memory();
  const std::uint64_t places = options.events.refusals;
  ASSERT_EQ(port::ring_places(places), places);
  options.events.refusals += 1;
  EXPECT_EQ(memory() - before, places * (2 * sizeof(tcp::ConnectionEvent) + sizeof(tcp::Evidence)))
      << "a ring of one more has twice as many places";
}

/// Where a ring that rounds up holds more than the buffers suffice for, packets are lost before it is full.
TEST(HostNeeds, BuffersSufficeForAllPlacesOfTheRings) {
  ethdev::LiveOptions options;
  options.workers = 4;
  options.steering_ring = 4097;
  EXPECT_EQ(ethdev::pool_needs(options, {}, 1, true).in_rings, 4U * 8192);
}

TEST(HostNeeds, CountThePacketsOfEvidence) {
  ethdev::LiveOptions options;
  options.groups = {{"net_af_packet0,iface=mon0"}};
  const std::size_t before = host_needs(options, kFrameMemory, host_of(8)).normal_memory.size();
  options.tracker.frame_octets = 256;
  options.events.frames = 64;
  const auto needs = host_needs(options, kFrameMemory, host_of(8)).normal_memory;
  EXPECT_EQ(needs.size(), before + 3);
  const auto has = [&needs](std::uint64_t octets) {
    return std::any_of(needs.begin(), needs.end(), [octets](const auto& need) { return need.octets == octets; });
  };
  EXPECT_TRUE(has(options.tracker.evidence_capacity * sizeof(tcp::FrameSlot)));
  EXPECT_TRUE(has(options.workers * 64 * sizeof(port::FrameChunk)));
  EXPECT_TRUE(has(kFrameMemory)) << "of those whose incident is yet to be told";
}

TEST(HostNeeds, WithoutHugePagesAllIsOrdinaryMemory) {
  ethdev::LiveOptions options;
  options.groups = {{"net_af_packet0,iface=mon0"}};
  const std::size_t with = host_needs(options, kFrameMemory, host_of(8)).normal_memory.size();
  options.huge_pages = false;
  const host::Needs needs = host_needs(options, kFrameMemory, host_of(8));
  EXPECT_FALSE(needs.huge_pages);
  EXPECT_EQ(needs.normal_memory.size(), with + needs.huge_memory.size());
}

}  // namespace
}  // namespace doorslam::app
