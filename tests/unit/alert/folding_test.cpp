#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "pipeline/alert/incident.h"
#include "tests/unit/alert/feed.h"

/// Many ports of one server, many servers of one client: one incident.
namespace doorslam::alert {
namespace {

using diagnose::Cause;
using sample::endpoint;
using sample::kEpoch;
using sample::kMs;
using sample::kS;

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

}  // namespace
}  // namespace doorslam::alert
