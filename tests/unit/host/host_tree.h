#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temporary_folder.h"

/// A host's /proc, /sys and /dev, made by hand.
namespace doorslam::host::test {

class HostTree {
 public:
  const std::filesystem::path& root() const { return folder_.path(); }

  HostTree& file(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root() / path).parent_path());
    std::ofstream(root() / path, std::ios::binary) << text;
    return *this;
  }
  HostTree& folder(const std::string& path) {
    std::filesystem::create_directories(root() / path);
    return *this;
  }
  HostTree& link(const std::string& path, const std::string& target) {
    std::filesystem::create_directories((root() / path).parent_path());
    std::filesystem::create_symlink(target, root() / path);
    return *this;
  }
  HostTree& huge_pages(unsigned node, unsigned kib, unsigned total, unsigned free) {
    const std::string pages =
        "sys/devices/system/node/node" + std::to_string(node) + "/hugepages/hugepages-" + std::to_string(kib) + "kB/";
    return file(pages + "nr_hugepages", std::to_string(total) + "\n")
        .file(pages + "free_hugepages", std::to_string(free) + "\n");
  }
  /// A network card of an IOMMU group, as the kernel shows it.
  HostTree& card(const std::string& address, const std::string& driver, const std::string& vendor, unsigned group) {
    const std::string device = "sys/bus/pci/devices/" + address + "/";
    file(device + "class", "0x020000\n").file(device + "vendor", vendor + "\n").file(device + "device", "0x1592\n");
    if (!driver.empty()) link(device + "driver", "../../../bus/pci/drivers/" + driver);
    return link(device + "iommu_group", "../../../kernel/iommu_groups/" + std::to_string(group));
  }

 private:
  doorslam::test::TemporaryFolder folder_;
};

}  // namespace doorslam::host::test
