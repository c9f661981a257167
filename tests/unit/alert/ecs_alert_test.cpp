#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/incident_steps.h"
#include "pipeline/alert/incident_words.h"
#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using nlohmann::json;

std::vector<AlertEvent> classic_incident() {
  IncidentLog log;
  std::vector<AlertEvent> events;
  log.observe(sample::connection(diagnose::Cause::served, sample::endpoint("192.0.2.20", 1),
                                 sample::endpoint("198.51.100.5", 21), sample::kEpoch - sample::kS),
              events);
  log.observe(sample::classic(), events);
  auto served = sample::connection(diagnose::Cause::served, sample::endpoint("192.0.2.21", 1),
                                   sample::endpoint("198.51.100.5", 21), sample::kEpoch + sample::kS);
  served.summary.side[0].gap_bytes = 10;
  served.summary.side[0].payload_bytes = 100;
  log.observe(served, events);
  log.finish(events);
  return events;
}

TEST(AlertEncoder, TellsTheWholeStoryOfAnIncident) {
  AlertEncoder encoder({.version = "0.1.0"});
  const auto events = classic_incident();
  ASSERT_EQ(events.size(), 2U);
  const json opened = json::parse(encoder.encode(events[0]));
  const json closed = json::parse(encoder.encode(events[1]));

  EXPECT_EQ(opened["event"]["action"], "incident-opened");
  EXPECT_EQ(closed["event"]["action"], "incident-closed");
  EXPECT_EQ(closed["event"]["kind"], "alert");
  EXPECT_NE(opened["event"]["id"], closed["event"]["id"]);
  EXPECT_EQ(opened["doorslam"]["incident"]["id"], closed["doorslam"]["incident"]["id"]);

  EXPECT_EQ(closed["message"],
            "Refused by client address: 198.51.100.5:21 (ftp), 1 connection of client 192.0.2.10 refused");
  EXPECT_EQ(closed["rule"]["name"], "Refused by client address");
  EXPECT_EQ(closed["source"]["ip"], "192.0.2.10");
  EXPECT_EQ(closed["destination"]["ip"], "198.51.100.5");
  EXPECT_EQ(closed["destination"]["port"], 21);
  EXPECT_EQ(closed["related"]["ip"], json::parse(R"(["198.51.100.5","192.0.2.10"])"));

  const json& own = closed["doorslam"];
  EXPECT_EQ(own["cause"], "acl_denied");
  EXPECT_EQ(own["incident"]["refused"], 1);
  EXPECT_EQ(own["incident"]["first_seen"], "2026-01-02T03:04:05.000000000Z");
  EXPECT_GT(own["incident"]["last_ended"], own["incident"]["first_seen"]) << "when it was closed, not when it began";
  EXPECT_EQ(own["incident"]["clients"]["sample"][0]["ip"], "192.0.2.10");
  EXPECT_EQ(own["contrast"]["served_before"], 1);
  EXPECT_EQ(own["contrast"]["served"], 1);
  EXPECT_EQ(own["ladder"].size(), 7U);
  EXPECT_EQ(own["ladder"][3]["note"], "server closes without a byte");
  EXPECT_EQ(own["ladder"][3]["from"], "server");
  EXPECT_EQ(own["ladder"][3]["offset"], 1'350'000);
  EXPECT_EQ(own["hypotheses"].size(), 4U);
  EXPECT_EQ(own["sample"]["flow_id"], "9784c649e302c4c69ab859063d662bfe") << "leads to the flow record";
  EXPECT_EQ(own["quality"]["connections"], 1);
  EXPECT_EQ(own["capture"]["connections"], 3);
  EXPECT_EQ(own["capture"]["loss_ratio"], 0.1);
  ASSERT_FALSE(own["next_steps"].empty());
  EXPECT_NE(own["next_steps"][0].get<std::string>().find("With vsftpd: tcp_wrappers=YES"), std::string::npos);
}

/// A router's message must not read as a packet of one of the two ends.
TEST(AlertEncoder, TellsWhoReportsAnIcmpErrorAndAboutWhom) {
  auto events = classic_incident();
  tcp::Evidence evidence;
  sample::add_rung(evidence, sample::rung(0, tcp::Side::originator, packet::tcp_flag::kSyn, 0, 0, 0, 64));
  evidence.icmp.time_ns = sample::kEpoch + sample::kMs;
  evidence.icmp.reporter = sample::address("192.0.2.254");
  evidence.icmp.type = 3;
  evidence.icmp.code = 13;
  evidence.icmp.about = tcp::Side::responder;
  events[1].incident.sample.evidence = std::make_shared<const tcp::Evidence>(evidence);
  events[1].incident.sample.summary.side[0].packets = 1;
  events[1].incident.sample.summary.side[1].packets = 0;
  const json ladder = json::parse(AlertEncoder().encode(events[1]))["doorslam"]["ladder"];
  ASSERT_EQ(ladder.size(), 2U);
  EXPECT_EQ(ladder[0]["from"], "client");
  EXPECT_FALSE(ladder[1].contains("from"));
  EXPECT_EQ(ladder[1]["reporter"], "192.0.2.254");
  EXPECT_EQ(ladder[1]["about"], "server");
}

TEST(AlertEncoder, TellsTheLimitAndThePrefixesThatWereLearned) {
  auto events = classic_incident();
  Incident& incident = events[1].incident;
  EXPECT_EQ(json::parse(AlertEncoder().encode(events[1]))["doorslam"]["incident"]["clients"]["prefixes"],
            json::parse(R"([{"prefix":"192.0.2.10","clients":1}])"));
  incident.sample.diagnosis.limit = diagnose::LearnedLimit{.kind = diagnose::LimitKind::client_sessions,
                                                           .ceiling = 4,
                                                           .met = 5,
                                                           .refused_from = 8,
                                                           .served_below = 9,
                                                           .confidence = 0.5};
  const json told = json::parse(AlertEncoder().encode(events[1]))["doorslam"]["limit"];
  EXPECT_EQ(told["counts"], "client_sessions");
  EXPECT_EQ(told["ceiling"], 4);
  EXPECT_EQ(told["met"], 5);
  EXPECT_EQ(told["refused_at_ceiling"], 8);
  EXPECT_EQ(told["refused_below"], 0);
  EXPECT_EQ(told["served_below"], 9);
  EXPECT_EQ(told["confidence"], 0.5);
  EXPECT_EQ(limit_words(incident),
            "refuses from 4 open sessions of one client on: 8 of 8 refused met as many, 9 of 9 served did not.");
  incident.sample.diagnosis.limit->refused_below = 3;
  incident.sample.diagnosis.limit->ceiling = 1;
  EXPECT_EQ(
      limit_words(incident),
      "seems to refuse from 1 open session of one client on: 8 of 11 refused met as many, 9 of 9 served did not.");
}

/// What was found of these refusals comes before what holds for all of their cause.
TEST(AlertEncoder, AdvisesOnWhatWasFoundFirst) {
  auto events = classic_incident();
  Incident& incident = events[1].incident;
  const std::vector<std::string> usual = steps_of(incident);
  incident.sample.diagnosis.one_server = diagnose::OneOfServers{.by_clocks = true, .others = 1};
  incident.times = RefusedTimes{.kind = TimesKind::spells};
  const std::vector<std::string> steps = steps_of(incident);
  ASSERT_EQ(steps.size(), usual.size() + 2);
  EXPECT_TRUE(steps[0].starts_with("Of the 2 servers behind 198.51.100.5 only one refuses")) << steps[0];
  EXPECT_NE(steps[0].find("NAT"), std::string::npos);
  EXPECT_NE(steps[1].find("list-timers"), std::string::npos);
  EXPECT_EQ(steps[2], usual[0]);
}

/// Of two hosts of the same make there is nothing to show but that their clocks differ.
TEST(AlertEncoder, TellsServersByTheirClocks) {
  auto events = classic_incident();
  Incident& incident = events[1].incident;
  incident.sample.diagnosis.one_server = diagnose::OneOfServers{
      .by_clocks = true, .others = 1, .clients_of_both = 4, .refused = 12, .served = 0, .served_elsewhere = 15};
  const json told = json::parse(AlertEncoder().encode(events[1]))["doorslam"]["one_server"];
  EXPECT_EQ(told["told_by"], "clocks");
  EXPECT_EQ(told["clients_of_both"], 4);
  EXPECT_FALSE(told.contains("refusing"));
  EXPECT_EQ(server_words(incident),
            "one of 2 servers behind this address: the clocks in the SYN-ACKs (TSval) tell them apart for 4 clients "
            "that met both. 12 of 12 refusals, 0 of 15 served.");
}

TEST(AlertEncoder, TellsWhichServerRefusesAndWhen) {
  auto events = classic_incident();
  Incident& incident = events[1].incident;
  incident.sample.diagnosis.one_server =
      diagnose::OneOfServers{.refusing = {.ttl = 254, .window = 31856, .dont_fragment = true, .ip_id_zero = true},
                             .serving = {.ttl = 63, .window = 65160, .dont_fragment = true, .ip_id_zero = true},
                             .others = 1,
                             .refused = 8,
                             .served = 1,
                             .refused_elsewhere = 0,
                             .served_elsewhere = 12};
  incident.times = RefusedTimes{.kind = TimesKind::spells,
                                .cycles = 3,
                                .shortest_ns = 36 * sample::kS,
                                .longest_ns = 44 * sample::kS,
                                .least_apart_ns = 296 * sample::kS,
                                .most_apart_ns = 304 * sample::kS,
                                .refused_within = 24,
                                .refused = 24,
                                .served_within = 0,
                                .served = 310,
                                .chance = 1e-9};
  const json told = json::parse(AlertEncoder().encode(events[1]))["doorslam"];
  EXPECT_EQ(told["one_server"]["refusing"]["ttl"], 254);
  EXPECT_EQ(told["one_server"]["serving"]["window"], 65160);
  EXPECT_EQ(told["one_server"]["served_elsewhere"], 12);
  EXPECT_EQ(
      server_words(incident),
      "one of 2 servers behind this address: the one whose SYN-ACKs have TTL 254 and window 31856 (others: TTL 63 and "
      "window 65160). 8 of 8 refusals, 1 of 13 served.");
  EXPECT_EQ(told["one_server"]["told_by"], "habits");
  EXPECT_EQ(told["refused_times"]["of"], "spells");
  EXPECT_EQ(told["refused_times"]["count"], 3);
  EXPECT_EQ(told["refused_times"]["longest_seconds"], 44);
  EXPECT_EQ(told["refused_times"]["served"], 310);
  EXPECT_EQ(
      times_words(incident),
      "all 24 refusals fell into 3 spells of 36.0 s to 44.0 s, which began 4 min 56 s to 5 min 04 s apart; 0 of 310 "
      "served did.");

  incident.times = RefusedTimes{.kind = TimesKind::day,
                                .from_seconds = 7200,
                                .to_seconds = 8100,
                                .cycles = 5,
                                .refused_within = 29,
                                .refused = 30,
                                .served_within = 2,
                                .served = 2000,
                                .chance = 1e-9};
  EXPECT_EQ(times_words(incident),
            "29 of 30 refusals fell between 02:00 and 02:15 UTC, on 5 days; 2 of 2,000 served did.");
  const json daily = json::parse(AlertEncoder().encode(events[1]))["doorslam"]["refused_times"];
  EXPECT_EQ(daily["of"], "day");
  EXPECT_EQ(daily["from_seconds"], 7200);
  incident.sample.diagnosis.limit = diagnose::LearnedLimit{};
  EXPECT_EQ(times_words(incident), "") << "the limit explains it";
}

TEST(AlertEncoder, NamesTheProgramThatTheSignatureFound) {
  auto connection = sample::classic();
  connection.diagnosis.cause = diagnose::Cause::connection_limit;
  connection.diagnosis.signature = {"vsftpd-max-clients", "vsftpd", "ftp"};
  IncidentLog log;
  std::vector<AlertEvent> events;
  log.observe(connection, events);
  log.finish(events);
  AlertEncoder encoder;
  const json alert = json::parse(encoder.encode(events.back()));
  EXPECT_EQ(alert["doorslam"]["signature"]["program"], "vsftpd");
  EXPECT_TRUE(alert["doorslam"]["next_steps"][0].get<std::string>().starts_with("vsftpd: max_clients"));
  EXPECT_NE(alert["doorslam"]["next_steps"][1].get<std::string>().find("( sport = :21 )"), std::string::npos)
      << "commands name the incident's own port";
}

/// Sessions that began hours before are no sign of when to look into the server's log.
TEST(AlertEncoder, PlacesACrashWhenItCutOff) {
  auto crash = sample::classic();
  crash.diagnosis.cause = diagnose::Cause::app_crash;
  crash.evidence.reset();
  crash.summary.end_ns = sample::kEpoch + 3600 * sample::kS;
  crash.judged_ns = crash.summary.end_ns + sample::kS;
  IncidentLog log;
  std::vector<AlertEvent> events;
  log.observe(crash, events);
  log.finish(events);
  AlertEncoder encoder({.version = "0.1.0"});
  const json alert = json::parse(encoder.encode(events.back()));
  EXPECT_EQ(alert["event"]["start"], "2026-01-02T04:04:05.000000000Z");
  EXPECT_EQ(alert["event"]["end"], alert["doorslam"]["incident"]["last_ended"]);
  EXPECT_EQ(alert["doorslam"]["incident"]["first_seen"], "2026-01-02T03:04:05.000000000Z");
}

TEST(Severity, RisesWithAnOutageAndFallsWithDoubt) {
  Incident incident;
  incident.cause = diagnose::Cause::connection_limit;
  incident.mean_confidence = 0.9;
  incident.refused = 20;
  incident.distinct_clients.count = 8;
  incident.contrast.served = 5;
  EXPECT_EQ(severity_of(incident), 47);
  incident.contrast.served = 0;
  EXPECT_EQ(severity_of(incident), 73) << "nobody is served";
  incident.contrast.served_on = 1;
  EXPECT_EQ(severity_of(incident), 47) << "a session goes on";
  incident.contrast.served_on = 0;
  incident.mean_confidence = 0.3;
  EXPECT_EQ(severity_of(incident), 47);
  incident.cause = diagnose::Cause::port_closed;
  incident.scope = IncidentScope::client;
  EXPECT_EQ(severity_of(incident), 21) << "a sweep is no outage";
  incident.cause = diagnose::Cause::app_crash;
  incident.scope = IncidentScope::endpoint;
  incident.mean_confidence = 0.9;
  EXPECT_EQ(severity_of(incident), 99);
}

}  // namespace
}  // namespace doorslam::alert
