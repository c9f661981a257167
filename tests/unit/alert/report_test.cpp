#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "pipeline/alert/incident_steps.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/report.h"
#include "pipeline/alert/report_incident.h"
#include "pipeline/base/wrap.h"
#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using diagnose::Cause;
using sample::kEpoch;
using sample::kS;

const CaptureSummary kCapture{{"office.pcap"},  12'345,           12'000, {{"not TCP", 345}, {"malformed", 0}},
                              kEpoch - 10 * kS, kEpoch + 50 * kS, {}};

/// Runs connections through log and report as the command does.
std::string reported(const std::vector<diagnose::DiagnosedConnection>& connections, const ReportOptions& options = {}) {
  IncidentLog log;
  Report report(options);
  std::vector<AlertEvent> events;
  for (const auto& connection : connections) {
    report.observe(connection);
    log.observe(connection, events);
  }
  log.finish(events);
  for (const AlertEvent& event : events) report.observe(event);
  return report.render(kCapture);
}

std::vector<diagnose::DiagnosedConnection> classic_day() {
  std::vector<diagnose::DiagnosedConnection> connections;
  for (std::uint16_t i = 0; i < 9; ++i) {
    connections.push_back(sample::connection(Cause::served,
                                             sample::endpoint("192.0.2." + std::to_string(20 + i), 40000),
                                             sample::endpoint("198.51.100.5", 21), kEpoch - (9 - i) * kS));
  }
  connections.push_back(sample::classic());
  return connections;
}

TEST(Report, ArguesTheClassicRefusalAsAnExpertWould) {
  const std::string text = reported(classic_day());
  EXPECT_EQ(
      text,
      R"(SUMMARY ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━

  capture       office.pcap
  time          2026-01-02 03:03:55.000 to 2026-01-02 03:04:55.000 UTC (1 min 00 s)
  packets       12,345 read, 12,000 used
                345 not used: not TCP

  connections                           10
    served                               9
    refused                              1
      acl_denied                         1   Refused by client address
    client went away itself              0
    cannot tell                          0

  servers most refused    refused   served   by cause
    198.51.100.5:21             1        9   acl_denied 1

REFUSALS: 1 incident ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━

[1] Refused by client address: 198.51.100.5:21 (ftp), 1 connection of client 192.0.2.10 refused
    The application, or a packet filter on the server, refused this client by its address.

    where       198.51.100.5:21 (ftp)
    who         192.0.2.10 (1 refused)
    when        2026-01-02 03:04:05.000 UTC
    severity    low
    meanwhile   Nobody was served on this endpoint; 9 connections had been served before.

    ON THE WIRE
    192.0.2.10:40001 → 198.51.100.5:21, 2026-01-02 03:04:05.000, conn_state SF
    +0.000000  client ──▶ server  SYN      seq 0         len 0  ttl 63
    +0.000420  client ◀── server  SYN,ACK  seq 0  ack 1  len 0  ttl 64
    +0.000790  client ──▶ server  ACK      seq 1  ack 1  len 0  ttl 63  handshake complete
    +0.001350  client ◀── server  FIN,ACK  seq 1  ack 1  len 0  ttl 64  server closes without a byte
    +0.001360  client ──▶ server  ACK      seq 1  ack 2  len 0  ttl 63
    +0.001700  client ──▶ server  FIN,ACK  seq 1  ack 2  len 0  ttl 63  client closes
    +0.002100  client ◀── server  ACK      seq 2  ack 2  len 0  ttl 64

    WHY
    █████████░    87 %  Refused by client address: most likely
      + this client was refused 4 of 4 times while 9 others were served
    █░░░░░░░░░    11 %  Connection limit reached: unlikely
      – no 421 or other word of a limit
      – 3 sessions were open where 12 had been served before
    ░░░░░░░░░░     2 %  Application crashed: unlikely
      – other sessions of this server went on
    ░░░░░░░░░░     0 %  Faulty handshake ACK: ruled out
      – the ACK's numbers fit, and a bad ACK meets RST, not FIN

    WHAT TO DO NEXT
      1. Ask the administrator of the server's application.
      2. With vsftpd: tcp_wrappers=YES in /etc/vsftpd.conf hands the client's address to /etc/hosts.allow and
         /etc/hosts.deny ("421 Service not available"): look there for a rule on the client, its network or
         its reverse DNS name.
      3. With proftpd: <Limit LOGIN> with Allow from / Deny from, From classes, and mod_wrap2 (WrapTables,
         hosts.allow and hosts.deny) in proftpd.conf.
      4. With pure-ftpd: pure-pw usermod -r and -R: the client addresses that a virtual user may and may not
         come from. Behind inetd or xinetd: tcpd with /etc/hosts.allow and /etc/hosts.deny.
      5. Read the application's log at this time for this client's address; most programs log the refusal
         although they tell the client nothing.
      6. On hosts with tcp_wrappers look into /etc/hosts.allow and /etc/hosts.deny; `ldd $(which PROGRAM) |
         grep libwrap` says whether the program asks them, `tcpdmatch PROGRAM 192.0.2.10` what they answer.
      7. Does the client come from a new network, a VPN or behind another NAT? Then the list may simply not
         know it yet.
      8. With xinetd: only_from, no_access, access_times in /etc/xinetd.conf and /etc/xinetd.d/SERVICE.
      More: doorslam explain acl_denied

)");
}

TEST(Report, SaysSoWhenNothingWasRefused) {
  auto connections = classic_day();
  connections.pop_back();
  EXPECT_NE(reported(connections).find("No connection was refused.\n"), std::string::npos);
}

TEST(Report, ShowsASecondIncidentOfItsKindInBrief) {
  auto connections = classic_day();
  auto second = sample::classic();
  second.summary.responder = sample::endpoint("198.51.100.6", 21);
  second.judged_ns += kS;
  connections.push_back(second);
  const std::string text = reported(connections);
  EXPECT_NE(text.find("[2] Refused by client address: 198.51.100.6:21"), std::string::npos);
  EXPECT_EQ(text.find("WHAT TO DO NEXT"), text.rfind("WHAT TO DO NEXT"));
  EXPECT_NE(text.find("    why         87 % acl_denied: this client was refused 4 of 4 times"), std::string::npos)
      << text;
}

TEST(Report, PutsTheGraverIncidentFirst) {
  auto connections = classic_day();
  auto crash = sample::classic();
  crash.summary.responder = sample::endpoint("198.51.100.7", 6379);
  crash.diagnosis.cause = Cause::app_crash;
  crash.judged_ns += kS;
  connections.push_back(crash);
  const std::string text = reported(connections);
  EXPECT_LT(text.find("[1] Application crashed"), text.find("[2] Refused by client address"));
}

TEST(Report, SaysOfACrashWhenItCutOffAndWhenThatHadBegun) {
  std::vector<diagnose::DiagnosedConnection> cut;
  for (int i = 0; i < 2; ++i) {
    auto crash = sample::classic();
    crash.summary.originator.port = static_cast<std::uint16_t>(50'000 + i);
    crash.diagnosis.cause = Cause::app_crash;
    crash.evidence.reset();
    crash.summary.end_ns = kEpoch + 60 * kS + i * kS / 100;
    crash.judged_ns = crash.summary.end_ns + kS;
    cut.push_back(crash);
  }
  const std::string text = reported(cut);
  EXPECT_NE(text.find("03:05:05"), std::string::npos) << text;
  EXPECT_NE(text.find("2 connections cut off in 10.0 ms"), std::string::npos) << text;
  EXPECT_NE(text.find("2 connections of client 192.0.2.10 cut off"), std::string::npos) << text;
  EXPECT_NE(text.find("begun"), std::string::npos) << text;
}

TEST(IncidentWords, TellWhatWasServedMeanwhileFromWhatWasServedSince) {
  Incident incident;
  incident.contrast = {.served_before = 0, .served = 0, .served_after = 12, .served_clients = {.count = 3}};
  EXPECT_EQ(contrast_words(incident),
            "Nobody was served on this endpoint until the last refusal, 12 connections of 3 clients since.");
  incident.contrast.served = 4;
  EXPECT_EQ(contrast_words(incident),
            "4 connections served on this endpoint, 12 more since the last refusal, of 3 clients.");
}

TEST(IncidentWords, TellTheSessionsThatWentOnFromNewcomers) {
  Incident incident;
  incident.contrast.served_on = 2;
  EXPECT_EQ(contrast_words(incident),
            "No newcomer was served on this endpoint, while 2 sessions without a captured beginning went on.");
  incident.contrast.served_after = 1;
  incident.contrast.served_clients.count = 1;
  EXPECT_EQ(contrast_words(incident),
            "No newcomer was served on this endpoint until the last refusal, 1 connection of 1 client since.");
}

TEST(IncidentWords, TellWhatTheClientOfASweepWasServed) {
  Incident incident;
  incident.scope = IncidentScope::client;
  EXPECT_EQ(contrast_words(incident), "This client was served nowhere.");
  incident.contrast.served_on = 1;
  EXPECT_EQ(contrast_words(incident), "This client was served 1 time elsewhere.");
  incident.contrast.served = incident.contrast.served_after = 2;
  EXPECT_EQ(contrast_words(incident), "This client was served 5 times elsewhere.");
}

TEST(Report, FitsItsWidthAndColoursOnlyWhenAsked) {
  auto connections = classic_day();
  connections.back().diagnosis.banner = std::string(150, 'x') + " y";
  connections.back().diagnosis.hypotheses[0].evidence_for.push_back(
      "a long sentence that goes on and on about what speaks for it, with figures 1, 2 and 3, and does not come to an "
      "end");
  const std::string text = reported(connections, {.width = 100});
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("xxx") == std::string::npos) {
      EXPECT_LE(columns(line), 100U) << line;
    }
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const std::string coloured = reported(connections, {.width = 100, .colour = true});
  EXPECT_NE(coloured.find("\x1b[1m"), std::string::npos);
}

/// A terminal must not be at the mercy of what a server says.
TEST(Report, LetsNoOctetOfABannerReachTheTerminal) {
  auto connections = classic_day();
  connections.back().diagnosis.banner = "220 \xff\x1b[2J";
  connections.back().diagnosis.hypotheses[0].evidence_for = {"it said \x1b]0;\x07\xc2\x9b and no more"};
  const std::string text = reported(connections);
  EXPECT_NE(text.find("\"220 \\xff\\x1b[2J\""), std::string::npos) << text;
  EXPECT_NE(text.find("+ it said \\x1b]0;\\x07\\x9b and no more"), std::string::npos) << text;
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(Report, PutsManyPortsOfAServerIntoOneRow) {
  std::vector<diagnose::DiagnosedConnection> connections;
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    connections.push_back(sample::connection(Cause::port_closed, sample::endpoint("192.0.2.66", 1),
                                             sample::endpoint("198.51.100.9", port), kEpoch + port * sample::kMs));
  }
  const std::string text = reported(connections);
  EXPECT_NE(text.find("198.51.100.9, 1,000 ports"), std::string::npos) << text;
  EXPECT_NE(text.find("One client tried 1,000 ports of this server: a port scan."), std::string::npos);
  EXPECT_NE(text.find("REFUSALS: 1 incident "), std::string::npos);
}

TEST(Report, DoesNotBlameTheServerForAClientThatFailed) {
  auto vanished = sample::classic();
  vanished.diagnosis.cause = Cause::client_vanished;
  const std::string text = reported({vanished});
  EXPECT_NE(text.find("\nFAILURES: 1 incident "), std::string::npos) << text;
  EXPECT_NE(text.find("198.51.100.5:21 (ftp), 1 connection of client 192.0.2.10 failed\n"), std::string::npos) << text;
  EXPECT_NE(text.find("who         192.0.2.10 (1 failed)\n"), std::string::npos);
  EXPECT_NE(text.find("    refused                              0\n    failed at the client                 1\n"),
            std::string::npos);
  EXPECT_EQ(text.find("servers most refused"), std::string::npos);
  vanished.judged_ns += kS;
  auto refused = sample::classic();
  refused.judged_ns += kS;
  const std::string both = reported({vanished, refused});
  EXPECT_NE(both.find("REFUSALS AND FAILURES: 2 incidents, the most severe first "), std::string::npos) << both;
}

TEST(Report, SaysSoWhereThereIsNoConnection) {
  EXPECT_NE(reported({}).find("There is no TCP connection in it.\n"), std::string::npos);
  EXPECT_EQ(reported({}).find("No connection was refused."), std::string::npos);
}

TEST(Report, SaysWhatTheFilterLeft) {
  CaptureSummary capture;
  capture.packets = 1234;
  capture.filtered_out = 1234;
  std::string text = Report().render(capture);
  EXPECT_NE(text.find("The filter matches none of the 1,234 packets. "), std::string::npos) << text;
  EXPECT_NE(text.find("or (vlan and host X)"), std::string::npos) << text;
  EXPECT_EQ(text.find("There is no TCP connection in it."), std::string::npos);
  capture.filtered_out = 1230;
  text = Report().render(capture);
  EXPECT_NE(text.find("There is no TCP connection in the 4 of 1,234 packets that match the filter."), std::string::npos)
      << text;
}

TEST(Report, NamesTheClientsThatWentAwayAndOfWhichItCannotTell) {
  std::vector<diagnose::DiagnosedConnection> connections;
  for (const auto& [client, times] :
       {std::pair("192.0.2.7", 2), {"192.0.2.8", 5}, {"192.0.2.9", 1}, {"192.0.2.6", 1}}) {
    for (int i = 0; i < times; ++i) {
      connections.push_back(sample::connection(Cause::client_abort, sample::endpoint(client, 40000),
                                               sample::endpoint("198.51.100.5", 21), kEpoch));
    }
  }
  connections.push_back(sample::connection(Cause::unknown, sample::endpoint("192.0.2.5", 40000),
                                           sample::endpoint("198.51.100.5", 21), kEpoch));
  const std::string text = reported(connections);
  EXPECT_NE(
      text.find("client went away itself              9   most often 192.0.2.8 (5), 192.0.2.7 (2), 192.0.2.6 (1), …\n"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("cannot tell                          1   most often 192.0.2.5 (1)\n"), std::string::npos)
      << text;
}

TEST(Report, KeepsCopiesApartFromLosses) {
  auto connections = classic_day();
  connections.back().summary.duplicates = 64;
  std::string text = reported(connections);
  EXPECT_NE(text.find("  mirror        the mirror delivered 64 packets twice; the copies were dropped"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("capture loss"), std::string::npos);
  connections.back().summary.one_sided = true;
  text = reported(connections);
  EXPECT_NE(text.find("  capture loss  one direction is missing in 1 of 10 connections"), std::string::npos) << text;
}

TEST(Report, SaysThatTheSnapLengthCutWords) {
  CaptureSummary capture = kCapture;
  EXPECT_EQ(Report().render(capture).find("snap length"), std::string::npos);
  capture.cut = 4567;
  EXPECT_NE(Report().render(capture).find("  capture loss  the snap length cut 4,567 of 12,345 packets"),
            std::string::npos);
}

TEST(Report, CallsStandardInputByItsName) {
  CaptureSummary capture = kCapture;
  capture.captures = {"-"};
  EXPECT_NE(Report().render(capture).find("  capture       standard input\n"), std::string::npos);
}

TEST(Report, CutsNoLineOfAPacketInAFile) {
  auto connections = classic_day();
  auto evidence = *connections.back().evidence;
  evidence.first_rungs[3].note = tcp::RungNote::bad_handshake_ack;
  connections.back().evidence = std::make_shared<const tcp::Evidence>(evidence);
  const std::string note =
      "server closes without a byte; acknowledges a number that the server did not offer (should be 1)";
  EXPECT_NE(reported(connections).find(note), std::string::npos);
  EXPECT_EQ(reported(connections, {.screen = 110}).find(note), std::string::npos);
  EXPECT_NE(reported(connections, {.screen = 200}).find(note), std::string::npos);
}

Incident incident_of(const std::vector<diagnose::DiagnosedConnection>& connections) {
  IncidentLog log;
  std::vector<AlertEvent> events;
  for (const auto& connection : connections) log.observe(connection, events);
  log.finish(events);
  for (const AlertEvent& event : events) {
    if (event.action == AlertAction::closed && event.incident.folded_into == 0) return event.incident;
  }
  return {};
}

/// The servers that a scan met have nothing to be asked; the client has.
TEST(IncidentWords, AskAboutTheClientOfAScan) {
  std::vector<diagnose::DiagnosedConnection> scan;
  std::vector<diagnose::DiagnosedConnection> sweep;
  for (std::uint16_t i = 1; i <= 199; ++i) {
    scan.push_back(sample::connection(Cause::port_closed, sample::endpoint("192.0.2.66", 1),
                                      sample::endpoint("198.51.100.9", i), kEpoch + i * sample::kMs));
    sweep.push_back(sample::connection(Cause::port_closed, sample::endpoint("192.0.2.66", 1),
                                       sample::endpoint("198.51.100." + std::to_string(i), 445),
                                       kEpoch + i * sample::kMs));
  }
  EXPECT_EQ(place_words(incident_of(scan)), "198.51.100.9, 199 ports");
  EXPECT_EQ(place_words(incident_of(sweep)), "199 servers, port 445");
  for (const Incident& incident : {incident_of(scan), incident_of(sweep)}) {
    EXPECT_EQ(whom_to_ask(incident), "the owner of 192.0.2.66");
    const auto steps = steps_of(incident);
    ASSERT_FALSE(steps.empty());
    EXPECT_NE(steps.front().find("Whose is 192.0.2.66"), std::string::npos);
    for (const std::string& step : steps) EXPECT_EQ(step.find("PORT"), std::string::npos) << step;
  }
}

TEST(IncidentWords, LeaveNoPortUnnamedInACommand) {
  std::vector<diagnose::DiagnosedConnection> host_down;
  for (std::uint16_t i = 1; i <= 40; ++i) {
    host_down.push_back(sample::connection(Cause::port_closed, sample::endpoint("192.0.2." + std::to_string(i), 1),
                                           sample::endpoint("198.51.100.9", 5000 + i), kEpoch + i * sample::kMs));
  }
  const Incident incident = incident_of(host_down);
  ASSERT_EQ(incident.scope, IncidentScope::server);
  for (const std::string& step : steps_of(incident)) EXPECT_EQ(step.find("PORT"), std::string::npos) << step;
}

TEST(IncidentWords, GoByHowFarTheConnectionGot) {
  auto reset = sample::classic();
  reset.diagnosis.cause = Cause::middlebox_reset;
  const auto advises_idle_times = [&](tcp::Stage stage) {
    reset.summary.stage = stage;
    const auto steps = steps_of(incident_of({reset}));
    return std::any_of(steps.begin(), steps.end(),
                       [](const std::string& step) { return step.find("Idle before") != std::string::npos; });
  };
  EXPECT_TRUE(advises_idle_times(tcp::Stage::request));
  EXPECT_FALSE(advises_idle_times(tcp::Stage::syn));
}

TEST(IncidentWords, TellOfOneClientInTheSingular) {
  auto connections = classic_day();
  auto served = sample::connection(Cause::served, sample::endpoint("192.0.2.10", 40000),
                                   sample::endpoint("198.51.100.5", 21), kEpoch + kS);
  served.judged_ns = connections.back().judged_ns + kS;
  connections.push_back(served);
  EXPECT_EQ(contrast_words(incident_of(connections)),
            "1 connection of 1 client served on this endpoint; 9 connections had been served before. The same client "
            "was served as well.");
}

TEST(Likelihood, HasAWordForEveryProbability) {
  EXPECT_EQ(likelihood(0.6, true), "most likely");
  EXPECT_EQ(likelihood(0.3, false), "possible");
  EXPECT_EQ(likelihood(0.1, false), "unlikely");
  EXPECT_EQ(likelihood(0.01, false), "very unlikely");
  EXPECT_EQ(likelihood(0.005, false), "very unlikely");
  EXPECT_EQ(likelihood(0.0049, false), "ruled out") << "shown as 0 %";
}

}  // namespace
}  // namespace doorslam::alert
