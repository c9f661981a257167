#include <gtest/gtest.h>

#include <set>

#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/incident_steps.h"
#include "pipeline/alert/incident_words.h"
#include "tests/unit/alert/feed.h"

/// Whom an endpoint turns away in silence while it serves no newcomer.
namespace doorslam::alert {
namespace {

using diagnose::Cause;
using sample::endpoint;
using sample::kEpoch;
using sample::kMs;
using sample::kS;

/// The server accepts, and closes without a word; nothing tells why.
diagnose::DiagnosedConnection turned_away(std::uint32_t client, flowtable::DurationNs at, Cause cause = Cause::unknown,
                                          double confidence = 0.2) {
  auto connection = sample::classic();
  connection.summary.originator = endpoint(numbered(client), 1000);
  connection.summary.responder = kServer;
  connection.summary.start_ns = kEpoch + at;
  connection.summary.end_ns = connection.summary.start_ns + 2 * kMs;
  connection.judged_ns = connection.summary.start_ns + 12 * kS;
  connection.diagnosis.cause = cause;
  connection.diagnosis.confidence = confidence;
  connection.diagnosis.hypotheses = {{Cause::maintenance, 0.3, {}, {}}, {Cause::acl_denied, 0.25, {}, {}}};
  if (cause != Cause::unknown) connection.diagnosis.hypotheses = {{cause, confidence, {}, {}}};
  return connection;
}

/// What was served is known at once, so that it comes before what was refused earlier.
void serve_at(Feed& feed, flowtable::DurationNs at) {
  auto connection = sample::connection(Cause::served, endpoint("192.0.2.200", 1), kServer, kEpoch + at);
  connection.judged_ns = kEpoch + at + kMs;
  feed.log.observe(connection, feed.events);
}

TEST(Outage, IsToldWhereNobodyIsServedAndNothingTellsWhy) {
  Feed feed;
  for (std::uint32_t i = 0; i < 4; ++i) feed.log.observe(turned_away(i % 2, i * 20 * kS), feed.events);
  EXPECT_TRUE(feed.events.empty()) << "four may be chance";
  feed.log.observe(turned_away(2, 80 * kS), feed.events);
  ASSERT_EQ(feed.events.size(), 1U);
  EXPECT_EQ(feed.events.back().action, AlertAction::opened);
  for (std::uint32_t i = 5; i < 30; ++i) feed.log.observe(turned_away(i % 6, i * 20 * kS), feed.events);
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 1U);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.cause, Cause::unknown);
  EXPECT_EQ(incident.refused, 30U);
  EXPECT_EQ(incident.distinct_clients.count, 6U);
  EXPECT_EQ(incident.first_ns, kEpoch);
  EXPECT_EQ(incident.contrast.served, 0U);
  EXPECT_EQ(headline(incident),
            "Nobody served, cause unknown: 198.51.100.5:21 (ftp), 30 connections of 6 clients refused");
  EXPECT_EQ(
      pattern_words(incident),
      "The server accepted 30 connections of 6 clients within 9 min 40 s and closed each of them without a word, and "
      "was not seen to serve anybody. Why is not certain: in question are maintenance (30 %), acl_denied (25 %).");
  const std::vector<std::string> steps = steps_of(incident);
  ASSERT_GE(steps.size(), 2U);
  EXPECT_TRUE(steps[0].starts_with("Is what stands behind it up?")) << "the likeliest first";
  EXPECT_TRUE(steps[1].starts_with("A list of addresses? Connect from 198.51.100.5 itself"));
  EXPECT_EQ(severity_of(incident), 47) << "that no cause is likely is no doubt of the outage";
}

TEST(Outage, IsNoneWhereSomebodyIsServedMeanwhile) {
  Feed feed;
  for (std::uint32_t i = 0; i < 40; ++i) {
    if (i % 4 == 3) serve_at(feed, i * 20 * kS + kS);
    feed.log.observe(turned_away(i % 6, i * 20 * kS), feed.events);
  }
  feed.log.finish(feed.events);
  EXPECT_TRUE(feed.events.empty());
}

/// A session whose beginning was not captured shows that the server serves somebody, and nothing of newcomers.
TEST(Outage, KnowsTheSessionsWithoutABeginning) {
  Feed feed;
  const auto session = [](flowtable::DurationNs from, flowtable::DurationNs until) {
    auto connection = sample::connection(Cause::served, endpoint("192.0.2.200", 1), kServer, kEpoch + from);
    connection.summary.end_ns = connection.judged_ns = kEpoch + until;
    connection.summary.mid_stream = true;
    connection.summary.history = {};
    connection.summary.side[0].payload_bytes = connection.summary.side[1].payload_bytes = 100;
    return connection;
  };
  feed.log.observe(session(0, 5 * kS), feed.events);
  for (std::uint32_t i = 0; i < 4; ++i) feed.log.observe(turned_away(i % 3, (10 + i) * kS), feed.events);
  feed.log.observe(session(2 * kS, 20 * kS), feed.events);
  feed.log.observe(session(12 * kS, 40 * kS), feed.events);
  feed.log.observe(turned_away(3, 30 * kS), feed.events);
  ASSERT_EQ(feed.events.size(), 1U) << "newcomers are turned away all the same";
  EXPECT_EQ(feed.events.back().incident.contrast.served_on, 2U) << "one had ended before the first";
  feed.log.observe(session(kS, 60 * kS), feed.events);
  feed.log.finish(feed.events);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.contrast.served_on, 3U);
  EXPECT_EQ(incident.contrast.served, 0U);
  EXPECT_TRUE(headline(incident).starts_with("No newcomer served, cause unknown: ")) << headline(incident);
  EXPECT_NE(pattern_words(incident).find(" without a word, while 3 sessions without a captured beginning went on. "),
            std::string::npos)
      << pattern_words(incident);
}

/// One client may have a list against it, or a fault of its own; and two who try now and then are no outage.
TEST(Outage, IsNoneOfOneClientOrOfFewInALongTime) {
  Feed one;
  for (std::uint32_t i = 0; i < 40; ++i) one.log.observe(turned_away(1, i * kS), one.events);
  one.log.finish(one.events);
  EXPECT_TRUE(one.events.empty());
  Feed few;
  for (std::uint32_t i = 0; i < 40; ++i) few.log.observe(turned_away(i % 2, i * 100 * kS), few.events);
  few.log.finish(few.events);
  EXPECT_TRUE(few.events.empty());
}

/// However long ago the first was: the latest five decide, and all that were held back are told.
TEST(Outage, IsToldOfTheLatestThatComeCloseTogether) {
  Feed feed;
  std::uint32_t client = 0;
  for (const int at : {0, 200, 290, 310, 400}) feed.log.observe(turned_away(++client % 3, at * kS), feed.events);
  EXPECT_TRUE(feed.events.empty()) << "four within five minutes";
  feed.log.observe(turned_away(++client % 3, 480 * kS), feed.events);
  ASSERT_EQ(feed.events.size(), 1U);
  EXPECT_EQ(feed.events.back().incident.refused, 6U);
  EXPECT_EQ(feed.events.back().incident.first_ns, kEpoch);
  EXPECT_EQ(feed.events.back().incident.turned_away_before, 0U);
}

/// Another client that came once, long ago, does not make it an outage of several.
TEST(Outage, IsNoneOfOneClientAfterAnotherLongBefore) {
  Feed feed;
  feed.log.observe(turned_away(1, 0), feed.events);
  for (std::uint32_t i = 0; i < 20; ++i) feed.log.observe(turned_away(2, (301 + i) * kS), feed.events);
  EXPECT_TRUE(feed.events.empty());
}

TEST(Outage, IsNotPutOffByOneEarlyGuess) {
  Feed feed;
  feed.log.observe(turned_away(1, 0, Cause::acl_denied, 0.5), feed.events);
  for (std::uint32_t i = 0; i < 4; ++i) feed.log.observe(turned_away(2 + i, (10 + i) * kS), feed.events);
  ASSERT_EQ(feed.count(AlertAction::opened), 2U);
  const Incident& outage = feed.events[1].incident;
  EXPECT_EQ(outage.cause, Cause::unknown);
  EXPECT_EQ(outage.refused, 5U);
  EXPECT_EQ(feed.events[2].action, AlertAction::closed);
  EXPECT_EQ(feed.events[2].incident.folded_into, outage.id);
}

/// Once somebody is served, those before are no part of what follows, and are not passed over in silence either.
TEST(Outage, SaysHowManyItHasTurnedAwayBeforeItLastServed) {
  Feed feed;
  for (std::uint32_t i = 0; i < 3; ++i) feed.log.observe(turned_away(i, i * kS), feed.events);
  serve_at(feed, 20 * kS);
  feed.log.observe(turned_away(3, 19 * kS), feed.events);
  for (std::uint32_t i = 0; i < 5; ++i) feed.log.observe(turned_away(i, (30 + i) * kS), feed.events);
  ASSERT_EQ(feed.events.size(), 1U);
  const Incident& incident = feed.events.back().incident;
  EXPECT_EQ(incident.refused, 5U);
  EXPECT_EQ(incident.turned_away_before, 4U);
  EXPECT_TRUE(
      pattern_words(incident).ends_with(". Before it last served somebody it had turned away another 4 connections in "
                                        "the same way, which no alert counts."))
      << pattern_words(incident);
}

/// Refusals are judged later than what is served, so that the last of an outage come when somebody was served again.
TEST(Outage, CountsItsLastRefusalsThatAreJudgedWhenItIsOver) {
  for (const Cause cause : {Cause::unknown, Cause::acl_denied}) {
    Feed feed;
    for (std::uint32_t i = 0; i < 5; ++i) feed.log.observe(turned_away(i, i * kS), feed.events);
    serve_at(feed, 20 * kS + 20 * kMs);
    feed.log.observe(turned_away(5, 20 * kS, cause, 0.5), feed.events);
    feed.log.observe(turned_away(6, 21 * kS), feed.events);
    feed.log.finish(feed.events);
    EXPECT_EQ(feed.count(AlertAction::opened), 1U) << name_of(cause);
    const Incident& incident = feed.events.back().incident;
    EXPECT_EQ(incident.refused, 6U) << "who came after the served one is none of it";
    EXPECT_EQ(incident.last_ns, kEpoch + 20 * kS);
    EXPECT_EQ(incident.contrast.served, 0U) << "by then it was over";
    EXPECT_EQ(incident.contrast.served_after, 1U);
  }
}

/// Between two services, or where it is forgotten when somebody was served: nothing is claimed.
TEST(Outage, LeavesOutWhatCameAfterSomebodyWasServed) {
  for (const int served : {2, 60}) {
    Feed feed;
    for (std::uint32_t i = 0; i < 5; ++i) feed.log.observe(turned_away(i, i * kS), feed.events);
    for (int i = 0; i < served; ++i) serve_at(feed, 17 * kS + i * 150 * kMs);
    feed.log.observe(turned_away(5, 17 * kS + 100 * kMs), feed.events);
    feed.log.finish(feed.events);
    EXPECT_EQ(feed.events.back().incident.refused, 5U) << served;
  }
}

/// What is not there may have been lost: a late start, one direction, octets that no packet shows.
TEST(Outage, IsNoneOfConnectionsThatTheCaptureHasNotWhole) {
  Feed feed;
  for (std::uint32_t i = 0; i < 40; ++i) {
    auto connection = turned_away(i % 4, i * kS);
    connection.summary.mid_stream = i % 3 == 0;
    connection.summary.one_sided = i % 3 == 1;
    connection.summary.side[1].gap_bytes = i % 3 == 2 ? 10 : 0;
    feed.log.observe(connection, feed.events);
  }
  feed.log.finish(feed.events);
  EXPECT_TRUE(feed.events.empty());
}

/// Printers, log receivers and the like read what comes, have nothing to say and close. Whoever was asked in a protocol
/// that has answers, or has answered before, owes one.
TEST(Outage, IsNoneOfAServiceThatOnlyTakes) {
  const auto alerts_of = [](std::uint16_t port, std::string_view words, bool served_before) {
    Feed feed;
    if (served_before) {
      auto served =
          sample::connection(Cause::served, endpoint("192.0.2.200", 1), endpoint("198.51.100.5", port), kEpoch);
      served.judged_ns = kEpoch + kMs;
      feed.log.observe(served, feed.events);
    }
    for (std::uint32_t i = 0; i < 20; ++i) {
      auto connection = turned_away(i % 5, (10 + i) * kS);
      connection.summary.responder.port = port;
      connection.summary.side[0].payload_bytes = static_cast<std::uint32_t>(words.size());
      auto evidence = *connection.evidence;
      tcp::PayloadHead& head = evidence.of(tcp::Side::originator).head;
      head.length = static_cast<std::uint16_t>(words.size());
      std::ranges::copy(words, head.bytes.begin());
      connection.evidence = std::make_shared<const tcp::Evidence>(evidence);
      feed.log.observe(connection, feed.events);
    }
    return feed.count(AlertAction::opened);
  };
  EXPECT_EQ(alerts_of(9100, "a page", false), 0U);
  EXPECT_EQ(alerts_of(9100, "a page", true), 1U) << "it has answered before";
  EXPECT_EQ(alerts_of(9100, "GET / HTTP/1.1\r\n", false), 1U);
  EXPECT_EQ(alerts_of(5432, "a query", false), 1U) << "PostgreSQL's port";
}

/// The first are taken for this and that until the ledger has seen enough; that is one story all the same.
TEST(Outage, TakesOverWhatItsConnectionsWereTakenFor) {
  Feed feed;
  serve_at(feed, -60 * kS);
  const auto observe = [&feed](const diagnose::DiagnosedConnection& connection) {
    feed.log.observe(connection, feed.events);
  };
  observe(turned_away(1, 0, Cause::rate_limit, 0.63));
  observe(turned_away(2, 5 * kS, Cause::acl_denied, 0.5));
  observe(turned_away(3, 10 * kS));
  for (std::uint32_t i = 0; i < 20; ++i) {
    observe(turned_away(4 + i % 3, (20 + i * 5) * kS, Cause::maintenance, 0.5));
  }
  observe(turned_away(2, 130 * kS, Cause::acl_denied, 0.5));
  feed.log.finish(feed.events);
  std::set<std::uint64_t> ids;
  const Incident* last = nullptr;
  for (const AlertEvent& event : feed.events) {
    ids.insert(event.incident.id);
    if (event.action != AlertAction::closed || event.incident.folded_into != 0) continue;
    EXPECT_EQ(last, nullptr) << "one is left";
    last = &event.incident;
  }
  for (const AlertEvent& event : feed.events) {
    EXPECT_TRUE(event.incident.folded_into == 0 || ids.contains(event.incident.folded_into));
  }
  ASSERT_NE(last, nullptr);
  EXPECT_EQ(last->cause, Cause::maintenance);
  EXPECT_EQ(last->refused, 24U);
  EXPECT_EQ(last->distinct_clients.count, 6U);
  EXPECT_EQ(last->contrast.served_before, 1U);
  EXPECT_EQ(last->sample.diagnosis.cause, Cause::maintenance);
  EXPECT_NEAR(last->mean_confidence, (20 * 0.5 + 0.3) / 24, 1e-9);
  ASSERT_EQ(last->reasons.size(), 4U);
  EXPECT_EQ(last->reasons.front().cause, Cause::maintenance);
  EXPECT_EQ(last->reasons.front().refused, 20U);
}

/// Told without a cause at first, and with one when most of them come to show it.
TEST(Outage, IsToldAnewWhenItsCauseShows) {
  Feed feed({.update_interval_ns = 3600 * kS});
  serve_at(feed, -60 * kS);
  for (std::uint32_t i = 0; i < 30; ++i) {
    const auto cause = i < 6 ? Cause::unknown : Cause::maintenance;
    feed.log.observe(turned_away(i % 5, i * 10 * kS, cause, i < 6 ? 0.2 : 0.5), feed.events);
  }
  feed.log.finish(feed.events);
  ASSERT_EQ(feed.events.size(), 4U) << "two opened, two closed";
  EXPECT_EQ(feed.events[0].incident.cause, Cause::unknown);
  EXPECT_EQ(feed.events[0].action, AlertAction::opened);
  EXPECT_EQ(feed.events[1].incident.cause, Cause::maintenance);
  EXPECT_EQ(feed.events[1].action, AlertAction::opened);
  EXPECT_EQ(feed.events[2].incident.folded_into, feed.events[1].incident.id);
  EXPECT_EQ(feed.events[3].incident.refused, 30U);
}

/// A list that is known for sure is no part of an outage, nor is what one known cause explains.
TEST(Outage, LeavesWhatIsCertainToItsOwnIncident) {
  Feed feed;
  for (std::uint32_t i = 0; i < 10; ++i) {
    feed.log.observe(turned_away(1, i * 10 * kS, Cause::acl_denied, 0.97), feed.events);
    feed.log.observe(turned_away(2 + i % 2, i * 10 * kS + kS), feed.events);
  }
  feed.log.finish(feed.events);
  EXPECT_EQ(feed.count(AlertAction::opened), 2U);
  for (const AlertEvent& event : feed.events) {
    EXPECT_EQ(event.incident.folded_into, 0U);
    if (event.action != AlertAction::closed) continue;
    EXPECT_EQ(event.incident.refused, 10U) << name_of(event.incident.cause);
  }
}

TEST(Outage, IsSilentWhereItIsExpected) {
  Feed feed({.expected = {*parse_expected_refusal("cause unknown")}});
  for (std::uint32_t i = 0; i < 40; ++i) feed.log.observe(turned_away(i % 5, i * kS), feed.events);
  feed.log.finish(feed.events);
  EXPECT_TRUE(feed.events.empty());
  EXPECT_EQ(feed.log.expected_refusals(), 40U);
}

}  // namespace
}  // namespace doorslam::alert
