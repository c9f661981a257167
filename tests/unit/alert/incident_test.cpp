#include <gtest/gtest.h>

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

}  // namespace
}  // namespace doorslam::alert
