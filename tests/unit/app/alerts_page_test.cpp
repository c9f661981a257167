#include "pipeline/app/alerts_page.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/report_incident.h"
#include "pipeline/app/stored_incident.h"
#include "tests/unit/alert/sample.h"

/// What `doorslam alerts ID` shows of a stored record.
namespace doorslam::app {
namespace {

using alert::AlertEvent;
using alert::Incident;
namespace sample = alert::sample;

std::vector<AlertEvent> events_of(const std::vector<diagnose::DiagnosedConnection>& connections) {
  alert::IncidentLog log;
  std::vector<AlertEvent> events;
  for (const auto& connection : connections) log.observe(connection, events);
  log.finish(events);
  return events;
}

store::Record stored(const AlertEvent& event) {
  store::Record record;
  record.id = "0123456789abcdef";
  record.time_ns = event.time_ns;
  record.cause = event.incident.cause;
  record.severity = alert::severity_of(event.incident);
  record.body = alert::AlertEncoder({.observer_name = "tap1"}).encode(event);
  return record;
}

std::vector<diagnose::DiagnosedConnection> refused_prefix() {
  std::vector<diagnose::DiagnosedConnection> connections;
  connections.push_back(sample::connection(diagnose::Cause::served, sample::endpoint("192.0.2.20", 4000),
                                           sample::endpoint("198.51.100.5", 21), sample::kEpoch - sample::kS));
  for (std::uint16_t i = 0; i < 3; ++i) {
    auto connection = sample::classic();
    connection.summary.originator = sample::endpoint("192.0.2.9" + std::to_string(i), 4000);
    connection.summary.start_ns += i * sample::kS;
    connection.summary.duplicates = i;
    connection.judged_ns += i * sample::kS;
    connection.diagnosis.signature = {"vsftpd-tcp-wrappers", "vsftpd", "ftp"};
    connection.diagnosis.banner = "421 Service not available.";
    connection.diagnosis.caveats = {"2 of its packets came twice from the mirror; the copies were dropped"};
    connection.diagnosis.limit = diagnose::LearnedLimit{.kind = diagnose::LimitKind::client_sessions,
                                                        .ceiling = 4,
                                                        .met = 5,
                                                        .refused_from = 3,
                                                        .refused_below = 1,
                                                        .served_from = 0,
                                                        .served_below = 7,
                                                        .confidence = 0.5};
    connections.push_back(connection);
  }
  return connections;
}

std::vector<diagnose::DiagnosedConnection> sweep() {
  std::vector<diagnose::DiagnosedConnection> connections;
  for (std::uint16_t i = 1; i <= 60; ++i) {
    auto connection =
        sample::connection(diagnose::Cause::port_closed, sample::endpoint("2001:db8::66", 4000),
                           sample::endpoint("2001:db8::" + std::to_string(i), 445), sample::kEpoch + i * sample::kMs);
    connection.summary.one_sided = i % 2 == 0;
    connections.push_back(connection);
  }
  return connections;
}

/// The store has nothing but the record, and its reader must not know less than whoever read the capture.
TEST(AlertPage, TellsAllThatTheReportDoes) {
  for (const auto& connections : {refused_prefix(), sweep(), {sample::classic()}}) {
    for (const AlertEvent& event : events_of(connections)) {
      const std::string page = alert_page(stored(event));
      const std::string report =
          alert::render_full(event.incident, alert::ladder_of(event.incident), 0, alert::IncidentStyle());
      ASSERT_GE(page.size(), report.size());
      EXPECT_EQ(page.substr(page.size() - report.size()), report);
      EXPECT_NE(page.find("event.id    0123456789abcdef\n"), std::string::npos) << page;
      EXPECT_NE(page.find("sensor      tap1\n"), std::string::npos) << page;
    }
  }
}

/// Sessions that went on, and who was turned away before.
TEST(AlertPage, KnowsWhatAnOutageHas) {
  AlertEvent last = events_of(refused_prefix()).back();
  last.incident.contrast.served_on = 7;
  last.incident.turned_away_before = 9;
  const StoredIncident read = stored_incident(nlohmann::json::parse(stored(last).body));
  EXPECT_EQ(read.incident.contrast.served_on, 7U);
  EXPECT_EQ(read.incident.turned_away_before, 9U);
}

/// The incident's confidence is the mean of all its connections; the sample has one of its own.
TEST(AlertPage, KnowsTheSamplesOwnConfidence) {
  auto connections = refused_prefix();
  for (auto& connection : connections) connection.diagnosis.confidence = 0.5;
  connections.back().diagnosis.confidence = 0.875;
  const AlertEvent last = events_of(connections).back();
  const StoredIncident read = stored_incident(nlohmann::json::parse(stored(last).body));
  EXPECT_EQ(last.incident.sample.diagnosis.confidence, 0.875);
  EXPECT_EQ(read.incident.sample.diagnosis.confidence, 0.875);
  EXPECT_NEAR(read.incident.mean_confidence, 0.625, 1e-3);
}

TEST(AlertPage, ShowsAFlowRecordWithItsReasons) {
  store::Record record;
  record.kind = store::RecordKind::flow;
  record.id = "0123";
  record.cause = diagnose::Cause::acl_denied;
  record.body = alert::FlowEncoder().encode(sample::classic());
  const std::string page = alert_page(record);
  EXPECT_TRUE(page.starts_with("acl_denied 192.0.2.10:40001 → 198.51.100.5:21\n")) << page;
  EXPECT_NE(page.find("Refused by client address: most likely"), std::string::npos) << page;
  EXPECT_EQ(page.find("meanwhile"), std::string::npos);
}

TEST(AlertPage, StandsRecordsThatAreNone) {
  for (const char* body : {"", "[]", "null", "{}", R"({"doorslam":{"ladder":[1,{"seq":-5}],"hypotheses":7}})"}) {
    store::Record record;
    record.body = body;
    EXPECT_FALSE(alert_page(record).empty());
    EXPECT_FALSE(alert_line(record).empty());
  }
}

}  // namespace
}  // namespace doorslam::app
