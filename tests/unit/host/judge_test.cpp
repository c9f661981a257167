#include "pipeline/host/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

namespace doorslam::host {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t kMiB = 1U << 20U;
constexpr std::uint64_t kAllCapabilities = ~std::uint64_t{0};

/// A two-socket host with a card on vfio-pci at node 1, on which nothing is to be mended.
Facts good_host() {
  Facts facts;
  for (const unsigned id : {0U, 1U}) {
    NumaNode node;
    node.id = id;
    node.cpus = id == 0 ? CpuList{0, 1, 2, 3} : CpuList{4, 5, 6, 7};
    node.huge_pages = {{2 * kMiB, 512, 512, "/sys/node" + std::to_string(id) + "/nr_hugepages"}};
    facts.memory.nodes.push_back(node);
  }
  facts.memory.hugetlbfs = {2 * kMiB};
  facts.memory.available_octets = 8192 * kMiB;
  facts.memory.transparent_huge_pages = "madvise";
  for (unsigned id = 0; id < 8; ++id) facts.cpu.cpus[id] = {id, {id}, "performance", {{"C1", 2, false}}};
  facts.cpu.isolated = facts.cpu.nohz_full = facts.cpu.rcu_nocbs = {4, 5, 6, 7};
  facts.cpu.flags = {"avx2", "constant_tsc", "nonstop_tsc", "sse4_2", "waitpkg"};
  PciDevice card;
  card.address = "0000:af:00.0";
  card.class_code = 0x020000;
  card.vendor = 0x8086;
  card.driver = "vfio-pci";
  card.node = 1;
  card.iommu_group = 26;
  card.group_file = "/dev/vfio/26";
  card.group_file_usable = true;
  facts.devices.pci[card.address] = card;
  facts.devices.interfaces["eth0"] = "up";
  facts.devices.default_routes = {"eth0"};
  facts.devices.iommu = true;
  facts.process.effective_capabilities = kAllCapabilities;
  facts.process.program = "/usr/local/bin/doorslam";
  facts.system.kernel_release = "6.1.0-28-amd64";
  facts.system.clock_source = "tsc";
  facts.system.clock_sources = {"tsc", "hpet"};
  facts.system.time_synchronised = true;
  return facts;
}

PciDevice& card_of(Facts& facts) { return facts.devices.pci.at("0000:af:00.0"); }

Needs card_needs() {
  Needs needs;
  PortNeed port;
  port.name = port.address = "0000:af:00.0";
  port.kind = PortNeed::Kind::pci;
  port.cpus = {4, 5};
  needs.ports = {port};
  needs.worker_cpus = {4, 5};
  needs.threads = 2;
  needs.hugetlbfs_files = true;
  needs.huge_memory = {{"packet buffers", 200 * kMiB, 1}};
  needs.normal_memory = {{"tables", 300 * kMiB, {}}};
  needs.sleeps_when_idle = true;
  return needs;
}

Findings judged(const Facts& facts, const Needs& needs) {
  Findings findings;
  judge(facts, needs, findings);
  return findings;
}

/// The finding of that level about the topic; an empty one where there is none.
Finding found(const Findings& findings, Level level, const std::string& topic) {
  const auto& all = findings.all();
  const auto at = std::find_if(
      all.begin(), all.end(), [&](const Finding& finding) { return finding.level == level && finding.topic == topic; });
  return at == all.end() ? Finding{Level::fine, "nothing found", "", ""} : *at;
}

/// After one change to the good host, the finding that follows from it.
Finding after(const std::function<void(Facts&, Needs&)>& change, Level level, const std::string& topic) {
  Facts facts = good_host();
  Needs needs = card_needs();
  change(facts, needs);
  return found(judged(facts, needs), level, topic);
}

const std::string kPort = "port 0000:af:00.0";

TEST(Judge, AGoodHostHasNothingToMend) {
  const Findings findings = judged(good_host(), card_needs());
  for (const Finding& finding : findings.all()) {
    EXPECT_TRUE(finding.level == Level::fine) << finding.topic << ": " << finding.text;
    EXPECT_EQ(finding.command, "") << finding.topic;
  }
  EXPECT_GT(findings.count(Level::fine), 12U);
}

TEST(Judge, WithoutPortsNothingOfTheLiveHostMatters) {
  Facts facts = good_host();
  facts.memory.nodes[0].huge_pages[0] = facts.memory.nodes[1].huge_pages[0] = {};
  facts.memory.swaps = {{"/dev/sda2", kMiB}};
  facts.process = {};
  facts.system.clock_source = "hpet";
  facts.cpu.isolated = {};
  Needs needs;
  needs.normal_memory = {{"tables", 300 * kMiB, {}}};
  const Findings findings = judged(facts, needs);
  EXPECT_EQ(findings.count(Level::must) + findings.count(Level::should), 0U);
  EXPECT_GE(findings.count(Level::skipped), 4U);
  EXPECT_THAT(found(findings, Level::skipped, "ports").text, HasSubstr("doorslam read"));
}

TEST(JudgeMemory, CountsHugePagesByNode) {
  const Finding few = after(
      [](Facts& f, Needs&) {
        f.memory.nodes[1].huge_pages[0] = {2 * kMiB, 60, 50, "/n1"};
      },
      Level::must, "huge pages 1");
  EXPECT_THAT(few.text, HasSubstr("needs 200 MiB (packet buffers = 200 MiB); 50 of 60 pages of 2 MiB free"));
  EXPECT_EQ(few.command, "echo 110 > /n1") << "60 there, 50 more";
  const Finding taken =
      after([](Facts& f, Needs&) { f.memory.nodes[1].huge_pages[0].free = 10; }, Level::should, "huge pages 1");
  EXPECT_THAT(taken.text, HasSubstr("in use"));
  const Finding other =
      after([](Facts& f, Needs&) { f.memory.nodes[0].huge_pages[0].free = 0; }, Level::must, "huge pages 0");
  EXPECT_EQ(other.topic, "nothing found") << "nothing is to lie there";
  const Finding big = after(
      [](Facts& f, Needs&) {
        f.memory.nodes[1].huge_pages[0].total = f.memory.nodes[1].huge_pages[0].free = 0;
        f.memory.nodes[1].huge_pages.push_back({1024 * kMiB, 1, 1, "/n1g"});
      },
      Level::fine, "huge pages 1");
  EXPECT_THAT(big.text, HasSubstr("1 of 1 pages of 1 GiB free")) << "pages of any size count";
  EXPECT_EQ(after([](Facts& f, Needs&) { f.memory.nodes[1].huge_pages.clear(); }, Level::must, "huge pages 1").topic,
            "huge pages 1");
}

TEST(JudgeMemory, WantsHugetlbfsOnlyForFiles) {
  EXPECT_THAT(after([](Facts& f, Needs&) { f.memory.hugetlbfs.clear(); }, Level::must, "hugetlbfs").command,
              HasSubstr("mount -t hugetlbfs"));
  EXPECT_EQ(after(
                [](Facts& f, Needs& n) {
                  f.memory.hugetlbfs.clear();
                  n.hugetlbfs_files = false;
                },
                Level::must, "hugetlbfs")
                .topic,
            "nothing found");
}

TEST(JudgeMemory, TellsTablesThatDoNotFitSwapAndLimits) {
  EXPECT_THAT(after([](Facts& f, Needs&) { f.memory.available_octets = 100 * kMiB; }, Level::must, "memory").text,
              HasSubstr("needs up to 300 MiB (tables = 300 MiB); 100 MiB are available"));
  EXPECT_THAT(after(
                  [](Facts& f, Needs&) {
                    f.memory.swaps = {{"/dev/sda2", 512 * kMiB}};
                  },
                  Level::should, "swap")
                  .command,
              HasSubstr("swapoff -a"));
  const auto limited = [](Facts& f, Needs&) {
    f.process.effective_capabilities = 0;
    f.process.memlock_octets = 8 * kMiB;
  };
  EXPECT_THAT(after(limited, Level::must, "locked memory").text, HasSubstr("200 MiB must be pinned"));
  EXPECT_EQ(after([](Facts& f, Needs&) { f.process.memlock_octets = 8 * kMiB; }, Level::must, "locked memory").topic,
            "nothing found")
      << "CAP_IPC_LOCK lifts the limit";
  EXPECT_THAT(after(
                  [](Facts& f, Needs& n) {
                    f.memory.transparent_huge_pages = "never";
                    n.transparent_huge_pages = true;
                  },
                  Level::should, "table pages")
                  .command,
              HasSubstr("transparent_hugepage"));
}

TEST(JudgeCpus, TellsWorkersThatCannotRun) {
  EXPECT_THAT(after(
                  [](Facts&, Needs& n) {
                    n.worker_cpus = {4, 40};
                  },
                  Level::must, "worker CPUs")
                  .text,
              HasSubstr("CPU 40 is not online"));
  EXPECT_THAT(after(
                  [](Facts& f, Needs&) {
                    f.cpu.allowed = CpuList{0, 4};
                  },
                  Level::must, "worker CPUs")
                  .text,
              HasSubstr("does not allow CPU 5"));
  EXPECT_THAT(after([](Facts&, Needs& n) { n.threads = 3; }, Level::should, "worker CPUs").text,
              HasSubstr("3 polling threads share 2 CPUs"));
  EXPECT_EQ(after([](Facts& f, Needs&) { f.cpu.flags = {"avx2"}; }, Level::must, "CPU features").topic, "CPU features");
}

TEST(JudgeCpus, TellsWhatDisturbsThePoll) {
  const Finding isolation = after([](Facts& f, Needs&) { f.cpu.isolated = {4}; }, Level::should, "isolation");
  EXPECT_THAT(isolation.text, HasSubstr("isolcpus do not cover 4-5"));
  EXPECT_THAT(isolation.command, HasSubstr("isolcpus=4-5 nohz_full=4-5 rcu_nocbs=4-5"));
  EXPECT_EQ(after([](Facts& f, Needs&) { f.cpu.rcu_nocbs = {}; }, Level::should, "isolation").topic, "nothing found")
      << "nohz_full implies it";
  EXPECT_EQ(after([](Facts&, Needs& n) { n.worker_cpus = {0, 4}; }, Level::should, "CPU 0").topic, "CPU 0");
  EXPECT_EQ(after([](Facts& f, Needs&) { f.cpu.cpus[5].governor = "powersave"; }, Level::should, "governor").command,
            "cpupower -c 5 frequency-set -g performance");
  const auto deep = [](Facts& f, Needs&) { f.cpu.cpus[4].idle_states.push_back({"C6", 133, false}); };
  EXPECT_THAT(after(deep, Level::should, "idle states").text, HasSubstr("CPU 4 may take 133 us"));
  EXPECT_EQ(after(
                [&](Facts& f, Needs& n) {
                  deep(f, n);
                  n.sleeps_when_idle = false;
                },
                Level::should, "idle states")
                .topic,
            "nothing found");
  const auto balanced = [](Facts& f, Needs&) {
    f.system.commands = {"irqbalance"};
    f.cpu.isolated = f.cpu.nohz_full = {4};
  };
  EXPECT_THAT(after(balanced, Level::should, "irqbalance").command, HasSubstr("IRQBALANCE_BANNED_CPULIST=4-5"));
  EXPECT_EQ(after([](Facts& f, Needs&) { f.system.commands = {"irqbalance"}; }, Level::should, "irqbalance").topic,
            "nothing found")
      << "it leaves isolated CPUs alone";
}

TEST(JudgeCpus, TellsSharedCores) {
  const auto pair = [](Facts& f, unsigned a, unsigned b) { f.cpu.cpus[a].siblings = f.cpu.cpus[b].siblings = {a, b}; };
  EXPECT_THAT(after([&](Facts& f, Needs&) { pair(f, 4, 5); }, Level::should, "hyperthreads").text, HasSubstr("4-5"));
  EXPECT_EQ(after([&](Facts& f, Needs&) { pair(f, 3, 4); }, Level::should, "hyperthreads").command, "chcpu -d 3");
  EXPECT_EQ(after([&](Facts& f, Needs&) { pair(f, 4, 6); }, Level::should, "hyperthreads").topic, "nothing found")
      << "the sibling is isolated and idle";
}

TEST(JudgePorts, NamesTheWayToTheDriver) {
  const Finding kernel = after(
      [](Facts& f, Needs&) {
        card_of(f).driver = "ice";
        card_of(f).interfaces = {"ens1f0"};
      },
      Level::must, kPort);
  EXPECT_THAT(kernel.text, HasSubstr("held by the kernel's ice as ens1f0"));
  EXPECT_EQ(kernel.command, "modprobe vfio-pci && driverctl set-override 0000:af:00.0 vfio-pci");
  const Finding unsafe = after(
      [](Facts& f, Needs&) {
        card_of(f).driver = "virtio-pci";
        f.devices.iommu = false;
      },
      Level::must, kPort);
  EXPECT_THAT(unsafe.command, HasSubstr("enable_unsafe_noiommu_mode=1"));
  const Finding guest = after(
      [](Facts& f, Needs&) {
        card_of(f).driver = "virtio-pci";
        f.devices.iommu = false;
        f.devices.noiommu_possible = false;
      },
      Level::must, kPort);
  EXPECT_EQ(guest.command, "modprobe uio_pci_generic && driverctl set-override 0000:af:00.0 uio_pci_generic")
      << "Debian 12's kernel cannot do noiommu";
  const Finding route = after(
      [](Facts& f, Needs&) {
        card_of(f).driver = "ice";
        card_of(f).interfaces = {"eth0"};
      },
      Level::must, kPort);
  EXPECT_THAT(route.text, HasSubstr("default route"));
  EXPECT_THAT(route.command, testing::Not(HasSubstr("set-override"))) << "never cut the host off";
  EXPECT_THAT(after([](Facts& f, Needs&) { card_of(f).driver = "uio_pci_generic"; }, Level::should, kPort).text,
              HasSubstr("needs root"));
  EXPECT_THAT(after([](Facts&, Needs& n) { n.ports[0].address = "0000:00:1f.9"; }, Level::must, kPort).text,
              HasSubstr("network cards here: 0000:af:00.0"));
  EXPECT_THAT(after([](Facts& f, Needs&) { card_of(f).class_code = 0x010802; }, Level::must, kPort).text,
              HasSubstr("no network card"));
}

TEST(JudgePorts, LeavesMellanoxToItsKernelDriver) {
  const auto mellanox = [](Facts& f) {
    card_of(f).vendor = 0x15b3;
    card_of(f).driver = "mlx5_core";
    card_of(f).interfaces = {"ens2f0"};
    f.devices.interfaces["ens2f0"] = "up";
    f.devices.modules = {"ib_uverbs", "mlx5_ib"};
  };
  const Facts good = [&] {
    Facts facts = good_host();
    mellanox(facts);
    return facts;
  }();
  const Findings findings = judged(good, card_needs());
  EXPECT_EQ(findings.count(Level::must) + findings.count(Level::should), 0U);
  EXPECT_THAT(found(findings, Level::fine, kPort).text, HasSubstr("mlx5_core, which shares it"));
  EXPECT_THAT(after(
                  [&](Facts& f, Needs&) {
                    mellanox(f);
                    card_of(f).driver = "vfio-pci";
                  },
                  Level::must, kPort)
                  .command,
              HasSubstr("driverctl unset-override"));
  EXPECT_THAT(after(
                  [&](Facts& f, Needs&) {
                    mellanox(f);
                    f.devices.modules.clear();
                  },
                  Level::must, kPort)
                  .command,
              HasSubstr("modprobe mlx5_ib"));
  EXPECT_EQ(after(
                [&](Facts& f, Needs&) {
                  mellanox(f);
                  f.devices.interfaces["ens2f0"] = "down";
                },
                Level::should, kPort)
                .command,
            "ip link set ens2f0 up");
}

TEST(JudgePorts, TellsGroupsAndTheirFiles) {
  const Finding group = after(
      [](Facts& f, Needs&) {
        PciDevice other = card_of(f);
        other.address = "0000:af:00.1";
        other.driver = "ice";
        f.devices.pci[other.address] = other;
      },
      Level::must, kPort);
  EXPECT_THAT(group.text, HasSubstr("0000:af:00.1 of the same IOMMU group 26 is held by ice"));
  EXPECT_EQ(
      after([](Facts& f, Needs&) { card_of(f).group_file_usable = false; }, Level::must, kPort).command.substr(0, 27),
      "chown doorslam /dev/vfio/26");
  EXPECT_EQ(after([](Facts& f, Needs&) { card_of(f).group_file.clear(); }, Level::must, kPort).command,
            "modprobe vfio-pci");
  const auto unsafe = [](Facts& f, Needs&) { f.devices.iommu = false; };
  EXPECT_THAT(after(unsafe, Level::must, kPort).command, HasSubstr("intel_iommu=on"));
  const auto impossible = [](Facts& f, Needs&) {
    f.devices.iommu = false;
    f.devices.noiommu_possible = false;
  };
  EXPECT_THAT(after(impossible, Level::must, kPort).text, HasSubstr("cannot go without"));
  EXPECT_THAT(after(
                  [&](Facts& f, Needs& n) {
                    unsafe(f, n);
                    f.devices.noiommu_allowed = true;
                  },
                  Level::should, kPort)
                  .text,
              HasSubstr("anywhere in memory"));
}

TEST(JudgePorts, TellsSlotsAndSockets) {
  EXPECT_THAT(after([](Facts& f, Needs&) { card_of(f).node = 0; }, Level::should, kPort).command, HasSubstr("0-3"));
  EXPECT_THAT(after(
                  [](Facts& f, Needs&) {
                    card_of(f).lanes = 4;
                    card_of(f).lanes_most = 16;
                    card_of(f).link_gts = card_of(f).link_gts_most = 16;
                  },
                  Level::should, kPort)
                  .text,
              HasSubstr("4 lanes of 16 GT/s, the card could use 16 of 16"));
}

TEST(JudgePorts, AsksForTheCapabilitiesOfItsPorts) {
  const auto helpless = [](Facts& f, Needs&) {
    f.process.effective_capabilities = 0;
    f.process.memlock_octets = {};
  };
  EXPECT_EQ(after(helpless, Level::must, "capabilities").topic, "nothing found") << "vfio with an IOMMU asks for none";
  const Finding physical = after(
      [&](Facts& f, Needs& n) {
        helpless(f, n);
        f.devices.iommu = false;
        f.devices.noiommu_allowed = true;
      },
      Level::must, "capabilities");
  EXPECT_THAT(physical.text, HasSubstr("cap_sys_rawio,cap_sys_admin"));
  const auto packet_socket = [](Facts&, Needs& n) {
    n.ports[0] = {"net_af_packet0,iface=mon0", PortNeed::Kind::af_packet, "", "mon0", {4, 5}};
  };
  const Finding raw = after(
      [&](Facts& f, Needs& n) {
        helpless(f, n);
        packet_socket(f, n);
        f.devices.interfaces["mon0"] = "unknown";
      },
      Level::must, "capabilities");
  EXPECT_THAT(raw.text, HasSubstr("cap_net_raw"));
  EXPECT_THAT(raw.command, HasSubstr("/usr/local/bin/doorslam"));
  const std::string port = "port net_af_packet0,iface=mon0";
  EXPECT_THAT(after(packet_socket, Level::must, port).text, HasSubstr("no interface mon0; there are eth0"));
  EXPECT_THAT(after(
                  [&](Facts& f, Needs& n) {
                    packet_socket(f, n);
                    f.devices.interfaces["mon0"] = "down";
                  },
                  Level::must, port)
                  .command,
              HasSubstr("ip link set mon0 up"));
}

TEST(JudgeSystem, TellsOldKernelsAndPoorClocks) {
  EXPECT_EQ(after([](Facts& f, Needs&) { f.system.kernel_release = "4.9.0-19"; }, Level::must, "kernel").topic,
            "kernel");
  EXPECT_EQ(after([](Facts& f, Needs&) { f.system.kernel_release = "4.14.336"; }, Level::fine, "kernel").topic,
            "kernel");
  EXPECT_EQ(after([](Facts& f, Needs&) { f.system.kernel_release = "10.0"; }, Level::fine, "kernel").topic, "kernel");
  EXPECT_THAT(after([](Facts& f, Needs&) { f.system.clock_source = "hpet"; }, Level::should, "clock source").command,
              HasSubstr("echo tsc >"));
  EXPECT_THAT(after(
                  [](Facts& f, Needs&) {
                    f.system.clock_source = "hpet";
                    f.system.clock_sources = {"hpet"};
                  },
                  Level::should, "clock source")
                  .text,
              HasSubstr("unstable"));
  EXPECT_THAT(after([](Facts& f, Needs&) { f.cpu.flags = {"sse4_2"}; }, Level::should, "clock source").text,
              HasSubstr("drift"));
  EXPECT_EQ(after([](Facts& f, Needs&) { f.system.time_synchronised = false; }, Level::should, "time").topic, "time");
  EXPECT_THAT(after([](Facts& f, Needs&) { f.memory.numa_balancing = true; }, Level::should, "NUMA balancing").command,
              HasSubstr("sysctl"));
}

}  // namespace
}  // namespace doorslam::host
