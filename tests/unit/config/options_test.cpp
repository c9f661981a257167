#include <gtest/gtest.h>

#include "config/options.h"

namespace doorslam::config {
namespace {

Settings with(std::initializer_list<std::string_view> assignments) {
  Settings settings;
  for (const std::string_view assignment : assignments) {
    const auto applied = settings.override_with(assignment);
    EXPECT_TRUE(applied) << applied.error().message;
  }
  return settings;
}

// A default stands twice: in the options struct, for those who use a module alone, and in the table of keys.

TEST(Options, DecodeDefaultsAreTheModulesOwn) {
  const packet::DecodeOptions own;
  const packet::DecodeOptions made = decode_options(Settings());
  EXPECT_EQ(made.verify_checksums, own.verify_checksums);
  EXPECT_EQ(made.reassembly_bytes, own.reassembly_bytes);
  EXPECT_EQ(made.reassembly_timeout_ns, own.reassembly_timeout_ns);
  EXPECT_EQ(made.tunnel_ports.vxlan, own.tunnel_ports.vxlan);
  EXPECT_EQ(made.tunnel_ports.geneve, own.tunnel_ports.geneve);
  EXPECT_EQ(made.tunnel_ports.gtp_u, own.tunnel_ports.gtp_u);
  EXPECT_EQ(made.tunnel_ports.teredo, own.tunnel_ports.teredo);
  EXPECT_EQ(made.tunnel_ports.ayiya, own.tunnel_ports.ayiya);
}

TEST(Options, TrackerDefaultsAreTheModulesOwn) {
  const tcp::TrackerOptions own;
  const tcp::TrackerOptions made = tracker_options(Settings());
  EXPECT_EQ(made.capacity_flows, own.capacity_flows);
  EXPECT_EQ(made.capacity_flows6, own.capacity_flows6);
  EXPECT_EQ(made.evidence_capacity, own.evidence_capacity);
  EXPECT_EQ(made.pages, own.pages);
  EXPECT_EQ(made.vlan_aware, own.vlan_aware);
  EXPECT_EQ(made.timeouts.embryonic_ns, own.timeouts.embryonic_ns);
  EXPECT_EQ(made.timeouts.half_open_ns, own.timeouts.half_open_ns);
  EXPECT_EQ(made.timeouts.established_ns, own.timeouts.established_ns);
  EXPECT_EQ(made.timeouts.linger_ns, own.timeouts.linger_ns);
  EXPECT_EQ(made.server_ports, own.server_ports);
  EXPECT_EQ(made.duplicate_window_ns, own.duplicate_window_ns);
}

TEST(Options, AnalysisDefaultsAreTheModulesOwn) {
  const diagnose::AnalysisOptions own;
  const diagnose::AnalysisOptions made = analysis_options(Settings());
  EXPECT_EQ(made.settle_ns, own.settle_ns);
  EXPECT_EQ(made.capacity_pending, own.capacity_pending);
  EXPECT_EQ(made.banner_length, own.banner_length);
  EXPECT_EQ(made.contributions, own.contributions);
  EXPECT_EQ(made.ledger.window_ns, own.ledger.window_ns);
  EXPECT_EQ(made.ledger.capacity_notes, own.ledger.capacity_notes);
  EXPECT_EQ(made.ledger.capacity_servers, own.ledger.capacity_servers);
  EXPECT_EQ(made.ledger.capacity_hosts, own.ledger.capacity_hosts);
}

TEST(Options, AlertDefaultsAreTheModulesOwn) {
  const alert::IncidentOptions own;
  const alert::IncidentOptions made = incident_options(Settings());
  EXPECT_EQ(made.update_interval_ns, own.update_interval_ns);
  EXPECT_EQ(made.quiet_ns, own.quiet_ns);
  EXPECT_EQ(made.fold_wait_ns, own.fold_wait_ns);
  EXPECT_EQ(made.sample_clients, own.sample_clients);
  EXPECT_EQ(made.fold_ports, own.fold_ports);
  EXPECT_EQ(made.fold_servers, own.fold_servers);
  EXPECT_EQ(made.max_open, own.max_open);
  const alert::EncoderOptions encoder = encoder_options(Settings(), "1.2.3");
  EXPECT_EQ(encoder.community_id_seed, alert::EncoderOptions().community_id_seed);
  EXPECT_EQ(encoder.banner, alert::EncoderOptions().banner);
  EXPECT_EQ(encoder.observer_name, "");
  EXPECT_EQ(encoder.version, "1.2.3");
}

TEST(Options, EveryKeyReachesItsModule) {
  const Settings settings = with({"decode.verify_checksums=false",
                                  "decode.reassembly_bytes=1MiB",
                                  "decode.reassembly_timeout_seconds=7",
                                  "decode.vxlan_ports=1",
                                  "decode.geneve_ports=2",
                                  "decode.gtpu_ports=3",
                                  "decode.teredo_ports=4",
                                  "decode.ayiya_ports=5,6",
                                  "flows.capacity=4096",
                                  "flows.capacity_ipv6=2048",
                                  "flows.vlan_aware=true",
                                  "flows.server_ports=12345",
                                  "flows.duplicate_window_seconds=3ms",
                                  "flows.huge_pages=true",
                                  "flows.timeout.embryonic_seconds=11",
                                  "flows.timeout.half_open_seconds=12",
                                  "flows.timeout.established_seconds=13",
                                  "flows.timeout.closing_seconds=14",
                                  "evidence.capacity=99",
                                  "evidence.folder=kept",
                                  "evidence.max_bytes=2MiB",
                                  "evidence.connections=7",
                                  "evidence.packets=8",
                                  "evidence.snap_octets=90",
                                  "evidence.memory_bytes=3MiB",
                                  "analysis.settle_seconds=15",
                                  "analysis.window_seconds=16",
                                  "analysis.capacity_pending=17",
                                  "ledger.capacity_connections=1800",
                                  "ledger.capacity_servers=190",
                                  "ledger.capacity_hosts=200",
                                  "signatures.paths=a,b",
                                  "alerts.update_seconds=21",
                                  "alerts.quiet_seconds=22",
                                  "alerts.fold_wait_seconds=23",
                                  "alerts.sample_clients=24",
                                  "alerts.fold_ports=25",
                                  "alerts.fold_servers=26",
                                  "alerts.max_open=27",
                                  "alerts.flap_seconds=28",
                                  "alerts.expected=client 10.9.0.0/16,port 22 cause acl_denied",
                                  "output.banner_length=28",
                                  "output.contributions=true",
                                  "output.observer_name=tap",
                                  "community_id.seed=29",
                                  "workers=30"});
  const packet::DecodeOptions decode = decode_options(settings);
  EXPECT_FALSE(decode.verify_checksums);
  EXPECT_EQ(decode.reassembly_bytes, std::size_t{1} << 20);
  EXPECT_EQ(decode.reassembly_timeout_ns, 7 * flowtable::kSecondNs);
  EXPECT_EQ(decode.tunnel_ports.vxlan, std::vector<std::uint16_t>{1});
  EXPECT_EQ(decode.tunnel_ports.geneve, std::vector<std::uint16_t>{2});
  EXPECT_EQ(decode.tunnel_ports.gtp_u, std::vector<std::uint16_t>{3});
  EXPECT_EQ(decode.tunnel_ports.teredo, std::vector<std::uint16_t>{4});
  EXPECT_EQ(decode.tunnel_ports.ayiya, (std::vector<std::uint16_t>{5, 6}));

  const tcp::TrackerOptions tracker = tracker_options(settings);
  EXPECT_EQ(tracker.capacity_flows, 4096U);
  EXPECT_EQ(tracker.capacity_flows6, 2048U);
  EXPECT_TRUE(tracker.vlan_aware);
  EXPECT_EQ(tracker.server_ports.back(), 12'345U);
  EXPECT_EQ(tracker.server_ports.size(), tcp::common_server_ports().size() + 1);
  EXPECT_EQ(tracker.duplicate_window_ns, 3 * flowtable::kMillisecondNs);
  EXPECT_EQ(tracker.pages, flowtable::Pages::huge);
  EXPECT_EQ(tracker.timeouts.embryonic_ns, 11 * flowtable::kSecondNs);
  EXPECT_EQ(tracker.timeouts.half_open_ns, 12 * flowtable::kSecondNs);
  EXPECT_EQ(tracker.timeouts.established_ns, 13 * flowtable::kSecondNs);
  EXPECT_EQ(tracker.timeouts.linger_ns, 14 * flowtable::kSecondNs);
  EXPECT_EQ(tracker.evidence_capacity, 99U);
  EXPECT_EQ(tracker.frame_octets, 90U);

  const diagnose::AnalysisOptions analysis = analysis_options(settings);
  EXPECT_EQ(analysis.settle_ns, 15 * flowtable::kSecondNs);
  EXPECT_EQ(analysis.ledger.window_ns, 16 * flowtable::kSecondNs);
  EXPECT_EQ(analysis.capacity_pending, 17U);
  EXPECT_EQ(analysis.ledger.capacity_notes, 1800U);
  EXPECT_EQ(analysis.ledger.capacity_servers, 190U);
  EXPECT_EQ(analysis.ledger.capacity_hosts, 200U);
  EXPECT_EQ(analysis.banner_length, 28U);
  EXPECT_TRUE(analysis.contributions);
  EXPECT_EQ(analysis.frame_memory, std::size_t{3} << 20U);

  const alert::IncidentOptions incidents = incident_options(settings);
  EXPECT_EQ(incidents.update_interval_ns, 21 * flowtable::kSecondNs);
  EXPECT_EQ(incidents.quiet_ns, 22 * flowtable::kSecondNs);
  EXPECT_EQ(incidents.fold_wait_ns, 23 * flowtable::kSecondNs);
  EXPECT_EQ(incidents.sample_clients, 24U);
  EXPECT_EQ(incidents.fold_ports, 25U);
  EXPECT_EQ(incidents.fold_servers, 26U);
  EXPECT_EQ(incidents.max_open, 27U);
  EXPECT_EQ(incidents.flap_ns, 28 * flowtable::kSecondNs);
  ASSERT_EQ(incidents.expected.size(), 2U);
  EXPECT_EQ(incidents.expected[1].port, 22U);
  EXPECT_EQ(incidents.frame_samples, 7U);

  const trace_files::EvidenceFolderOptions folder = evidence_options(settings, "1.2");
  EXPECT_EQ(folder.folder, "kept");
  EXPECT_EQ(folder.max_bytes, std::uint64_t{2} << 20U);
  EXPECT_EQ(folder.file.version, "1.2");
  EXPECT_TRUE(folder.file.payload);
  EXPECT_EQ(folder.file.packets, 8U);
  EXPECT_EQ(folder.file.snap_octets, 90U);
  EXPECT_GT(live_options(settings).events.frames, 0U);

  const alert::EncoderOptions encoder = encoder_options(settings, "");
  EXPECT_EQ(encoder.community_id_seed, 29U);
  EXPECT_EQ(encoder.observer_name, "tap");
  EXPECT_EQ(signature_paths(settings).size(), 3U);
  EXPECT_EQ(signature_paths(settings).back(), "b");
  EXPECT_EQ(worker_count(settings), 30U);
}

TEST(Options, EvidenceDefaultsAreTheModulesOwn) {
  const trace_files::EvidenceFolderOptions own;
  const trace_files::EvidenceFolderOptions made = evidence_options(Settings(), "");
  EXPECT_EQ(made.folder, own.folder);
  EXPECT_EQ(made.max_bytes, own.max_bytes);
  EXPECT_EQ(made.file.payload, own.file.payload);
  EXPECT_EQ(made.file.packets, own.file.packets);
  EXPECT_EQ(made.file.snap_octets, own.file.snap_octets);
  EXPECT_EQ(made.file.snap_octets, tcp::KeptFrame::kMostOctets);
  EXPECT_EQ(analysis_options(Settings()).frame_memory, diagnose::AnalysisOptions().frame_memory);
  EXPECT_EQ(incident_options(with({"evidence.folder=x"})).frame_samples, alert::IncidentOptions().frame_samples);
}

/// Without a folder, nobody keeps frames.
TEST(Options, FramesAreKeptOnlyForAFolder) {
  EXPECT_EQ(tracker_options(Settings()).frame_octets, 0U);
  EXPECT_EQ(live_options(Settings()).events.frames, 0U);
}

TEST(Options, PayloadCanBeKeptOutOfAllRecords) {
  for (const std::string_view way : {"evidence.payload=none", "output.banner_length=0"}) {
    EXPECT_FALSE(encoder_options(with({way}), "").banner) << way;
    EXPECT_EQ(analysis_options(with({way})).banner_length, 0U) << way;
  }
  EXPECT_FALSE(evidence_options(with({"evidence.payload=none"}), "").file.payload);
}

}  // namespace
}  // namespace doorslam::config
