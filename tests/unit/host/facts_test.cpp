#include "pipeline/host/facts.h"

#include <gtest/gtest.h>

#include "tests/unit/host/host_tree.h"

/// Made trees are read as hosts are.
namespace doorslam::host {
namespace {

using test::HostTree;

constexpr std::uint64_t kMiB = 1U << 20U;

TEST(MemoryFacts, AreReadByNode) {
  HostTree tree;
  tree.huge_pages(0, 2048, 512, 500).huge_pages(0, 1048576, 4, 3).huge_pages(1, 2048, 0, 0);
  tree.file("sys/devices/system/node/node0/cpulist", "0-3\n").file("sys/devices/system/node/node1/cpulist", "4-7\n");
  tree.file("sys/devices/system/node/node0/meminfo",
            "Node 0 MemTotal:       65536 kB\nNode 0 MemFree:        1024 kB\n");
  tree.file("sys/devices/system/node/possible", "0-1\n");
  tree.file("proc/meminfo", "MemTotal:  131072 kB\nMemAvailable:   2048 kB\nHugepagesize:       2048 kB\n");
  tree.file("proc/mounts",
            "proc /proc proc rw 0 0\nhugetlbfs /dev/hugepages hugetlbfs rw,relatime 0 0\n"
            "none /mnt/huge1 hugetlbfs rw,pagesize=1024M 0 0\n");
  tree.file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  tree.file("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1024 0 -2\n");
  tree.file("proc/sys/kernel/numa_balancing", "1\n");
  const MemoryFacts facts = read_memory(tree.root());
  ASSERT_EQ(facts.nodes.size(), 2U);
  EXPECT_EQ(facts.nodes[0].cpus, (CpuList{0, 1, 2, 3}));
  EXPECT_EQ(facts.nodes[0].memory_octets, 64 * kMiB);
  ASSERT_EQ(facts.nodes[0].huge_pages.size(), 2U);
  EXPECT_EQ(facts.nodes[0].huge_pages[0].page_octets, 2 * kMiB);
  EXPECT_EQ(facts.nodes[0].huge_pages[0].total, 512U);
  EXPECT_EQ(facts.nodes[0].huge_pages[0].free, 500U);
  EXPECT_EQ(facts.nodes[0].huge_pages[0].control,
            "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages");
  EXPECT_EQ(facts.nodes[0].huge_pages[1].page_octets, 1024 * kMiB);
  EXPECT_EQ(facts.hugetlbfs, (std::vector<std::uint64_t>{2 * kMiB, 1024 * kMiB}));
  EXPECT_EQ(facts.available_octets, 2 * kMiB);
  EXPECT_EQ(facts.transparent_huge_pages, "madvise");
  ASSERT_EQ(facts.swaps.size(), 1U);
  EXPECT_EQ(facts.swaps[0].octets, 1 * kMiB);
  EXPECT_TRUE(facts.numa_balancing);
}

TEST(MemoryFacts, AreOneNodeWithoutNuma) {
  HostTree tree;
  tree.file("sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n");
  tree.file("sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "7\n");
  tree.file("sys/devices/system/cpu/online", "0-1\n").file("proc/meminfo", "MemTotal: 1024 kB\n");
  const MemoryFacts facts = read_memory(tree.root());
  ASSERT_EQ(facts.nodes.size(), 1U);
  EXPECT_EQ(facts.nodes[0].cpus, (CpuList{0, 1}));
  ASSERT_EQ(facts.nodes[0].huge_pages.size(), 1U);
  EXPECT_EQ(facts.nodes[0].huge_pages[0].free, 7U);
  EXPECT_EQ(facts.nodes[0].huge_pages[0].control, "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
}

TEST(CpuFacts, TellIsolationClockAndIdleStates) {
  HostTree tree;
  const std::string cpus = "sys/devices/system/cpu/";
  tree.file(cpus + "online", "0-1\n").file(cpus + "isolated", "1\n").file(cpus + "nohz_full", "(null)\n");
  tree.file("proc/cmdline", "quiet rcu_nocbs=0 isolcpus=1 rcu_nocbs=1 myrcu_nocbs=0\n");
  tree.file(cpus + "cpu1/topology/thread_siblings_list", "1,5\n");
  tree.file(cpus + "cpu1/cpufreq/scaling_governor", "powersave\n");
  tree.file(cpus + "cpu1/cpuidle/state2/name", "C6\n").file(cpus + "cpu1/cpuidle/state2/latency", "133\n");
  tree.file(cpus + "cpu1/cpuidle/state2/disable", "1\n");
  tree.file(cpus + "intel_pstate/no_turbo", "1\n");
  tree.file("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse4_2 avx2\n\nprocessor\t: 1\nflags\t\t: fpu\n");
  tree.file("proc/self/cgroup", "0::/system.slice/doorslam.service\n");
  tree.file("sys/fs/cgroup/system.slice/doorslam.service/cpuset.cpus.effective", "0-1\n");
  const CpuFacts facts = read_cpus(tree.root());
  ASSERT_EQ(facts.cpus.size(), 2U);
  EXPECT_EQ(facts.isolated, CpuList{1});
  EXPECT_EQ(facts.nohz_full, CpuList());
  EXPECT_EQ(facts.rcu_nocbs, CpuList{1});
  const Cpu& cpu = facts.cpus.at(1);
  EXPECT_EQ(cpu.siblings, (CpuList{1, 5}));
  EXPECT_EQ(cpu.governor, "powersave");
  ASSERT_EQ(cpu.idle_states.size(), 1U);
  EXPECT_EQ(cpu.idle_states[0].name, "C6");
  EXPECT_EQ(cpu.idle_states[0].exit_latency_us, 133U);
  EXPECT_TRUE(cpu.idle_states[0].disabled);
  EXPECT_EQ(facts.turbo, false);
  EXPECT_TRUE(facts.has_flag("sse4_2"));
  EXPECT_FALSE(facts.has_flag("waitpkg"));
  EXPECT_EQ(facts.allowed, (CpuList{0, 1}));
}

TEST(DeviceFacts, TellCardsDriversAndGroups) {
  HostTree tree;
  tree.card("0000:3b:00.0", "vfio-pci", "0x8086", 26).card("0000:5e:00.0", "mlx5_core", "0x15b3", 30);
  tree.file("sys/bus/pci/devices/0000:3b:00.0/numa_node", "1\n");
  tree.file("sys/bus/pci/devices/0000:5e:00.0/numa_node", "-1\n");
  tree.file("sys/bus/pci/devices/0000:3b:00.0/current_link_speed", "8.0 GT/s PCIe\n");
  tree.file("sys/bus/pci/devices/0000:3b:00.0/max_link_speed", "16.0 GT/s PCIe\n");
  tree.file("sys/bus/pci/devices/0000:3b:00.0/current_link_width", "8\n");
  tree.file("sys/bus/pci/devices/0000:3b:00.0/max_link_width", "255\n");
  tree.folder("sys/bus/pci/devices/0000:5e:00.0/net/ens2f0");
  tree.file("sys/class/net/ens2f0/operstate", "up\n");
  tree.card("0000:00:03.0", "virtio-pci", "0x1af4", 3).folder("sys/bus/pci/devices/0000:00:03.0/virtio0/net/eth0");
  tree.file("dev/vfio/26", "").folder("sys/class/iommu/dmar0").folder("sys/kernel/iommu_groups/26");
  tree.folder("sys/module/vfio_pci").file("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
  tree.file("proc/net/route",
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
            "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
            "ens2f0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
  const DeviceFacts facts = read_devices(tree.root());
  const PciDevice& ice = facts.pci.at("0000:3b:00.0");
  EXPECT_TRUE(ice.is_network());
  EXPECT_EQ(ice.driver, "vfio-pci");
  EXPECT_EQ(ice.node, 1U);
  EXPECT_EQ(ice.iommu_group, 26U);
  EXPECT_EQ(ice.group_file, "/dev/vfio/26");
  EXPECT_TRUE(ice.group_file_usable);
  EXPECT_DOUBLE_EQ(ice.link_gts, 8);
  EXPECT_DOUBLE_EQ(ice.link_gts_most, 16);
  EXPECT_EQ(ice.lanes, 8U);
  EXPECT_EQ(ice.lanes_most, 0U) << "255 is the kernel's unknown";
  const PciDevice& mlx = facts.pci.at("0000:5e:00.0");
  EXPECT_EQ(mlx.vendor, 0x15b3);
  EXPECT_FALSE(mlx.node);
  EXPECT_EQ(mlx.interfaces, std::vector<std::string>{"ens2f0"});
  EXPECT_EQ(mlx.group_file, "");
  EXPECT_EQ(facts.pci.at("0000:00:03.0").interfaces, std::vector<std::string>{"eth0"}) << "below its virtio device";
  EXPECT_EQ(facts.interfaces.at("ens2f0"), "up");
  EXPECT_EQ(facts.default_routes, std::vector<std::string>{"eth0"});
  EXPECT_TRUE(facts.iommu);
  EXPECT_TRUE(facts.noiommu_allowed);
  EXPECT_TRUE(facts.has_module("vfio_pci"));
  EXPECT_FALSE(facts.has_module("mlx5_ib"));
}

TEST(DeviceFacts, GroupsOfNoiommuModeAreNoIommu) {
  HostTree tree;
  tree.card("0000:00:04.0", "vfio-pci", "0x15ad", 0).folder("sys/kernel/iommu_groups/0").folder("sys/class/iommu");
  tree.file("dev/vfio/noiommu-0", "");
  const DeviceFacts facts = read_devices(tree.root());
  EXPECT_FALSE(facts.iommu);
  EXPECT_EQ(facts.pci.at("0000:00:04.0").group_file, "/dev/vfio/noiommu-0");
}

TEST(DeviceFacts, TellWhetherTheKernelCanDoWithoutAnIommu) {
  HostTree tree;
  EXPECT_FALSE(read_devices(tree.root()).noiommu_possible) << "not known";
  tree.file("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n");
  tree.file("boot/config-6.1.0-28-amd64", "CONFIG_VFIO=m\n# CONFIG_VFIO_NOIOMMU is not set\nCONFIG_VFIO_PCI=m\n");
  EXPECT_EQ(read_devices(tree.root()).noiommu_possible, false);
  tree.file("boot/config-6.1.0-28-amd64", "CONFIG_VFIO=m\nCONFIG_VFIO_NOIOMMU=y\nCONFIG_VFIO_PCI=m\n");
  EXPECT_EQ(read_devices(tree.root()).noiommu_possible, true);
  tree.file("boot/config-6.1.0-28-amd64", "").file("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "N\n");
  EXPECT_EQ(read_devices(tree.root()).noiommu_possible, true) << "vfio has the parameter";
}

TEST(ProcessFacts, TellPrivileges) {
  HostTree tree;
  tree.file("proc/self/status", "Name:\tdoorslam\nUid:\t1000\t998\t998\t998\nCapEff:\t0000000000003000\n");
  tree.file("proc/self/limits",
            "Limit                     Soft Limit           Hard Limit           Units\n"
            "Max locked memory         65536                unlimited            bytes\n");
  tree.link("proc/self/exe", "/usr/local/bin/doorslam");
  const ProcessFacts facts = read_process(tree.root());
  EXPECT_EQ(facts.uid, 998U) << "the effective one";
  EXPECT_TRUE(facts.may(Capability::net_admin));
  EXPECT_TRUE(facts.may(Capability::net_raw));
  EXPECT_FALSE(facts.may(Capability::ipc_lock));
  EXPECT_EQ(facts.memlock_octets, 65536U);
  EXPECT_EQ(facts.program, "/usr/local/bin/doorslam");
  HostTree without_limit;
  without_limit.file("proc/self/limits", "Max locked memory         unlimited            unlimited            bytes\n");
  EXPECT_FALSE(read_process(without_limit.root()).memlock_octets);
}

TEST(SystemFacts, TellKernelClockAndPrograms) {
  HostTree tree;
  tree.file("proc/sys/kernel/osrelease", "6.1.0-28-amd64\n").file("proc/cpuinfo", "flags : fpu hypervisor\n");
  tree.file("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
  tree.file("sys/devices/system/clocksource/clocksource0/available_clocksource", "tsc hpet \n");
  tree.file("proc/1/comm", "systemd\n").file("proc/77/comm", "irqbalance\n").file("proc/fs/comm", "none\n");
  const SystemFacts facts = read_system(tree.root());
  EXPECT_EQ(facts.kernel_release, "6.1.0-28-amd64");
  EXPECT_EQ(facts.clock_source, "hpet");
  EXPECT_EQ(facts.clock_sources, (std::vector<std::string>{"tsc", "hpet"}));
  EXPECT_TRUE(facts.hypervisor);
  EXPECT_TRUE(facts.runs("irqbalance"));
  EXPECT_FALSE(facts.runs("none"));
}

TEST(Facts, AnEmptyTreeTellsNothingAndFailsNowhere) {
  HostTree tree;
  const Facts facts = read_facts(tree.root());
  EXPECT_TRUE(facts.cpu.cpus.empty());
  EXPECT_TRUE(facts.devices.pci.empty());
  EXPECT_TRUE(facts.memory.hugetlbfs.empty());
  EXPECT_FALSE(facts.system.time_synchronised);
}

TEST(Facts, ThisHostHasCpusAndAKernel) {
  const Facts facts = read_facts("/");
  EXPECT_FALSE(facts.cpu.cpus.empty());
  EXPECT_FALSE(facts.system.kernel_release.empty());
  EXPECT_FALSE(facts.process.program.empty());
  EXPECT_GT(facts.memory.available_octets, 0U);
}

}  // namespace
}  // namespace doorslam::host
