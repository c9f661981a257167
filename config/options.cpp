#include "config/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <map>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "config/sink_options.h"
#include "pipeline/base/printable.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "pipeline/host/cpu_list.h"
#include "pipeline/metrics/listen_address.h"
#include "pipeline/packet/link_layer.h"
#include "pipeline/port/capture_filter.h"

namespace doorslam::config {
namespace {

constexpr std::array<std::string_view, 5> kTunnelPortKeys = {
    "decode.vxlan_ports", "decode.geneve_ports", "decode.gtpu_ports", "decode.teredo_ports", "decode.ayiya_ports"};

std::vector<std::uint16_t> ports(const Settings& settings, std::string_view name) {
  std::vector<std::uint16_t> out;
  for (const std::int64_t port : settings.numbers(name)) out.push_back(static_cast<std::uint16_t>(port));
  return out;
}

std::size_t count(const Settings& settings, std::string_view name) {
  return static_cast<std::size_t>(settings.number(name));
}

bool writes_evidence(const Settings& settings) { return !settings.text("evidence.folder").empty(); }

std::size_t told_banner_length(const Settings& settings) {
  return settings.text("evidence.payload") == "full" ? count(settings, "output.banner_length") : 0;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

/// The value whose name stands at its place in `names`; the schema allows no other.
template <class Choice>
Choice choice_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return static_cast<Choice>(std::find(names.begin(), names.end(), name) - names.begin());
}

}  // namespace

packet::DecodeOptions decode_options(const Settings& settings) {
  packet::DecodeOptions options;
  options.verify_checksums = settings.flag("decode.verify_checksums");
  options.reassembly_bytes = count(settings, "decode.reassembly_bytes");
  options.reassembly_timeout_ns = settings.number("decode.reassembly_timeout_seconds");
  options.tunnel_ports.vxlan = ports(settings, "decode.vxlan_ports");
  options.tunnel_ports.geneve = ports(settings, "decode.geneve_ports");
  options.tunnel_ports.gtp_u = ports(settings, "decode.gtpu_ports");
  options.tunnel_ports.teredo = ports(settings, "decode.teredo_ports");
  options.tunnel_ports.ayiya = ports(settings, "decode.ayiya_ports");
  return options;
}

tcp::TrackerOptions tracker_options(const Settings& settings) {
  tcp::TrackerOptions options;
  options.capacity_flows = count(settings, "flows.capacity");
  options.capacity_flows6 = count(settings, "flows.capacity_ipv6");
  options.evidence_capacity = static_cast<std::uint32_t>(settings.number("evidence.capacity"));
  if (writes_evidence(settings)) options.frame_octets = count(settings, "evidence.snap_octets");
  options.pages = settings.flag("flows.huge_pages") ? flowtable::Pages::huge : flowtable::Pages::normal;
  options.vlan_aware = settings.flag("flows.vlan_aware");
  options.timeouts.embryonic_ns = settings.number("flows.timeout.embryonic_seconds");
  options.timeouts.half_open_ns = settings.number("flows.timeout.half_open_seconds");
  options.timeouts.established_ns = settings.number("flows.timeout.established_seconds");
  options.timeouts.linger_ns = settings.number("flows.timeout.closing_seconds");
  const std::vector<std::uint16_t> of_the_site = ports(settings, "flows.server_ports");
  options.server_ports.insert(options.server_ports.end(), of_the_site.begin(), of_the_site.end());
  options.duplicate_window_ns = settings.number("flows.duplicate_window_seconds");
  return options;
}

diagnose::AnalysisOptions analysis_options(const Settings& settings) {
  diagnose::AnalysisOptions options;
  options.settle_ns = settings.number("analysis.settle_seconds");
  options.lingered_ns = settings.number("flows.timeout.closing_seconds");
  options.capacity_pending = count(settings, "analysis.capacity_pending");
  options.banner_length = told_banner_length(settings);
  options.frame_memory = count(settings, "evidence.memory_bytes");
  options.contributions = settings.flag("output.contributions");
  options.ledger.window_ns = settings.number("analysis.window_seconds");
  options.ledger.capacity_notes = count(settings, "ledger.capacity_connections");
  options.ledger.capacity_servers = count(settings, "ledger.capacity_servers");
  options.ledger.capacity_hosts = count(settings, "ledger.capacity_hosts");
  return options;
}

alert::IncidentOptions incident_options(const Settings& settings) {
  alert::IncidentOptions options;
  options.update_interval_ns = settings.number("alerts.update_seconds");
  options.quiet_ns = settings.number("alerts.quiet_seconds");
  options.flap_ns = settings.number("alerts.flap_seconds");
  options.fold_wait_ns = settings.number("alerts.fold_wait_seconds");
  options.sample_clients = count(settings, "alerts.sample_clients");
  options.fold_ports = count(settings, "alerts.fold_ports");
  options.fold_servers = count(settings, "alerts.fold_servers");
  options.max_open = count(settings, "alerts.max_open");
  options.frame_samples = writes_evidence(settings) ? count(settings, "evidence.connections") : 0;
  for (const std::string& text : settings.words("alerts.expected")) {
    if (auto rule = alert::parse_expected_refusal(text)) options.expected.push_back(*rule);
  }
  return options;
}

alert::EncoderOptions encoder_options(const Settings& settings, std::string version) {
  alert::EncoderOptions options;
  options.community_id_seed = static_cast<std::uint16_t>(settings.number("community_id.seed"));
  options.banner = told_banner_length(settings) > 0;
  options.version = std::move(version);
  options.observer_name = settings.text("output.observer_name");
  return options;
}

trace_files::EvidenceFolderOptions evidence_options(const Settings& settings, std::string version) {
  trace_files::EvidenceFolderOptions options;
  options.folder = settings.text("evidence.folder");
  options.max_bytes = static_cast<std::uint64_t>(settings.number("evidence.max_bytes"));
  options.file.version = std::move(version);
  options.file.payload = settings.text("evidence.payload") == "full";
  options.file.packets = count(settings, "evidence.packets");
  options.file.snap_octets = count(settings, "evidence.snap_octets");
  return options;
}

ethdev::LiveOptions live_options(const Settings& settings) {
  ethdev::LiveOptions options;
  for (const std::string& group : settings.words("run.ports")) options.groups.push_back(words_of(group));
  options.workers = worker_count(settings);
  options.lcores = host::parse_cpu_list(settings.text("run.lcores")).value_or(host::CpuList());
  options.huge_pages = settings.flag("run.huge_pages");
  options.attachable = settings.flag("run.attachable");
  options.telemetry = settings.flag("run.telemetry");
  options.file_prefix = settings.text("run.file_prefix");
  options.descriptors = static_cast<std::uint16_t>(settings.number("run.descriptors"));
  options.frame_octets = static_cast<std::uint32_t>(settings.number("run.frame_octets"));
  options.promiscuous = settings.flag("run.promiscuous");
  options.hardware_time = settings.flag("run.hardware_time");
  options.frames_may_be_cut = settings.flag("run.frames_cut");
  options.filter = settings.text("run.filter");
  options.steering = choice_of<ethdev::SteeringChoice>(settings.text("run.steering"), {"auto", "receiver", "workers"});
  options.steering_ring = count(settings, "run.steering_ring");
  options.idle = choice_of<ethdev::IdleChoice>(settings.text("run.idle"), {"auto", "spin", "pause", "sleep"});
  options.when_behind = choice_of<ethdev::WhenBehind>(settings.text("run.when_behind"), {"auto", "wait", "sample"});
  options.events.refusals = count(settings, "run.refusal_ring");
  options.events.evidence = options.events.refusals / 8;
  options.events.served = count(settings, "run.served_ring");
  // Some packets of each take about a kibioctet.
  if (writes_evidence(settings)) options.events.frames = options.events.evidence * 4;
  options.decode = decode_options(settings);
  options.tracker = tracker_options(settings);
  return options;
}

std::vector<std::filesystem::path> signature_paths(const Settings& settings) {
  std::vector<std::filesystem::path> paths = {diagnose::default_signature_directory()};
  for (const std::string& path : settings.paths("signatures.paths")) paths.emplace_back(path);
  return paths;
}

std::size_t worker_count(const Settings& settings) { return count(settings, "workers"); }

Result<void> check_together(const Settings& settings) {
  std::map<std::int64_t, std::string_view> key_of_port;
  for (const std::string_view name : kTunnelPortKeys) {
    for (const std::int64_t port : settings.numbers(name)) {
      const auto [at, added] = key_of_port.emplace(port, name);
      if (!added) {
        return usage_error(fmt::format("{} and {} both name port {}; leave it in one", at->second, name, port));
      }
    }
  }
  if (key_of_port.size() > packet::UdpTunnels::kMaxPorts) {
    return usage_error(fmt::format("decode.*_ports name {} ports; at most {} are allowed in all", key_of_port.size(),
                                   packet::UdpTunnels::kMaxPorts));
  }
  if (const std::string& cpus = settings.text("run.lcores"); !cpus.empty() && !host::parse_cpu_list(cpus)) {
    return usage_error(fmt::format("run.lcores: \"{}\" is no list of CPUs; write 2-5,8", printable(cpus, 60)));
  }
  if (const std::string& filter = settings.text("run.filter"); !filter.empty()) {
    if (const auto compiled = port::CaptureFilter::check(filter, packet::link_type::kEthernet); !compiled) {
      return usage_error(fmt::format("run.filter: \"{}\": {}; man 7 pcap-filter says what is possible",
                                     printable(filter, 100), printable(compiled.error().message)));
    }
  }
  if (const std::string& where = settings.text("run.metrics_address"); !where.empty()) {
    if (const auto address = metrics::parse_listen_address(where, "run.metrics_address"); !address) {
      return tl::unexpected(address.error());
    }
  }
  for (const std::string& group : settings.words("run.ports")) {
    if (words_of(group).empty()) return usage_error("run.ports: a group without a port; remove it");
  }
  for (const std::string& text : settings.words("alerts.expected")) {
    if (const auto rule = alert::parse_expected_refusal(text); !rule) {
      return usage_error(fmt::format("alerts.expected: \"{}\": {}", printable(text, 100), rule.error().message));
    }
  }
  if (settings.number("analysis.settle_seconds") > settings.number("analysis.window_seconds")) {
    return usage_error("analysis.settle_seconds is more than analysis.window_seconds; lower it, or raise the window");
  }
  if (settings.number("analysis.settle_seconds") < settings.number("flows.timeout.closing_seconds")) {
    return usage_error(
        "analysis.settle_seconds is less than flows.timeout.closing_seconds, which lies within it; raise it, or lower "
        "the timeout");
  }
  if (const auto sinks = sink_options(settings); !sinks) return tl::unexpected(sinks.error());
  return {};
}

}  // namespace doorslam::config
