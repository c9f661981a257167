// Any frames, through decode, tracker, analysis and records. Beside the sanitizers' findings, these are failures:
// a connection that comes out twice or not at all, probabilities that are none, an incident that is never
// closed, and records that depend on how the packets were cut into bursts.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/alert/ecs_flow.h"
#include "pipeline/alert/incident.h"
#include "pipeline/diagnose/analysis.h"
#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "pipeline/port/worker.h"
#include "tests/fuzz/frame_stream.h"

namespace {

using namespace doorslam;

/// More packets than this in one input are slow and teach nothing new.
constexpr std::size_t kMaxPackets = 250;

void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz_pipeline: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

/// The project's own signatures, compiled once.
diagnose::SignatureScanner& signature_scanner() {
  static diagnose::SignatureScanner scanner = [] {
    const std::vector<std::filesystem::path> paths = {diagnose::default_signature_directory()};
    auto database = diagnose::SignatureDatabase::load(paths, {});
    if (!database) require(false, database.error().message);
    auto made = diagnose::SignatureScanner::create(*database);
    if (!made) require(false, made.error().message);
    return std::move(*made);
  }();
  return scanner;
}

/// Room for an input, no more: the tables are made anew for each.
tcp::TrackerOptions small_tracker() {
  tcp::TrackerOptions options;
  options.capacity_flows = 1024;
  options.capacity_flows6 = 1024;
  options.evidence_capacity = 512;
  return options;
}

packet::DecodeOptions small_decoder() {
  packet::DecodeOptions options;
  options.reassembly_bytes = std::size_t{256} << 10U;
  return options;
}

diagnose::AnalysisOptions small_analysis() {
  diagnose::AnalysisOptions options;
  options.ledger = {.capacity_notes = 512, .capacity_servers = 256, .capacity_hosts = 256};
  return options;
}

std::vector<diagnose::DiagnosedConnection> readings_of(const std::vector<packet::RawPacket>& packets,
                                                       std::size_t burst_packets) {
  port::Worker worker(small_decoder(), small_tracker());
  diagnose::Analysis analysis(small_analysis(), &signature_scanner());
  std::vector<diagnose::DiagnosedConnection> readings;
  tcp::EventBatch events;
  for (std::size_t done = 0; done < packets.size(); done += burst_packets) {
    const std::span burst(packets.begin() + static_cast<std::ptrdiff_t>(done),
                          std::min(burst_packets, packets.size() - done));
    events.clear();
    worker.process(burst, events);
    analysis.collect(events);
    analysis.advance(burst.back().time_ns - 1, readings);
  }
  const flowtable::TimeNs end_ns = packets.back().time_ns;
  events.clear();
  require(!worker.finish(end_ns, packets.size() + 1, events), "more connections than packets");
  analysis.collect(events);
  analysis.advance(end_ns, readings);
  analysis.finish(readings);
  require(worker.decode_counters().received() == packets.size(), "a packet was not counted by the decoder");
  require(worker.tracker_counters().connections == readings.size(), "a connection came out twice or not at all");
  return readings;
}

void check_probabilities(const diagnose::Diagnosis& diagnosis) {
  require(diagnosis.confidence >= 0 && diagnosis.confidence <= 1, "confidence outside 0 to 1");
  double sum = 0;
  for (const diagnose::Hypothesis& hypothesis : diagnosis.hypotheses) {
    require(hypothesis.probability >= 0 && hypothesis.probability <= 1, "probability outside 0 to 1");
    sum += hypothesis.probability;
  }
  require(diagnosis.hypotheses.empty() || std::abs(sum - 1) < 1e-6, "probabilities do not sum to 1");
}

std::string records_of(const std::vector<diagnose::DiagnosedConnection>& readings) {
  alert::FlowEncoder encoder;
  std::string records;
  for (const diagnose::DiagnosedConnection& reading : readings) records += encoder.encode(reading);
  return records;
}

/// Every incident that opens is closed at the end, and counts no more than was refused.
void check_incidents(const std::vector<diagnose::DiagnosedConnection>& readings) {
  alert::IncidentLog incidents;
  std::vector<alert::AlertEvent> events;
  for (const diagnose::DiagnosedConnection& reading : readings) incidents.observe(reading, events);
  incidents.finish(events);
  std::ptrdiff_t open = 0;
  for (const alert::AlertEvent& event : events) {
    if (event.action == alert::AlertAction::opened) ++open;
    if (event.action == alert::AlertAction::closed) --open;
    require(event.incident.refused > 0 && event.incident.refused <= readings.size(), "an incident that cannot be");
  }
  require(open == 0 && incidents.open_count() == 0, "an incident was left open");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<packet::RawPacket> packets = fuzz::packets_of({data, size});
  if (packets.empty() || packets.size() > kMaxPackets) return 0;
  const auto readings = readings_of(packets, port::Worker::kBurst);
  for (const diagnose::DiagnosedConnection& reading : readings) check_probabilities(reading.diagnosis);
  check_incidents(readings);
  require(records_of(readings) == records_of(readings_of(packets, 1)), "the records depend on the bursts");
  return 0;
}
