#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "pipeline/alert/incident.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/prefix_cover.h"
#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using diagnose::Cause;
using sample::address;
using sample::endpoint;
using sample::kEpoch;
using sample::kS;
using Texts = std::vector<std::string>;

Texts cover(const Texts& refused, const Texts& served) {
  const auto addresses = [](const Texts& texts) {
    std::vector<flowtable::IpAddress> out;
    for (const std::string& text : texts) out.push_back(address(text));
    return out;
  };
  Texts out;
  for (const RefusedPrefix& one : prefixes_of(addresses(refused), addresses(served))) {
    out.push_back(text_of(one.prefix));
  }
  return out;
}

TEST(PrefixCover, IsAsNarrowAsTheRefusedAllow) {
  EXPECT_EQ(cover({"10.1.2.7", "10.1.2.90", "10.1.2.3"}, {"192.0.2.1"}), (Texts{"10.1.2.0/25"}));
  EXPECT_EQ(cover({"10.1.2.7"}, {"192.0.2.1"}), (Texts{"10.1.2.7"}));
}

TEST(PrefixCover, LeavesOutTheServed) {
  EXPECT_EQ(cover({"10.1.2.7", "10.1.2.90"}, {"10.1.2.80"}), (Texts{"10.1.2.7", "10.1.2.90"}));
  EXPECT_EQ(cover({"10.1.2.1", "10.1.2.2", "10.1.3.1", "10.1.3.2"}, {"10.1.2.200", "10.1.1.1"}),
            (Texts{"10.1.2.0/30", "10.1.3.0/30"}));
}

TEST(PrefixCover, LeavesOutWhoIsServedAtTimes) {
  EXPECT_EQ(cover({"10.1.2.7", "10.1.2.9"}, {"10.1.2.9"}), (Texts{"10.1.2.7"}));
  EXPECT_EQ(cover({"10.1.2.9"}, {"10.1.2.9"}), Texts{});
}

TEST(PrefixCover, KeepsTheVersionsApart) {
  EXPECT_EQ(cover({"2001:db8::12", "10.0.0.1", "2001:db8::13", "10.0.0.1"}, {"2001:db8::1:0", "10.0.0.9"}),
            (Texts{"10.0.0.1", "2001:db8::12/127"}));
}

TEST(PrefixCover, HoldsEveryRefusedAndNoServedOne) {
  std::vector<flowtable::IpAddress> refused;
  std::vector<flowtable::IpAddress> served;
  std::uint32_t state = 1;
  for (int i = 0; i < 600; ++i) {
    state = state * 1'664'525U + 1'013'904'223U;
    flowtable::IpAddress one = address("10.0.0.0");
    one.octets[2] = static_cast<std::uint8_t>(state >> 24U);
    one.octets[3] = static_cast<std::uint8_t>(state >> 16U);
    (i % 3 == 0 ? refused : served).push_back(one);
  }
  const auto holds = [](const RefusedPrefix& refusing, const flowtable::IpAddress& one) {
    const AddressPrefix& prefix = refusing.prefix;
    for (unsigned bit = 0; bit < prefix.length; ++bit) {
      if ((prefix.address.octets[bit / 8] ^ one.octets[bit / 8]) >> (7 - bit % 8) & 1U) return false;
    }
    return true;
  };
  const std::vector<RefusedPrefix> prefixes = prefixes_of(refused, served);
  EXPECT_LT(prefixes.size(), refused.size());
  for (const flowtable::IpAddress& one : refused) {
    if (std::find(served.begin(), served.end(), one) != served.end()) continue;
    EXPECT_EQ(std::ranges::count_if(prefixes, [&](const RefusedPrefix& p) { return holds(p, one); }), 1);
  }
  for (const flowtable::IpAddress& one : served) {
    EXPECT_TRUE(std::ranges::none_of(prefixes, [&](const RefusedPrefix& p) { return holds(p, one); }));
  }
}

/// Clients that were served before the first refusal bound the prefix as well.
TEST(IncidentLog, NamesThePrefixesThatAnAddressListRefuses) {
  const auto incident_of = [](Cause cause) {
    IncidentLog log;
    std::vector<AlertEvent> events;
    const auto put = [&](Cause one, const std::string& client, int at_s) {
      auto connection =
          sample::connection(one, endpoint(client, 1000), endpoint("198.51.100.5", 21), kEpoch + at_s * kS);
      connection.judged_ns = connection.summary.start_ns;
      log.observe(connection, events);
    };
    put(Cause::served, "10.1.3.1", 0);
    for (int i = 0; i < 9; ++i) put(cause, "10.1.2." + std::to_string(1 + i), 1 + i);
    put(Cause::served, "10.1.2.77", 11);
    log.finish(events);
    return events.back().incident;
  };
  const Incident incident = incident_of(Cause::acl_denied);
  ASSERT_EQ(incident.refused_prefixes.size(), 1U);
  EXPECT_EQ(text_of(incident.refused_prefixes.front().prefix), "10.1.2.0/28");
  EXPECT_EQ(incident.refused_prefixes.front().clients, 9U);
  EXPECT_EQ(prefix_words(incident), "10.1.2.0/28: every client that was only refused, and none that was served.");
  EXPECT_TRUE(incident_of(Cause::connection_limit).refused_prefixes.empty()) << "a limit refuses anybody";
}

}  // namespace
}  // namespace doorslam::alert
