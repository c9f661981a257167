#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "pipeline/host/facts.h"
#include "pipeline/host/tree.h"

namespace doorslam::host {
namespace fs = std::filesystem;

namespace {

/// "8.0 GT/s PCIe" or "Unknown".
double transfer_rate(const std::string& text) {
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  return error == std::errc{} ? rate : 0;
}

unsigned lanes_of(const std::string& text) {
  // 255 is the kernel's "unknown".
  const auto lanes = number_of(text).value_or(0);
  return lanes > 32 ? 0 : static_cast<unsigned>(lanes);
}

PciDevice read_device(const fs::path& root, const std::string& address) {
  const fs::path folder = root / "sys/bus/pci/devices" / address;
  PciDevice device;
  device.address = address;
  device.class_code = static_cast<std::uint32_t>(number_of(read_text(folder / "class"), 16).value_or(0));
  device.vendor = static_cast<std::uint16_t>(number_of(read_text(folder / "vendor"), 16).value_or(0));
  device.device = static_cast<std::uint16_t>(number_of(read_text(folder / "device"), 16).value_or(0));
  device.driver = link_name(folder / "driver");
  device.interfaces = names_in(folder / "net");
  // A virtio card is a device below the PCI device, and its interface below that.
  for (const std::string& name : names_in(folder)) {
    if (!name.starts_with("virtio")) continue;
    for (std::string& interface : names_in(folder / name / "net")) device.interfaces.push_back(std::move(interface));
  }
  // -1 where the firmware does not tell.
  if (const auto node = read_number(folder / "numa_node")) device.node = static_cast<unsigned>(*node);
  if (const auto group = number_of(link_name(folder / "iommu_group"))) {
    device.iommu_group = static_cast<unsigned>(*group);
    for (const std::string& name : {std::to_string(*group), "noiommu-" + std::to_string(*group)}) {
      std::error_code ignored;
      if (!fs::exists(root / "dev/vfio" / name, ignored)) continue;
      device.group_file = "/dev/vfio/" + name;
      device.group_file_usable = ::access((root / "dev/vfio" / name).c_str(), R_OK | W_OK) == 0;
    }
  }
  device.link_gts = transfer_rate(read_text(folder / "current_link_speed"));
  device.link_gts_most = transfer_rate(read_text(folder / "max_link_speed"));
  device.lanes = lanes_of(read_text(folder / "current_link_width"));
  device.lanes_most = lanes_of(read_text(folder / "max_link_width"));
  return device;
}

/// /proc/net/route: interface, destination, gateway, flags...; a default route's destination is 0.
std::vector<std::string> read_default_routes(const fs::path& root) {
  std::vector<std::string> interfaces;
  for (const std::string& line : lines_of(read_text(root / "proc/net/route"))) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() >= 8 && words[1] == "00000000" && words[7] == "00000000") interfaces.push_back(words[0]);
  }
  std::sort(interfaces.begin(), interfaces.end());
  interfaces.erase(std::unique(interfaces.begin(), interfaces.end()), interfaces.end());
  return interfaces;
}

/// As the kernel's configuration says, which distributions leave in /boot. Debian 12 builds vfio without it.
std::optional<bool> built_with_noiommu(const fs::path& root) {
  const std::string release = read_text(root / "proc/sys/kernel/osrelease");
  const std::string config = read_text(root / "boot" / ("config-" + release));
  if (release.empty() || config.empty()) return std::nullopt;
  return config.find("\nCONFIG_VFIO_NOIOMMU=y\n") != std::string::npos;
}

}  // namespace

bool DeviceFacts::has_module(std::string_view name) const {
  return std::binary_search(modules.begin(), modules.end(), name);
}

DeviceFacts read_devices(const fs::path& root) {
  DeviceFacts facts;
  for (const std::string& address : names_in(root / "sys/bus/pci/devices")) {
    facts.pci.emplace(address, read_device(root, address));
  }
  for (const std::string& name : names_in(root / "sys/class/net")) {
    facts.interfaces.emplace(name, read_text(root / "sys/class/net" / name / "operstate"));
  }
  facts.default_routes = read_default_routes(root);
  // In noiommu mode groups exist as well, but no IOMMU stands behind them: then /sys/class/iommu is empty.
  facts.iommu = !names_in(root / "sys/class/iommu").empty() && !names_in(root / "sys/kernel/iommu_groups").empty();
  facts.modules = names_in(root / "sys/module");
  const std::string noiommu = read_text(root / "sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
  facts.noiommu_allowed = noiommu == "Y" || noiommu == "1";
  facts.noiommu_possible = noiommu.empty() ? built_with_noiommu(root) : true;
  return facts;
}

}  // namespace doorslam::host
