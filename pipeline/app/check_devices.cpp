#include "pipeline/app/check_devices.h"

#include "pipeline/host/judge.h"
#include "pipeline/port/ethdev/device_check.h"
#include "pipeline/port/ethdev/eal.h"

namespace doorslam::app {
namespace {

using host::PortNeed;

/// Others are files and the like; to make such a device could overwrite something.
bool can_be_asked(const PortNeed& port) {
  return port.kind == PortNeed::Kind::pci || port.kind == PortNeed::Kind::af_packet;
}

/// A port of which something must be mended first.
bool is_unfit(const PortNeed& port, const host::Findings& findings) {
  for (const host::Finding& finding : findings.all()) {
    if (finding.level == host::Level::must && finding.topic == "port " + port.name) return true;
  }
  return false;
}

Result<ethdev::PortFacts> ask(ethdev::Eal& eal, const PortNeed& port) {
  const Result<std::uint16_t> number =
      port.kind == PortNeed::Kind::pci ? eal.port_at(port.address) : eal.attach(port.name);
  if (!number) return tl::unexpected(number.error());
  return ethdev::facts_of(*number);
}

void note(const ethdev::PortFacts& facts, const ethdev::DeviceWishes& wishes, const std::string& topic,
          host::Findings& out) {
  std::string fine = facts.driver;
  for (const ethdev::DeviceRemark& remark : ethdev::remarks_on(facts, wishes)) {
    if (remark.wanting) {
      out.should(topic, remark.text, remark.advice);
    } else {
      fine += "; " + remark.text;
    }
  }
  out.fine(topic, fine);
}

}  // namespace

void check_devices(const ethdev::LiveOptions& options, const host::Needs& needs, host::Findings& out) {
  std::vector<PortNeed> asked;
  ethdev::EalOptions eal_options;
  for (const PortNeed& port : needs.ports) {
    if (!can_be_asked(port)) continue;
    if (is_unfit(port, out)) {
      out.skipped("device " + port.name, "its driver is asked when the port is fit");
      continue;
    }
    asked.push_back(port);
    if (port.kind == PortNeed::Kind::pci) eal_options.pci.push_back(port.address);
  }
  if (asked.empty()) return;
  if (needs.other_cpus.empty()) {
    for (const PortNeed& port : asked)
      out.skipped("device " + port.name, "its driver is asked when the CPUs are right");
    return;
  }
  eal_options.lcores = {{.lcore = 0, .cpus = needs.other_cpus}};
  eal_options.huge_pages = options.huge_pages;
  eal_options.memory_octets = std::size_t{64} << 20U;
  eal_options.attachable = false;
  eal_options.telemetry = false;
  eal_options.file_prefix = "doorslam-check";
  auto eal = ethdev::Eal::start(eal_options, [](unsigned, std::string_view) {});
  const ethdev::DeviceWishes wishes{options.workers, options.descriptors, options.frame_octets};
  for (const PortNeed& port : asked) {
    const std::string topic = "device " + port.name;
    if (!eal) {
      out.skipped(topic, "cannot be asked: " + eal.error().message);
      continue;
    }
    const Result<ethdev::PortFacts> facts = ask(*eal, port);
    if (facts) {
      note(*facts, wishes, topic, out);
    } else {
      out.skipped(topic, "cannot be asked, maybe since the running sensor has it: " + facts.error().message);
    }
  }
}

}  // namespace doorslam::app
