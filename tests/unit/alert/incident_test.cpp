#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/distinct_sketch.h"
#include "pipeline/alert/incident.h"
#include "pipeline/alert/open_incident.h"
#include "tests/support/segment_scenario.h"
#include "tests/unit/alert/feed.h"

namespace doorslam::alert {
namespace {

using diagnose::Cause;
using sample::endpoint;
using sample::kEpoch;
using sample::kMs;
using sample::kS;

TEST(IncidentLog, MakesOneIncidentOfManyRefusals) {
  Feed feed;
  for (std::uint16_t i = 0; i < 50; ++i) {
    feed.put(Cause::connection_limit, endpoint(numbered(i % 7), 1000), kServer, i * 100 * kMs);
  }
  feed.log.finish(feed.events);
  ASSERT_EQ(feed.events.size(), 2U);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.refused, 50U);
  EXPECT_EQ(incident.distinct_clients.count, 7U);
  EXPECT_FALSE(incident.distinct_clients.lower_bound);
  EXPECT_EQ(incident.first_ns, kEpoch);
  EXPECT_EQ(incident.last_ns, kEpoch + 4'900 * kMs);
  EXPECT_EQ(incident.sample_clients.front().refused, 8U);
  EXPECT_EQ(incident.sample_clients.front().address, sample::address(numbered(0)));
}

/// Each night is an incident of its own; what they have in common shows all the same.
TEST(IncidentLog, RemembersTheTimesOfAnEndpointOverItsIncidents) {
  Feed feed;
  const flowtable::DurationNs until_two = (23 * 3600 - 4 * 60 - 5) * kS;  // from 03:04:05
  for (int day = 0; day < 5; ++day) {
    const flowtable::DurationNs midnight = until_two - 7200 * kS + day * 86'400 * kS;
    for (int i = 0; i < 300; ++i) {
      const bool refuses = i >= 25 && i < 29;  // 02:00 to 02:15
      feed.put(refuses ? Cause::maintenance : Cause::served, endpoint(numbered(static_cast<std::uint32_t>(i)), 1000),
               kServer, midnight + i * 288 * kS + 12 * kS);
    }
  }
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 5U);
  EXPECT_FALSE(feed.events.front().incident.times) << "one night is no pattern";
  ASSERT_TRUE(feed.events.back().incident.times);
  const RefusedTimes& times = *feed.events.back().incident.times;
  EXPECT_EQ(times.kind, TimesKind::day);
  EXPECT_EQ(times.from_seconds, 7200U);
  EXPECT_EQ(times.to_seconds, 8100U);
  EXPECT_EQ(times.cycles, 5U);
  EXPECT_EQ(times.refused, 20U);
  EXPECT_EQ(times.served_within, 0U);
}

/// A port scan must not push out what is known of the times of services.
TEST(IncidentLog, RemembersNoTimesOfClosedPorts) {
  Feed feed;
  for (int i = 0; i < 50; ++i) {
    const auto at = i * 60 * kS;
    feed.put(Cause::served, endpoint("192.0.2.2", 1), kServer, at + 30 * kS);
    feed.put(Cause::port_closed, endpoint("192.0.2.1", 1), kServer, at + 31 * kS);
  }
  feed.log.finish(feed.events);
  for (const AlertEvent& event : feed.events) EXPECT_FALSE(event.incident.times);
}

TEST(IncidentLog, SeparatesByServerPortAndCause) {
  Feed feed;
  feed.put(Cause::connection_limit, endpoint("192.0.2.1", 1), kServer, 0);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 1);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), endpoint("198.51.100.5", 22), 2);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), endpoint("198.51.100.6", 22), 3);
  feed.put(Cause::acl_denied, endpoint("192.0.2.2", 1), endpoint("198.51.100.6", 22), 4);
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::closed), 4U);
}

TEST(IncidentLog, CountsTheReasonsOfItsConnectionsUpToABound) {
  Feed feed;
  for (std::uint32_t i = 0; i < 100; ++i) {
    auto connection = sample::classic();
    connection.judged_ns = kEpoch + i * kMs;
    connection.diagnosis.signature = {"words-" + std::to_string(i < 60 ? 0 : i), "program", "protocol"};
    feed.log.observe(connection, feed.events);
  }
  feed.log.finish(feed.events);
  const Incident& incident = feed.events.back().incident;
  ASSERT_EQ(incident.reasons.size(), 16U);
  EXPECT_EQ(incident.reasons.front().signature, "words-0");
  EXPECT_EQ(incident.reasons.front().refused, 60U);
  EXPECT_EQ(incident.reasons_left_out, 100U - 60U - 15U);
}

/// Served connections, clients that went away and connections that nobody can explain are no alerts.
TEST(IncidentLog, IsSilentWithoutRefusals) {
  Feed feed;
  for (const Cause cause : {Cause::served, Cause::client_abort, Cause::unknown}) {
    feed.put(cause, endpoint("192.0.2.1", 1), kServer, 0);
  }
  feed.log.finish(feed.events);
  EXPECT_TRUE(feed.events.empty());
}

TEST(IncidentLog, GoesByNewThresholdsFromItsNextLook) {
  Feed feed({.update_interval_ns = 60 * kS, .quiet_ns = 300 * kS});
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 0);
  feed.log.advance(kEpoch + 10 * kS, feed.events);
  feed.log.reconfigure({.update_interval_ns = 60 * kS, .quiet_ns = 30 * kS});
  feed.log.advance(kEpoch + 70 * kS, feed.events);
  EXPECT_EQ(feed.count(AlertAction::closed), 1U);
}

TEST(IncidentLog, UpdatesAtIntervalsAndOnlyWithNews) {
  Feed feed({.update_interval_ns = 60 * kS, .quiet_ns = 300 * kS});
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 0);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 10 * kS);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 20 * kS);
  feed.log.advance(kEpoch + 250 * kS, feed.events);
  ASSERT_EQ(feed.events.size(), 2U);
  EXPECT_EQ(feed.events[0].action, AlertAction::opened);
  EXPECT_EQ(feed.events[0].incident.refused, 1U);
  EXPECT_EQ(feed.events[1].action, AlertAction::updated);
  EXPECT_EQ(feed.events[1].time_ns, kEpoch + 60 * kS);
  EXPECT_EQ(feed.events[1].incident.refused, 3U);
  EXPECT_EQ(feed.events[1].incident.refused_since_update, 2U);
}

TEST(IncidentLog, ClosesWhenQuietAndOpensAnew) {
  Feed feed({.quiet_ns = 300 * kS});
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 0);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 200 * kS);
  feed.log.advance(kEpoch + 499 * kS, feed.events);
  EXPECT_EQ(feed.count(AlertAction::closed), 0U);
  feed.log.advance(kEpoch + 500 * kS, feed.events);
  ASSERT_EQ(feed.count(AlertAction::closed), 1U);
  EXPECT_EQ(feed.events.back().time_ns, kEpoch + 500 * kS);
  EXPECT_EQ(feed.log.open_count(), 0U);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, 600 * kS);
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 2U);
  EXPECT_NE(feed.events.front().incident.id, feed.events.back().incident.id);
}

/// A refusal every six minutes, where five are quiet: one incident that stays open, not ten an hour.
TEST(IncidentLog, StaysOpenLongerForWhatComesAndGoes) {
  const auto opened_in = [](IncidentOptions options, flowtable::DurationNs apart) {
    Feed feed(options);
    for (int i = 0; i < 40; ++i) feed.put(Cause::connection_limit, endpoint("192.0.2.9", 1000), kServer, i * apart);
    feed.log.finish(feed.events);
    EXPECT_EQ(feed.events.back().incident.refused, feed.count(AlertAction::opened) == 40 ? 1U : 39U);
    EXPECT_EQ(feed.events.back().incident.reopened, feed.count(AlertAction::opened) == 40 ? 0U : 1U);
    return feed.count(AlertAction::opened);
  };
  EXPECT_EQ(opened_in({}, 360 * kS), 2U);
  EXPECT_EQ(opened_in({}, 4000 * kS), 40U) << "too far apart to belong together";
  EXPECT_EQ(opened_in({.flap_ns = 0}, 360 * kS), 40U);
}

/// How often the caller asks for the time must not show: live and replayed input give the same alerts.
TEST(IncidentLog, DoesNotDependOnHowOftenTimeIsTold) {
  Feed seldom;
  Feed often;
  for (int i = 0; i < 40; ++i) {
    const auto at = i * 23 * kS + (i % 5) * 100 * kS;
    const auto client = endpoint(numbered(static_cast<std::uint32_t>(i % 3)), 1);
    for (auto told = at - 20 * kS; told < at; told += kS) often.log.advance(kEpoch + told, often.events);
    seldom.put(Cause::acl_denied, client, kServer, at);
    often.put(Cause::acl_denied, client, kServer, at);
  }
  seldom.log.finish(seldom.events);
  often.log.finish(often.events);
  ASSERT_EQ(seldom.events.size(), often.events.size());
  for (std::size_t i = 0; i < seldom.events.size(); ++i) {
    EXPECT_EQ(seldom.events[i].time_ns, often.events[i].time_ns) << i;
    EXPECT_EQ(seldom.events[i].action, often.events[i].action) << i;
    EXPECT_EQ(seldom.events[i].incident.refused, often.events[i].incident.refused) << i;
  }
}

TEST(IncidentLog, ContrastsTheRefusedWithTheServed) {
  Feed feed;
  for (std::uint32_t i = 0; i < 5; ++i) feed.put(Cause::served, endpoint(numbered(i), 1), kServer, 0);
  feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, kS);
  for (std::uint32_t i = 0; i < 9; ++i) feed.put(Cause::served, endpoint(numbered(i % 3), 1), kServer, 2 * kS);
  feed.put(Cause::served, endpoint("192.0.2.1", 1), kServer, 3 * kS);
  feed.put(Cause::served, endpoint("192.0.2.1", 1), endpoint("198.51.100.5", 80), 3 * kS);
  feed.log.finish(feed.events);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.contrast.served_before, 5U);
  EXPECT_EQ(incident.contrast.served, 10U);
  EXPECT_EQ(incident.contrast.served_clients.count, 4U);
  EXPECT_EQ(incident.contrast.served_refused_clients, 1U);
  EXPECT_EQ(incident.sample_clients[0].served, 1U);
}

/// A refusal is judged after its settle time; what was served beside it has then been seen already.
TEST(IncidentLog, ContrastsByWhenConnectionsStartedNotByWhenTheyWereJudged) {
  Feed feed;
  for (std::uint32_t i = 0; i < 40; ++i) feed.put(Cause::served, endpoint(numbered(i), 1), kServer, i * kS);
  auto refused = sample::connection(Cause::acl_denied, endpoint("192.0.2.1", 1), kServer, kEpoch + 30 * kS);
  refused.judged_ns = kEpoch + 60 * kS;
  feed.log.observe(refused, feed.events);
  feed.log.finish(feed.events);
  const IncidentContrast& contrast = feed.events.back().incident.contrast;
  EXPECT_EQ(contrast.served_before, 30U);
  EXPECT_EQ(contrast.served + contrast.served_after, 10U);
  EXPECT_EQ(contrast.served_clients.count, 10U);
}

/// Somebody who is served when it is over does not make it less of an outage.
TEST(IncidentLog, TellsWhatWasServedMeanwhileFromWhatWasServedSince) {
  Feed feed;
  const auto refuse = [&feed](flowtable::TimeNs at) {
    auto refused = sample::connection(Cause::maintenance, endpoint("192.0.2.1", 1), kServer, kEpoch + at);
    refused.judged_ns = kEpoch + at + 12 * kS;
    feed.log.observe(refused, feed.events);
  };
  feed.put(Cause::served, endpoint(numbered(1), 1), kServer, 5 * kS);
  feed.put(Cause::served, endpoint(numbered(2), 1), kServer, 40 * kS);
  refuse(30 * kS);
  refuse(34 * kS);
  feed.put(Cause::served, endpoint(numbered(3), 1), kServer, 50 * kS);
  feed.log.advance(kEpoch + 150 * kS, feed.events);
  const IncidentContrast before = feed.events.back().incident.contrast;
  EXPECT_EQ(before.served_before, 1U);
  EXPECT_EQ(before.served, 0U);
  EXPECT_EQ(before.served_after, 2U);
  EXPECT_EQ(before.served_clients.count, 2U);
  refuse(140 * kS);
  feed.log.finish(feed.events);
  const IncidentContrast after = feed.events.back().incident.contrast;
  EXPECT_EQ(after.served, 2U) << "it was not over";
  EXPECT_EQ(after.served_after, 0U);
}

/// Sessions that a crash cuts off began long before: who was served beside them was not served meanwhile.
TEST(IncidentLog, BeginsACrashWhenItCutsOff) {
  Feed feed;
  feed.put(Cause::served, endpoint(numbered(1), 1), kServer, 20 * kS);
  auto cut = sample::connection(Cause::app_crash, endpoint("192.0.2.1", 1), kServer, kEpoch);
  cut.summary.end_ns = kEpoch + 30 * kS;
  cut.evidence.reset();
  cut.judged_ns = kEpoch + 42 * kS;
  feed.log.observe(cut, feed.events);
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.events.back().incident.contrast.served_before, 1U);
  EXPECT_EQ(feed.events.back().incident.contrast.served, 0U);
}

TEST(IncidentLog, CountsDistinctClientsUpToABoundAndSaysSo) {
  Feed feed({.exact_clients = 100});
  for (std::uint32_t i = 0; i < 5'000; ++i) feed.put(Cause::silent_drop, endpoint(numbered(i), 1), kServer, i);
  feed.log.finish(feed.events);
  ASSERT_EQ(feed.count(AlertAction::opened), 1U) << "a SYN flood on one port is one incident";
  EXPECT_EQ(feed.events.back().incident.refused, 5'000U);
  EXPECT_EQ(feed.events.back().incident.distinct_clients.count, 100U);
  EXPECT_TRUE(feed.events.back().incident.distinct_clients.lower_bound);
  EXPECT_NEAR(static_cast<double>(feed.events.back().incident.distinct_clients.estimate), 5'000.0, 500.0);
}

/// Estimates must hold for few and for many, whatever the order, and add up over what is merged.
TEST(DistinctSketch, EstimatesWithinATenth) {
  for (const std::uint64_t number : {1U, 100U, 3'000U, 40'000U, 1'000'000U}) {
    DistinctSketch all;
    DistinctSketch odd;
    DistinctSketch even;
    for (std::uint64_t i = 0; i < number; ++i) {
      all.add(i);
      all.add(i);
      (i % 2 == 0 ? even : odd).add(i);
    }
    odd.merge(even);
    EXPECT_NEAR(static_cast<double>(all.estimate()), static_cast<double>(number), 0.1 * static_cast<double>(number));
    EXPECT_EQ(odd.estimate(), all.estimate());
  }
}

TEST(IncidentLog, KeepsTheConnectionWithTheMostEvidence) {
  Feed feed;
  feed.put(Cause::acl_denied, endpoint("192.0.2.7", 1), kServer, 0);
  auto classic = sample::classic();
  classic.summary.start_ns += kS;
  classic.judged_ns = kEpoch + kS;
  feed.log.observe(classic, feed.events);
  auto partial = sample::classic();
  partial.summary.one_sided = true;
  partial.judged_ns = kEpoch + 2 * kS;
  partial.summary.originator.port = 9;
  feed.log.observe(partial, feed.events);
  feed.log.finish(feed.events);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.sample.summary.originator.port, 40001);
  EXPECT_NE(incident.sample.evidence, nullptr);
  EXPECT_EQ(incident.quality.connections, 3U);
  EXPECT_EQ(incident.quality.one_sided, 1U);
}

/// The sentences of the sample count what was refused so far: those of an early one would contradict the incident.
TEST(IncidentLog, ShowsTheLatestOfThoseThatShowAsMuch) {
  Feed feed;
  for (int i = 0; i < 7; ++i) {
    auto refused = sample::classic();
    refused.summary.originator.port = static_cast<std::uint16_t>(41000 + i);
    refused.summary.start_ns += i * kS;
    refused.judged_ns = kEpoch + i * kS;
    refused.diagnosis.hypotheses.resize(1);
    refused.diagnosis.hypotheses[0].evidence_for = {"one", "two", "three", "four"};
    if (i == 6) refused.diagnosis.hypotheses[0].evidence_for.resize(2);  // much less
    if (i == 5) refused.diagnosis.hypotheses[0].evidence_for.resize(3);
    feed.log.observe(refused, feed.events);
  }
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.events.back().incident.sample.summary.originator.port, 41005);
}

// --- folding --------------------------------------------------------------------------------------------------------

TEST(Folding, MakesOneAlertOfAScanOf65536Ports) {
  Feed feed;
  for (std::uint32_t port = 0; port < 65'536; ++port) {
    feed.put(Cause::port_closed, endpoint("192.0.2.66", 50000),
             endpoint("198.51.100.9", static_cast<std::uint16_t>(port)), port * std::int64_t{50'000});
  }
  EXPECT_LE(feed.log.open_count(), 12U);
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 1U);
  ASSERT_EQ(feed.count(AlertAction::closed), 1U);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.scope, IncidentScope::server);
  EXPECT_EQ(incident.server, endpoint("198.51.100.9", 0));
  EXPECT_EQ(incident.refused, 65'536U);
  EXPECT_EQ(incident.distinct_ports.count, 65'536U);
  EXPECT_EQ(incident.distinct_clients.count, 1U);
  EXPECT_EQ(incident.first_ns, kEpoch);
}

/// What each port answered (a RST, nothing, an ICMP error) is a matter of the ports; the scan is one.
TEST(Folding, MakesOneAlertOfAScanWhateverItsPortsAnswered) {
  constexpr std::array kAnswers = {Cause::port_closed, Cause::silent_drop, Cause::icmp_admin_prohibited};
  Feed few;
  for (std::uint16_t port = 1; port <= 15; ++port) {
    few.put(kAnswers[port % 3U], endpoint("192.0.2.66", 50000), endpoint("198.51.100.9", port), port * kMs);
  }
  few.log.finish(few.events);
  ASSERT_EQ(few.count(AlertAction::opened), 1U) << "five of each";
  EXPECT_EQ(few.events.back().incident.refused, 15U);
  EXPECT_EQ(few.events.back().incident.distinct_ports.count, 15U);
  ASSERT_EQ(few.events.back().incident.reasons.size(), 3U);
  EXPECT_EQ(few.events.back().incident.reasons.front().refused, 5U);

  // Silence is judged later than a RST, and the first silent ports may have been told.
  Feed many;
  for (std::uint16_t port = 1; port <= 3; ++port) {
    many.put(Cause::silent_drop, endpoint("192.0.2.66", 50000), endpoint("198.51.100.9", port), port * kMs);
  }
  many.log.advance(kEpoch + 5 * kS, many.events);
  for (std::uint16_t port = 10; port < 500; ++port) {
    many.put(Cause::port_closed, endpoint("192.0.2.66", 50000), endpoint("198.51.100.9", port), 6 * kS + port * kMs);
  }
  for (std::uint16_t port = 4; port <= 8; ++port) {
    many.put(Cause::silent_drop, endpoint("192.0.2.66", 50000), endpoint("198.51.100.9", port), 20 * kS + port * kMs);
  }
  many.log.finish(many.events);
  const Incident& scan = many.events.back().incident;
  EXPECT_EQ(scan.scope, IncidentScope::server);
  EXPECT_EQ(scan.cause, Cause::port_closed);
  EXPECT_EQ(scan.refused, 498U);
  EXPECT_EQ(many.count(AlertAction::opened), 4U);
  EXPECT_EQ(std::ranges::count_if(many.events,
                                  [&](const AlertEvent& event) {
                                    return event.action == AlertAction::closed && event.incident.folded_into == scan.id;
                                  }),
            3);
}

/// Each transfer of FTP has a port of its own: the refused ones are one story, and no scan of the server.
TEST(Folding, MakesOneAlertOfTheDataConnectionsOfFtp) {
  Feed feed;
  const auto refuse = [&feed](std::uint16_t port, std::uint32_t client, flowtable::DurationNs at) {
    auto data = sample::connection(Cause::silent_drop, endpoint(numbered(client), 40'000),
                                   endpoint("198.51.100.9", port), kEpoch + at);
    data.diagnosis.ftp_control = endpoint("198.51.100.9", 21);
    feed.log.observe(data, feed.events);
  };
  for (std::uint16_t i = 0; i < 30; ++i) refuse(static_cast<std::uint16_t>(50'000 + i), i % 2, i * 20 * kS);
  feed.put(Cause::silent_drop, endpoint(numbered(0), 1), endpoint("198.51.100.9", 443), 600 * kS);
  feed.log.finish(feed.events);
  ASSERT_EQ(feed.count(AlertAction::opened), 2U) << "the service on port 443 is none of these";
  const auto of_data = std::ranges::find_if(feed.events, [](const AlertEvent& event) {
    return event.action == AlertAction::closed && event.incident.ftp_control.has_value();
  });
  ASSERT_NE(of_data, feed.events.end());
  EXPECT_EQ(of_data->incident.refused, 30U);
  EXPECT_EQ(of_data->incident.distinct_ports.count, 30U);
  EXPECT_EQ(*of_data->incident.ftp_control, endpoint("198.51.100.9", 21));
}

/// A service that is down for everybody must not vanish into the scan of somebody who met it, too.
TEST(Folding, LeavesAPortThatOthersMetOutOfAScan) {
  Feed feed;
  feed.put(Cause::silent_drop, endpoint("192.0.2.7", 1), endpoint("198.51.100.9", 443), 0);
  for (std::uint16_t port = 1; port <= 40; ++port) {
    feed.put(Cause::port_closed, endpoint("192.0.2.66", 1), endpoint("198.51.100.9", port), port * kMs);
  }
  feed.put(Cause::silent_drop, endpoint("192.0.2.7", 1), endpoint("198.51.100.9", 443), kS);
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 2U);
}

TEST(Folding, KeepsFewPortsApart) {
  Feed feed({.fold_ports = 3});
  for (std::uint16_t port = 1; port <= 3; ++port) {
    feed.put(Cause::port_closed, endpoint("192.0.2.66", 1), endpoint("198.51.100.9", port), port);
  }
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 3U);
}

/// A slow scan has told of its first ports when it turns out to be one: those incidents end and name the wider one.
TEST(Folding, ClosesWhatItHasToldAndNamesTheHeir) {
  Feed feed({.fold_ports = 3});
  for (std::uint16_t port = 1; port <= 6; ++port) {
    feed.put(Cause::port_closed, endpoint("192.0.2.66", 1), endpoint("198.51.100.9", port), port * 5 * kS);
  }
  feed.log.finish(feed.events);
  std::map<std::uint64_t, std::uint64_t> folded;
  std::uint64_t heir = 0;
  for (const AlertEvent& event : feed.events) {
    if (event.incident.scope == IncidentScope::server) heir = event.incident.id;
    if (event.action == AlertAction::closed && event.incident.folded_into != 0) {
      folded[event.incident.id] = event.incident.folded_into;
    }
  }
  ASSERT_EQ(folded.size(), 3U) << "the fourth was held back and never told";
  for (const auto& [id, into] : folded) EXPECT_EQ(into, heir);
  EXPECT_EQ(feed.events.back().incident.refused, 6U);
  EXPECT_EQ(feed.count(AlertAction::opened), feed.count(AlertAction::closed));
}

TEST(Folding, MakesOneAlertOfASweepOverManyServers) {
  Feed feed;
  for (std::uint32_t i = 0; i < 2'000; ++i) {
    feed.put(Cause::silent_drop, endpoint("192.0.2.66", 1), endpoint(numbered(i), 445), i * kMs / 2);
  }
  feed.log.finish(feed.events);
  ASSERT_EQ(feed.count(AlertAction::opened), 1U);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.scope, IncidentScope::client);
  EXPECT_EQ(incident.client, sample::address("192.0.2.66"));
  EXPECT_EQ(incident.refused, 2'000U);
  EXPECT_EQ(incident.distinct_servers.count, 512U);
  EXPECT_TRUE(incident.distinct_servers.lower_bound);
  EXPECT_NEAR(static_cast<double>(incident.distinct_servers.estimate), 2'000.0, 200.0);
  EXPECT_EQ(incident.distinct_ports.count, 1U);
}

/// What the servers of a sweep did for others is not what they did for this client.
TEST(Folding, CountsOfASweepWhatItsClientWasServed) {
  for (const bool is_served : {false, true}) {
    Feed feed;
    const auto swept = endpoint("192.0.2.66", 1);
    for (std::uint32_t i = 0; i < 20; ++i) {
      const auto server = endpoint(numbered(i), 445);
      feed.put(Cause::served, endpoint("192.0.2.1", 1), server, i * kMs);
      feed.put(Cause::silent_drop, swept, server, (20 + i) * kMs);
      feed.put(Cause::served, endpoint("192.0.2.1", 1), server, (21 + i) * kMs);
      if (is_served) feed.put(Cause::served, swept, server, (22 + i) * kMs);
    }
    feed.log.finish(feed.events);
    const Incident& sweep = feed.events.back().incident;
    ASSERT_EQ(sweep.scope, IncidentScope::client);
    EXPECT_EQ(sweep.refused, 20U);
    EXPECT_EQ(sweep.contrast.served_before, 0U);
    EXPECT_EQ(sweep.contrast.served + sweep.contrast.served_after, is_served ? 20U : 0U) << "before it was one, too";
    EXPECT_EQ(sweep.contrast.served_clients.count, is_served ? 1U : 0U);
    EXPECT_EQ(sweep.sample_clients.at(0).served, is_served ? 20U : 0U);
  }
}

/// One server a day is no sweep, however many days go by; nor is what refused before that.
TEST(Folding, ForgetsWhatAClientMetLongAgo) {
  Feed feed({.quiet_ns = 300 * kS, .flap_ns = 0, .fold_servers = 3});
  const auto meet = [&feed](std::uint32_t server, flowtable::DurationNs at) {
    feed.put(Cause::port_closed, endpoint("192.0.2.66", 1), endpoint(numbered(server), 8080), at);
  };
  for (std::uint32_t day = 0; day < 20; ++day) {
    meet(day, day * 86'400 * kS);
    meet(day, (day * 86'400 + 3) * kS);
  }
  EXPECT_TRUE(std::ranges::all_of(
      feed.events, [](const AlertEvent& event) { return event.incident.scope == IncidentScope::endpoint; }));
  for (std::uint32_t i = 0; i < 4; ++i) meet(100 + i, (20 * 86'400 + i) * kS);
  feed.log.finish(feed.events);
  const Incident& sweep = feed.events.back().incident;
  EXPECT_EQ(sweep.scope, IncidentScope::client) << "four at a time are one";
  EXPECT_EQ(sweep.distinct_servers.count, 4U);
}

/// Which of too many clients are told one by one must not hang on where a hash has put them.
TEST(Folding, TellsTheSameWhateverTheHash) {
  const auto told_with = [](const flowtable::HashKey& key) {
    Feed feed({.exact_clients = 8, .fold_ports = 3, .hash_key = key});
    for (std::uint32_t i = 0; i < 200; ++i) {
      const auto port = static_cast<std::uint16_t>(1 + i % 5);
      feed.put(Cause::silent_drop, endpoint(numbered(i * 7919 % 61), 1), endpoint("198.51.100.9", port), i * kMs);
    }
    feed.log.finish(feed.events);
    std::string told;
    for (const ClientTally& tally : feed.events.back().incident.sample_clients) {
      told += std::to_string(tally.address.octets[3]) + ':' + std::to_string(tally.refused) + ' ';
    }
    return told;
  };
  const std::string told = told_with(flowtable::HashKey::fixed());
  for (int i = 0; i < 8; ++i) EXPECT_EQ(told_with(flowtable::HashKey::random()), told);
}

/// Refused on one port and served on another of the same server: it counts as both, once those are one incident.
TEST(Folding, KnowsWhoWasServedOnAnotherPort) {
  Feed feed({.fold_ports = 3});
  const auto scanned = [](std::uint16_t port) { return endpoint("198.51.100.9", port); };
  feed.put(Cause::silent_drop, endpoint("192.0.2.1", 1), scanned(1), 0);
  feed.put(Cause::silent_drop, endpoint("192.0.2.2", 1), scanned(2), 100 * kMs);
  feed.put(Cause::served, endpoint("192.0.2.1", 2), scanned(2), 200 * kMs);
  for (std::uint16_t port = 3; port <= 4; ++port) {
    feed.put(Cause::silent_drop, endpoint("192.0.2.2", port), scanned(port), 300 * kMs);
  }
  feed.log.finish(feed.events);
  const Incident& folded = feed.events.back().incident;
  ASSERT_EQ(folded.scope, IncidentScope::server);
  ASSERT_EQ(folded.contrast.served_clients.count, 1U);
  EXPECT_EQ(folded.contrast.served_refused_clients, 1U);
}

/// A session whose beginning was not captured is one of its port's; those of a server's ports add up.
TEST(Folding, AddsTheSessionsThatWentOnOverThePortsOfAServer) {
  Feed feed({.fold_ports = 3});
  for (std::uint16_t port = 1; port <= 4; ++port) {
    const auto scanned = endpoint("198.51.100.9", port);
    if (port == 2) feed.put(Cause::silent_drop, endpoint("192.0.2.2", port), scanned, port * kMs);
    feed.put(Cause::silent_drop, endpoint("192.0.2.1", port), scanned, port * kMs);
    auto session = sample::connection(Cause::served, endpoint("192.0.2.200", port), scanned, kEpoch - kS);
    session.summary.mid_stream = true;
    session.summary.side[0].payload_bytes = session.summary.side[1].payload_bytes = 100;
    session.summary.end_ns = session.judged_ns = kEpoch + port * kMs;
    feed.log.observe(session, feed.events);
  }
  feed.log.finish(feed.events);
  const Incident& folded = feed.events.back().incident;
  ASSERT_EQ(folded.scope, IncidentScope::server);
  EXPECT_EQ(folded.contrast.served_on, 4U);
}

/// More served clients than are told apart: whether one port has them or several, the number is a lower bound.
TEST(Folding, SaysThatMoreClientsWereServedThanItCounts) {
  for (const bool on_one_port : {true, false}) {
    Feed feed({.exact_clients = 2, .fold_ports = 3});
    const auto scanned = [](std::uint16_t port) { return endpoint("198.51.100.9", port); };
    const auto refuse = [&](std::uint16_t port, flowtable::DurationNs at) {
      feed.put(Cause::silent_drop, endpoint("192.0.2.1", port), scanned(port), at);
    };
    refuse(1, 0);
    refuse(2, kMs);
    for (std::uint16_t i = 0; i < 4; ++i) {
      const auto port = static_cast<std::uint16_t>(on_one_port ? 1 : 1 + i % 2);
      feed.put(Cause::served, endpoint(numbered(i), 1), scanned(port), (100 + i) * kMs);
    }
    for (std::uint16_t port = 3; port <= 4; ++port) refuse(port, 300 * kMs);
    feed.log.finish(feed.events);
    const Incident& folded = feed.events.back().incident;
    ASSERT_EQ(folded.scope, IncidentScope::server);
    EXPECT_EQ(folded.contrast.served_clients.count, 2U);
    EXPECT_TRUE(folded.contrast.served_clients.lower_bound) << on_one_port;
  }
}

/// Ports of servers that one client scans and another client meets too must not vanish into the scan.
TEST(Folding, LeavesOtherClientsTheirIncidents) {
  Feed feed({.fold_servers = 3});
  feed.put(Cause::port_closed, endpoint("192.0.2.1", 1), endpoint(numbered(0), 80), 0);
  for (std::uint32_t i = 0; i < 20; ++i)
    feed.put(Cause::port_closed, endpoint("192.0.2.66", 1), endpoint(numbered(i), 80), kMs);
  feed.log.finish(feed.events);
  std::size_t of_endpoint = 0;
  std::size_t of_client = 0;
  for (const AlertEvent& event : feed.events) {
    if (event.action != AlertAction::closed) continue;
    of_endpoint += event.incident.scope == IncidentScope::endpoint;
    of_client += event.incident.scope == IncidentScope::client;
  }
  EXPECT_EQ(of_endpoint, 1U);
  EXPECT_EQ(of_client, 1U);
}

/// An application's refusals are never a scan: each service has its own story.
TEST(Folding, NeverFoldsWhatTheApplicationRefused) {
  Feed feed;
  for (std::uint16_t port = 1; port <= 40; ++port) {
    feed.put(Cause::acl_denied, endpoint("192.0.2.1", 1), endpoint("198.51.100.9", port), port);
  }
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 40U);
}

/// Spoofed sources against random targets fill any table: then there is one incident a cause, and memory stays put.
TEST(Folding, EndsInOneIncidentWhenThereIsNoRoom) {
  Feed feed({.max_open = 50, .max_endpoints = 100, .max_clients = 100});
  for (std::uint32_t i = 0; i < 5'000; ++i) {
    feed.put(Cause::silent_drop, endpoint(numbered(i * 7919), 1), endpoint(numbered(1'000'000 + i), 80), i);
  }
  EXPECT_LE(feed.log.open_count(), 51U);
  feed.log.finish(feed.events);
  const auto& last = feed.events.back().incident;
  EXPECT_EQ(last.scope, IncidentScope::everywhere);
  EXPECT_EQ(last.refused, 4'950U);
  EXPECT_EQ(feed.count(AlertAction::opened), 51U);
}

/// Every second segment of an answer was lost by the capture.
TEST(CaptureQuality, TellsTheShareOfTheStreamThatWasLost) {
  test::Conversation talk;
  talk.handshake();
  talk.client(test::kPsh | test::kAck, std::string(1000, 'q'));
  for (int i = 0; i < 100; ++i) {
    talk.server(test::kPsh | test::kAck, std::string(1000, 'a'));
    if (i % 2 == 1) talk.lose_latest();
    talk.client(test::kAck);
  }
  talk.close();
  const auto tracked = test::track(talk.segments());
  const auto ended = tracked.ended();
  ASSERT_EQ(ended.size(), 1U);
  CaptureQuality quality;
  add_quality(quality, ended.front().summary);
  EXPECT_EQ(quality.gap_bytes, 50'000U);
  EXPECT_EQ(quality.payload_bytes, 101'000U);
  EXPECT_NEAR(quality.loss_ratio(), 50.0 / 101.0, 1e-9);
}

TEST(BoundedMap, ForgetsTheEntryLongestUntouched) {
  BoundedMap<flowtable::Endpoint, int> map(2, KeyHash(flowtable::HashKey::random()));
  map.touch(endpoint("192.0.2.1", 1)) = 1;
  map.touch(endpoint("192.0.2.2", 1)) = 2;
  map.touch(endpoint("192.0.2.1", 1));
  map.touch(endpoint("192.0.2.3", 1)) = 3;
  EXPECT_EQ(map.size(), 2U);
  EXPECT_EQ(map.find(endpoint("192.0.2.2", 1)), nullptr);
  EXPECT_EQ(map.touch(endpoint("192.0.2.1", 1)), 1) << "touched, so not forgotten";
}

}  // namespace
}  // namespace doorslam::alert
