#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "pipeline/host/judge.h"

namespace doorslam::host {
namespace {

constexpr std::uint16_t kMellanox = 0x15b3;
constexpr std::array<std::string_view, 2> kBifurcated = {"mlx5_core", "mlx4_core"};
constexpr std::array<std::string_view, 2> kUio = {"igb_uio", "uio_pci_generic"};

bool is_one_of(std::string_view driver, std::span<const std::string_view> drivers) {
  return std::find(drivers.begin(), drivers.end(), driver) != drivers.end();
}

std::string joined(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

/// Takes the card from its kernel driver, to stay so after a reboot. Without an IOMMU vfio has to be told that this is
/// known to be unsafe, where the kernel was built for it; else uio is left.
std::string bind_command(const DeviceFacts& devices, const std::string& address) {
  if (devices.iommu) return fmt::format("modprobe vfio-pci && driverctl set-override {} vfio-pci", address);
  if (devices.noiommu_possible == false) {
    return fmt::format("modprobe uio_pci_generic && driverctl set-override {} uio_pci_generic", address);
  }
  return fmt::format(
      "echo 'options vfio enable_unsafe_noiommu_mode=1' > /etc/modprobe.d/vfio.conf && modprobe vfio-pci "
      "&& driverctl set-override {} vfio-pci",
      address);
}

/// How to get an IOMMU.
std::string iommu_advice(const SystemFacts& system) {
  return system.hypervisor
             ? "give the virtual machine a virtual IOMMU (QEMU: -device intel-iommu; VMware: expose IOMMU)"
             : "switch VT-d or AMD-Vi on in the firmware; if it is, boot with intel_iommu=on iommu=pt";
}

void judge_group(const Facts& facts, const PciDevice& device, const std::string& topic, Findings& out) {
  for (const auto& [address, other] : facts.devices.pci) {
    const bool bridge = other.class_code >> 16U == 0x06;
    if (address == device.address || other.iommu_group != device.iommu_group || bridge) continue;
    if (other.driver.empty() || other.driver == "vfio-pci" || other.driver == "pci-stub") continue;
    out.must(topic,
             fmt::format("{} of the same IOMMU group {} is held by {}: the group cannot be used", address,
                         *device.iommu_group, other.driver),
             fmt::format("driverctl set-override {} vfio-pci", address));
  }
  if (device.group_file.empty()) {
    return out.must(topic, fmt::format("there is no /dev/vfio file of its IOMMU group {}", *device.iommu_group),
                    "modprobe vfio-pci");
  }
  if (!device.group_file_usable) {
    out.must(topic, fmt::format("{} may not be opened by this user ({})", device.group_file, facts.process.uid),
             fmt::format("chown doorslam {} (to last: the udev rule in docs/deploy.md)", device.group_file));
  }
}

void judge_vfio(const Facts& facts, const PciDevice& device, const std::string& topic, Findings& out) {
  if (facts.devices.iommu && device.iommu_group) {
    out.fine(topic, fmt::format("bound to vfio-pci, IOMMU group {}", *device.iommu_group));
    return judge_group(facts, device, topic, out);
  }
  if (facts.devices.noiommu_allowed) {
    return out.should(topic, "bound to vfio-pci without an IOMMU: the card can write anywhere in memory",
                      iommu_advice(facts.system));
  }
  if (facts.devices.noiommu_possible == false) {
    return out.must(topic, "bound to vfio-pci, but there is no IOMMU, and this kernel's vfio cannot go without",
                    iommu_advice(facts.system) + "; else: " + bind_command(facts.devices, device.address));
  }
  out.must(topic, "bound to vfio-pci, but there is no IOMMU, and vfio may not go without",
           iommu_advice(facts.system) +
               "; else: echo 1 > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode, and bind the card again");
}

void judge_bifurcated(const Facts& facts, const PciDevice& device, const std::string& topic, Findings& out) {
  const std::string verbs = device.driver == "mlx5_core" ? "mlx5_ib" : "mlx4_ib";
  if (!facts.devices.has_module(verbs)) {
    return out.must(topic, fmt::format("held by {}, as it should, but {} is not loaded", device.driver, verbs),
                    "modprobe " + verbs + " && modprobe ib_uverbs");
  }
  out.fine(topic, fmt::format("held by {}, which shares it with DPDK", device.driver));
  for (const std::string& interface : device.interfaces) {
    const auto state = facts.devices.interfaces.find(interface);
    if (state == facts.devices.interfaces.end() || state->second != "down") continue;
    out.should(topic, fmt::format("its interface {} is down", interface), fmt::format("ip link set {} up", interface));
  }
}

void judge_driver(const Facts& facts, const PciDevice& device, const std::string& topic, Findings& out) {
  if (is_one_of(device.driver, kBifurcated)) return judge_bifurcated(facts, device, topic, out);
  if (device.vendor == kMellanox) {
    return out.must(topic,
                    device.driver.empty()
                        ? "has no driver; a Mellanox card keeps its kernel driver"
                        : fmt::format("is bound to {}; a Mellanox card keeps its kernel driver", device.driver),
                    "driverctl unset-override " + device.address + "; modprobe -a mlx5_core mlx5_ib");
  }
  if (device.driver == "vfio-pci") return judge_vfio(facts, device, topic, out);
  if (is_one_of(device.driver, kUio)) {
    const std::string text =
        fmt::format("bound to {}: works, but needs root, and the card can write anywhere", device.driver);
    return out.should(topic, text, bind_command(facts.devices, device.address));
  }
  for (const std::string& route : facts.devices.default_routes) {
    if (std::find(device.interfaces.begin(), device.interfaces.end(), route) == device.interfaces.end()) continue;
    return out.must(topic,
                    fmt::format("is {}, which carries this host's default route: you would lose the connection", route),
                    "choose the port that the mirror or tap is plugged into: dpdk-devbind.py --status-dev net");
  }
  const std::string held = device.driver.empty()
                               ? "has no driver"
                               : fmt::format("is held by the kernel's {}{}{}", device.driver,
                                             device.interfaces.empty() ? "" : " as ", joined(device.interfaces));
  out.must(topic, held + "; DPDK reaches it through vfio-pci", bind_command(facts.devices, device.address));
}

void judge_slot(const PciDevice& device, const std::string& topic, Findings& out) {
  const bool narrow = device.lanes > 0 && device.lanes < device.lanes_most;
  const bool slow = device.link_gts > 0 && device.link_gts < device.link_gts_most;
  if (!narrow && !slow) return;
  out.should(topic,
             fmt::format("its slot gives {} lanes of {} GT/s, the card could use {} of {}", device.lanes,
                         device.link_gts, device.lanes_most, device.link_gts_most),
             "move the card to a wider slot: lspci -vv -s " + device.address);
}

void judge_node(const Facts& facts, const PortNeed& port, const PciDevice& device, const std::string& topic,
                Findings& out) {
  if (facts.memory.nodes.size() < 2) return;
  if (!device.node) return out.skipped(topic, "the firmware does not tell which NUMA node it is at");
  const auto node = std::find_if(facts.memory.nodes.begin(), facts.memory.nodes.end(),
                                 [&](const NumaNode& n) { return n.id == *device.node; });
  if (node == facts.memory.nodes.end()) return;
  const CpuList far = without(port.cpus, node->cpus);
  if (far.empty()) return out.fine(topic, fmt::format("NUMA node {}, as the CPUs that read it", *device.node));
  out.should(topic,
             fmt::format("is at NUMA node {}, and CPU {} that reads it is not: each packet crosses the sockets",
                         *device.node, text_of(far)),
             fmt::format("choose workers among the CPUs {}", text_of(node->cpus)));
}

void judge_card(const Facts& facts, const PortNeed& port, Findings& out) {
  const std::string topic = "port " + port.name;
  const auto found = facts.devices.pci.find(port.address);
  if (found == facts.devices.pci.end()) {
    std::vector<std::string> cards;
    for (const auto& [address, device] : facts.devices.pci) {
      if (device.is_network()) cards.push_back(address);
    }
    return out.must(
        topic,
        fmt::format("there is no such PCI device; network cards here: {}", cards.empty() ? "none" : joined(cards)),
        "dpdk-devbind.py --status-dev net");
  }
  const PciDevice& device = found->second;
  if (!device.is_network()) {
    return out.must(topic, fmt::format("is no network card (class {:06x})", device.class_code),
                    "dpdk-devbind.py --status-dev net");
  }
  judge_driver(facts, device, topic, out);
  judge_node(facts, port, device, topic, out);
  judge_slot(device, topic, out);
}

void judge_interface(const Facts& facts, const PortNeed& port, Findings& out) {
  const std::string topic = "port " + port.name;
  const auto found = facts.devices.interfaces.find(port.interface);
  if (found == facts.devices.interfaces.end()) {
    std::vector<std::string> names;
    for (const auto& [name, state] : facts.devices.interfaces) names.push_back(name);
    return out.must(topic, fmt::format("there is no interface {}; there are {}", port.interface, joined(names)),
                    "ip -br link");
  }
  if (found->second == "down") {
    return out.must(topic, fmt::format("interface {} is down", port.interface),
                    fmt::format("ip link set {} up promisc on", port.interface));
  }
  out.fine(topic, fmt::format("interface {} is {}; the kernel copies each packet: for some Gbit/s, not for line rate",
                              port.interface, found->second));
}

struct Privilege {
  Capability capability;
  std::string_view name;
  bool needed;
};

void judge_capabilities(const Facts& facts, const Needs& needs, Findings& out) {
  bool physical = false;
  bool bifurcated = false;
  for (const PortNeed& port : needs.ports) {
    const auto found = facts.devices.pci.find(port.address);
    if (port.kind != PortNeed::Kind::pci || found == facts.devices.pci.end()) continue;
    bifurcated |= found->second.vendor == kMellanox;
    physical |= found->second.vendor != kMellanox && !facts.devices.iommu;
  }
  const bool sockets = needs.has(PortNeed::Kind::af_packet) || needs.has(PortNeed::Kind::af_xdp);
  const std::array<Privilege, 4> all = {{
      {Capability::net_raw, "cap_net_raw", bifurcated || sockets},
      {Capability::net_admin, "cap_net_admin", bifurcated || sockets},
      {Capability::sys_rawio, "cap_sys_rawio", physical},
      {Capability::sys_admin, "cap_sys_admin", physical || needs.has(PortNeed::Kind::af_xdp)},
  }};
  std::string needed;
  std::string lacking;
  for (const Privilege& one : all) {
    if (!one.needed) continue;
    needed += fmt::format("{}{}", needed.empty() ? "" : ",", one.name);
    if (!facts.process.may(one.capability)) lacking += fmt::format("{}{}", lacking.empty() ? "" : ",", one.name);
  }
  if (needed.empty()) return out.fine("capabilities", "none are needed for these ports");
  if (lacking.empty()) return out.fine("capabilities", needed + ", as these ports need");
  out.must("capabilities", fmt::format("these ports need {}; this process lacks {}", needed, lacking),
           fmt::format("run it by doorslam.service, or: setcap {},cap_ipc_lock+ep {}", needed, facts.process.program));
}

}  // namespace

void judge_ports(const Facts& facts, const Needs& needs, Findings& out) {
  if (!needs.live()) return out.skipped("ports", "none are configured: this configuration serves `doorslam read` only");
  if (needs.has(PortNeed::Kind::pci)) {
    if (facts.devices.iommu) {
      out.fine("IOMMU", "on");
    } else {
      out.skipped("IOMMU", "off; only cards with a bifurcated driver (Mellanox) do without in safety");
    }
  }
  for (const PortNeed& port : needs.ports) {
    switch (port.kind) {
      case PortNeed::Kind::pci:
        judge_card(facts, port, out);
        break;
      case PortNeed::Kind::af_packet:
      case PortNeed::Kind::af_xdp:
        judge_interface(facts, port, out);
        break;
      case PortNeed::Kind::no_hardware:
        out.fine("port " + port.name, "a virtual device without hardware");
        break;
    }
  }
  judge_capabilities(facts, needs, out);
}

}  // namespace doorslam::host
