#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/alert/ecs_flow.h"
#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using nlohmann::json;

const EncoderOptions kOptions{.version = "0.1.0", .observer_name = "sensor-1"};

json encoded(const diagnose::DiagnosedConnection& connection, const EncoderOptions& options = kOptions) {
  FlowEncoder encoder(options);
  return json::parse(encoder.encode(connection));
}

TEST(FlowEncoder, WritesExactlyThisForTheClassicRefusal) {
  FlowEncoder encoder(kOptions);
  EXPECT_EQ(
      encoder.encode(sample::classic()),
      R"({"@timestamp":"2026-01-02T03:04:05.000000000Z",)"
      R"("event":{"kind":"event","category":["network"],"type":["connection","start","end","denied"],)"
      R"("outcome":"failure","action":"connection-refused",)"
      R"("reason":"The application, or a packet filter on the server, refused this client by its address: )"
      R"(this client was refused 4 of 4 times while 9 others were served",)"
      R"("id":"9784c649e302c4c69ab859063d662bfe","dataset":"doorslam.flow","module":"doorslam",)"
      R"("start":"2026-01-02T03:04:05.000000000Z","end":"2026-01-02T03:04:05.002100000Z","duration":2100000},)"
      R"("source":{"ip":"192.0.2.10","port":40001,"packets":4,"bytes":0},)"
      R"("destination":{"ip":"198.51.100.5","port":21,"packets":3,"bytes":0},)"
      R"("network":{"transport":"tcp","type":"ipv4","community_id":"1:v+U88/M+4CP0gwA55BTss9ltB20=",)"
      R"("vlan":{"id":"42"},"packets":7,"bytes":0},)"
      R"("doorslam":{"cause":"acl_denied","confidence":0.87,"stage":"accepted","conn_state":"SF","history":"ShAFaf",)"
      R"("hypotheses":[{"cause":"acl_denied","probability":0.87,)"
      R"("for":["this client was refused 4 of 4 times while 9 others were served"],"against":[]},)"
      R"({"cause":"connection_limit","probability":0.11,"for":[],)"
      R"("against":["no 421 or other word of a limit","3 sessions were open where 12 had been served before"]},)"
      R"({"cause":"app_crash","probability":0.02,"for":[],"against":["other sessions of this server went on"]},)"
      R"({"cause":"bad_handshake_ack","probability":0,"for":[],)"
      R"("against":["the ACK's numbers fit, and a bad ACK meets RST, not FIN"]}],)"
      R"("mid_stream":false,"one_sided":false,"orientation_guessed":false,"tunneled":false,)"
      R"("duplicates":0,"gap_bytes":0,"retransmissions":0},)"
      R"("observer":{"name":"sensor-1","product":"doorslam","type":"sensor","vendor":"doorslam","version":"0.1.0"},)"
      R"("ecs":{"version":"8.17.0"}})"
      "\n");
}

TEST(FlowEncoder, GivesTheSameRecordEveryTime) {
  FlowEncoder encoder(kOptions);
  const std::string first(encoder.encode(sample::classic()));
  encoder.encode(sample::connection(diagnose::Cause::served, sample::endpoint("2001:db8::1", 1),
                                    sample::endpoint("2001:db8::2", 2), sample::kEpoch));
  EXPECT_EQ(encoder.encode(sample::classic()), first);
}

/// event.id must tell connections apart that share a tuple (port reuse) or a start (a coarse clock).
TEST(FlowEncoder, TellsConnectionsApartByTheirId) {
  auto connection = sample::classic();
  const std::string id = encoded(connection)["event"]["id"];
  connection.summary.start_ns += 1;
  const std::string later = encoded(connection)["event"]["id"];
  connection.summary.start_ns -= 1;
  connection.summary.id += 1;
  const std::string other = encoded(connection)["event"]["id"];
  EXPECT_NE(id, later);
  EXPECT_NE(id, other);
  EXPECT_NE(later, other);
}

TEST(FlowEncoder, ServedConnectionsSucceedAndHaveNoHypotheses) {
  auto connection = sample::connection(diagnose::Cause::served, sample::endpoint("2001:db8::1", 50000),
                                       sample::endpoint("2001:db8::2", 443), sample::kEpoch);
  connection.summary.side[0] = {10, 700, 5, 1, 0};
  connection.summary.side[1] = {12, 90'000, 7, 2, 0};
  connection.summary.duplicates = 3;
  const json record = encoded(connection);
  EXPECT_EQ(record["event"]["outcome"], "success");
  EXPECT_EQ(record["event"]["action"], "connection-served");
  EXPECT_EQ(record["event"]["type"], json::parse(R"(["connection","start","end"])"));
  EXPECT_EQ(record["network"]["type"], "ipv6");
  EXPECT_EQ(record["network"]["bytes"], 90'700);
  EXPECT_EQ(record["network"]["packets"], 22);
  EXPECT_FALSE(record["network"].contains("vlan"));
  EXPECT_FALSE(record["doorslam"].contains("history")) << "an empty history is left out";
  EXPECT_TRUE(record["doorslam"]["hypotheses"].empty());
  EXPECT_EQ(record["doorslam"]["gap_bytes"], 12);
  EXPECT_EQ(record["doorslam"]["retransmissions"], 3);
  EXPECT_EQ(record["doorslam"]["duplicates"], 3);
}

TEST(FlowEncoder, SaysWhatTheCaptureLacked) {
  auto connection = sample::classic();
  connection.summary.mid_stream = true;
  connection.summary.one_sided = true;
  connection.summary.orientation_guessed = true;
  connection.summary.end_reason = tcp::EndReason::capture_end;
  connection.diagnosis.caveats = {"only one direction was captured"};
  const json record = encoded(connection);
  EXPECT_EQ(record["event"]["type"], json::parse(R"(["connection","denied"])")) << "neither start nor end was seen";
  EXPECT_TRUE(record["doorslam"]["mid_stream"]);
  EXPECT_TRUE(record["doorslam"]["one_sided"]);
  EXPECT_TRUE(record["doorslam"]["orientation_guessed"]);
  EXPECT_EQ(record["doorslam"]["caveats"][0], "only one direction was captured");
}

TEST(FlowEncoder, StaysValidJsonWhateverTheServerSaid) {
  auto connection = sample::classic();
  connection.diagnosis.signature = {"a\"b\\c", "\xFF\xFE", "ftp"};
  connection.diagnosis.banner = std::string("421 \x00\x01\x1b\x1f\x7f\"\\\r\n \xC3\x28 \xF0\x9F end", 24);
  connection.diagnosis.hypotheses[0].evidence_for = {"it said \"\x1a\x80\""};
  FlowEncoder encoder(kOptions);
  const std::string line(encoder.encode(connection));
  const json record = json::parse(line, nullptr, false);
  ASSERT_FALSE(record.is_discarded()) << line;
  EXPECT_EQ(record["doorslam"]["signature"]["name"], "a\"b\\c");
  EXPECT_EQ(record["doorslam"]["signature"]["program"], "\\xff\\xfe");
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

TEST(FlowEncoder, NamesNoProgramWhereAStandardFixesTheWords) {
  auto connection = sample::classic();
  connection.diagnosis.signature = {"redis-err", "", "redis"};
  EXPECT_FALSE(encoded(connection)["doorslam"]["signature"].contains("program"));
}

TEST(FlowEncoder, TellsAClientThatFailedFromOneThatWasRefused) {
  auto connection = sample::classic();
  EXPECT_EQ(encoded(connection)["event"]["action"], "connection-refused");
  for (const auto cause : {diagnose::Cause::client_vanished, diagnose::Cause::client_zero_window}) {
    connection.diagnosis.cause = cause;
    EXPECT_EQ(encoded(connection)["event"]["action"], "connection-failed");
    EXPECT_EQ(encoded(connection)["event"]["outcome"], "failure");
  }
}

TEST(FlowEncoder, LeavesTheBannerOutWhereToldTo) {
  auto connection = sample::classic();
  connection.diagnosis.banner = "220 ready";
  EXPECT_EQ(encoded(connection)["doorslam"]["banner"], "220 ready");
  EXPECT_FALSE(encoded(connection, {.banner = false})["doorslam"].contains("banner"));
}

TEST(FlowEncoder, WritesContributionsWhereThereAreAny) {
  auto connection = sample::classic();
  EXPECT_FALSE(encoded(connection)["doorslam"].contains("contributions"));
  connection.diagnosis.contributions = {{"no-session-open", diagnose::Cause::connection_limit, -4.0, 0.5}};
  const json written = encoded(connection)["doorslam"]["contributions"][0];
  EXPECT_EQ(written["evidence"], "no-session-open");
  EXPECT_EQ(written["cause"], "connection_limit");
  EXPECT_EQ(written["weight"], -4.0);
  EXPECT_EQ(written["strength"], 0.5);
}

TEST(FlowEncoder, NamesEveryOutcome) {
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
    const auto cause = static_cast<diagnose::Cause>(i);
    auto connection =
        sample::connection(cause, sample::endpoint("192.0.2.1", 1), sample::endpoint("192.0.2.2", 2), sample::kEpoch);
    const json record = encoded(connection);
    EXPECT_EQ(record["doorslam"]["cause"], name_of(cause));
    const std::string outcome = record["event"]["outcome"];
    EXPECT_EQ(outcome == "failure", diagnose::is_refusal(cause)) << name_of(cause);
    EXPECT_FALSE(record["event"]["reason"].get<std::string>().empty());
  }
}

}  // namespace
}  // namespace doorslam::alert
