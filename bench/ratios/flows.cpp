// A flow record by our encoder, and the same record built and dumped with nlohmann::json.
//
// Both take addresses, times, Community ID and sentences from the same helpers, so that they differ in what they do
// with them alone; that they write the same record is checked first.

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "bench/support/contest.h"
#include "bench/support/findings.h"
#include "bench/support/stopwatch.h"
#include "pipeline/alert/community_id.h"
#include "pipeline/alert/ecs_flow.h"
#include "pipeline/alert/ecs_record.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/base/text.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::bench {
namespace {

using diagnose::Cause;
using diagnose::DiagnosedConnection;
using nlohmann::json;

constexpr std::uint64_t kRecords = 4096;
constexpr flowtable::TimeNs kStart = 1'700'000'000 * flowtable::kSecondNs;

flowtable::Endpoint endpoint(std::uint8_t last, std::uint16_t port) {
  flowtable::Endpoint end;
  end.address.octets = {192, 0, 2, last};
  end.port = port;
  return end;
}

/// A connection that was served, as nearly all are.
DiagnosedConnection served() {
  DiagnosedConnection connection;
  tcp::ConnectionSummary& summary = connection.summary;
  summary.originator = endpoint(10, 40'001);
  summary.responder = endpoint(200, 443);
  summary.start_ns = kStart;
  summary.end_ns = kStart + 1'234'567'890;
  summary.id = 4711;
  summary.conn_state = tcp::ConnState::SF;
  summary.stage = tcp::Stage::established;
  summary.plainly_served = true;
  summary.vlan = 42;
  constexpr std::string_view kHistory = "ShADadFaf";
  summary.history.length = static_cast<std::uint8_t>(kHistory.copy(summary.history.letters.data(), kHistory.size()));
  summary.side[0] = {.packets = 21, .payload_bytes = 1'840, .gap_bytes = 0, .retransmissions = 1, .zero_windows = 0};
  summary.side[1] = {.packets = 34, .payload_bytes = 40'210, .gap_bytes = 0, .retransmissions = 0, .zero_windows = 0};
  connection.diagnosis.cause = Cause::served;
  connection.diagnosis.confidence = 0.98;
  return connection;
}

/// A refused one, with hypotheses, a signature and a banner.
DiagnosedConnection refused() {
  DiagnosedConnection connection = served();
  connection.summary.plainly_served = false;
  connection.summary.stage = tcp::Stage::greeting;
  diagnose::Diagnosis& diagnosis = connection.diagnosis;
  diagnosis.cause = Cause::connection_limit;
  diagnosis.confidence = 0.93;
  diagnosis.signature = diagnose::SignatureMatch{"vsftpd-max-clients", "vsftpd", "ftp"};
  diagnosis.banner = "421 There are too many connected users, please try later.\\r\\n";
  diagnosis.caveats = {"the capture lacks 120 octets of this connection"};
  diagnosis.hypotheses = {
      {Cause::connection_limit,
       0.93,
       {"the server said \"421 There are too many connected users\"", "4 sessions were open on this port then"},
       {"this client was refused 2 of 2 times, while 4 other clients were served"}},
      {Cause::acl_denied, 0.05, {"this client was refused 2 of 2 times"}, {"the server's words are those of a limit"}},
      {Cause::app_crash, 0.02, {}, {"4 other sessions of this server went on undisturbed"}},
  };
  return connection;
}

/// The record as an application would build it with the library.
class PlainEncoder {
 public:
  std::string encode(const DiagnosedConnection& connection) {
    const tcp::ConnectionSummary& summary = connection.summary;
    json record;
    record["@timestamp"] = time_.of(summary.start_ns);
    record["event"] = event(connection);
    record["source"] = side(summary.originator, summary.side[0]);
    record["destination"] = side(summary.responder, summary.side[1]);
    record["network"] = network(summary);
    record["doorslam"] = findings(connection);
    record["observer"] = {{"product", "doorslam"}, {"type", "sensor"}, {"vendor", "doorslam"}};
    record["ecs"] = {{"version", "8.17.0"}};
    return record.dump();
  }

 private:
  json event(const DiagnosedConnection& connection) {
    const tcp::ConnectionSummary& summary = connection.summary;
    const diagnose::Diagnosis& diagnosis = connection.diagnosis;
    const bool refusal = diagnose::is_refusal(diagnosis.cause);
    json event;
    event["kind"] = "event";
    event["category"] = {"network"};
    json& type = event["type"] = {"connection"};
    if (!summary.mid_stream) type.push_back("start");
    if (summary.end_reason == tcp::EndReason::closed) type.push_back("end");
    if (diagnose::traits_of(diagnosis.cause).denial) type.push_back("denied");
    event["outcome"] = refusal ? "failure" : "success";
    event["action"] = refusal ? "connection-refused" : "connection-served";
    event["reason"] = reason(diagnosis);
    event["id"] = alert::flow_id(summary).text();
    event["dataset"] = "doorslam.flow";
    event["module"] = "doorslam";
    event["start"] = time_.of(summary.start_ns);
    event["end"] = time_.of(summary.end_ns);
    event["duration"] = summary.end_ns - summary.start_ns;
    return event;
  }

  static std::string reason(const diagnose::Diagnosis& diagnosis) {
    std::string reason(diagnose::guide_entry(diagnosis.cause).sentence);
    if (diagnosis.hypotheses.empty()) return reason;
    reason.pop_back();
    return reason + ": " + diagnosis.hypotheses.front().evidence_for.front();
  }

  static json side(const flowtable::Endpoint& end, const tcp::SideTotals& totals) {
    return {{"ip", AddressText(end.address).view()},
            {"port", end.port},
            {"packets", totals.packets},
            {"bytes", totals.payload_bytes}};
  }

  json network(const tcp::ConnectionSummary& summary) {
    return {{"transport", "tcp"},
            {"type", "ipv4"},
            {"community_id", community_id_.of(summary.originator, summary.responder)},
            {"vlan", {{"id", std::to_string(summary.vlan)}}},
            {"packets", summary.side[0].packets + summary.side[1].packets},
            {"bytes", summary.side[0].payload_bytes + summary.side[1].payload_bytes}};
  }

  static json findings(const DiagnosedConnection& connection) {
    const tcp::ConnectionSummary& summary = connection.summary;
    const diagnose::Diagnosis& diagnosis = connection.diagnosis;
    json out;
    out["cause"] = name_of(diagnosis.cause);
    out["confidence"] = diagnosis.confidence;
    out["stage"] = name_of(summary.stage);
    out["conn_state"] = name_of(summary.conn_state);
    out["history"] = summary.history.view();
    json& hypotheses = out["hypotheses"] = json::array();
    for (const diagnose::Hypothesis& hypothesis : diagnosis.hypotheses) {
      hypotheses.push_back({{"cause", name_of(hypothesis.cause)},
                            {"probability", hypothesis.probability},
                            {"for", hypothesis.evidence_for},
                            {"against", hypothesis.evidence_against}});
    }
    if (diagnosis.signature) {
      out["signature"] = {{"name", diagnosis.signature->name},
                          {"program", diagnosis.signature->program},
                          {"protocol", diagnosis.signature->protocol}};
    }
    if (!diagnosis.banner.empty()) out["banner"] = diagnosis.banner;
    if (!diagnosis.caveats.empty()) out["caveats"] = diagnosis.caveats;
    out["mid_stream"] = bool{summary.mid_stream};
    out["one_sided"] = bool{summary.one_sided};
    out["orientation_guessed"] = bool{summary.orientation_guessed};
    out["tunneled"] = bool{summary.tunneled};
    out["duplicates"] = summary.duplicates;
    out["gap_bytes"] = summary.side[0].gap_bytes + summary.side[1].gap_bytes;
    out["retransmissions"] = summary.side[0].retransmissions + summary.side[1].retransmissions;
    return out;
  }

  alert::TimeText time_;
  alert::CommunityId community_id_;
};

void measure(Findings& findings, const std::string& name, const DiagnosedConnection& connection) {
  alert::FlowEncoder ours;
  PlainEncoder plain;
  const json expected = json::parse(plain.encode(connection));
  const json encoded = json::parse(ours.encode(connection));
  if (encoded != expected) {
    throw std::runtime_error("the two encoders do not write the same record: " + json::diff(expected, encoded).dump());
  }
  Contest contest;
  contest.add("ours", [&] {
    return cycles_each(kRecords, [&] {
      for (std::uint64_t i = 0; i < kRecords; ++i) keep(ours.encode(connection).size());
    });
  });
  contest.add("nlohmann", [&] {
    return cycles_each(kRecords, [&] {
      for (std::uint64_t i = 0; i < kRecords; ++i) keep(plain.encode(connection).size());
    });
  });
  contest.run(findings.rounds(31));
  findings.cycles("flow_record_" + name, "ours", contest.of("ours"));
  findings.cycles("flow_record_" + name, "nlohmann", contest.of("nlohmann"));
  findings.ratio(name == "served" ? "R11_flows" : "R11_" + name, contest.of("nlohmann") / contest.of("ours"));
}

}  // namespace
}  // namespace doorslam::bench

int main(int argc, char** argv) {
  using namespace doorslam::bench;
  Findings findings(argc, argv, "What writing a flow record costs");
  try {
    measure(findings, "served", served());
    measure(findings, "refused", refused());
    return findings.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flows: %s\n", error.what());
    return 1;
  }
}
