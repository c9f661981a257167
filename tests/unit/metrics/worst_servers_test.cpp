#include "pipeline/metrics/worst_servers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace doorslam::metrics {
namespace {

using diagnose::Cause;
using flowtable::kSecondNs;
using flowtable::TimeNs;

constexpr TimeNs kStart = TimeNs{1'700'000'000} * kSecondNs;

flowtable::Endpoint server(std::uint32_t number) {
  flowtable::Endpoint endpoint;
  endpoint.address.octets = {10, 0, static_cast<std::uint8_t>(number >> 8U), static_cast<std::uint8_t>(number)};
  endpoint.port = static_cast<std::uint16_t>(1 + (number >> 16U));
  return endpoint;
}

TEST(WorstServers, OrdersByRecentRefusalsAndNamesTheMostFrequentCause) {
  WorstServers worst(flowtable::HashKey::fixed());
  for (int i = 0; i < 3; ++i) worst.refused(server(1), Cause::acl_denied, kStart);
  for (int i = 0; i < 5; ++i) worst.refused(server(2), Cause::connection_limit, kStart);
  for (int i = 0; i < 2; ++i) worst.refused(server(2), Cause::app_crash, kStart);
  const auto list = worst.worst(10, kStart);
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].server, server(2));
  EXPECT_EQ(list[0].refused, 7U);
  EXPECT_NEAR(list[0].recent, 7.0, 1e-6);
  EXPECT_EQ(list[0].cause, Cause::connection_limit);
  EXPECT_EQ(list[0].of_that_cause, 5U);
  EXPECT_EQ(list[1].server, server(1));
  EXPECT_EQ(worst.worst(1, kStart).size(), 1U);
}

TEST(WorstServers, LetsOldRefusalsFade) {
  WorstServers worst(flowtable::HashKey::fixed());
  for (int i = 0; i < 100; ++i) worst.refused(server(1), Cause::acl_denied, kStart);
  const TimeNs later = kStart + 6 * WorstServers::kHalfLifeNs;
  for (int i = 0; i < 4; ++i) worst.refused(server(2), Cause::acl_denied, later);
  const auto list = worst.worst(10, later);
  EXPECT_EQ(list[0].server, server(2)) << "4 now are worse than 100 six half-lives ago";
  EXPECT_NEAR(list[1].recent, 100.0 / 64, 1e-6);
}

TEST(WorstServers, RunsForYears) {
  WorstServers worst(flowtable::HashKey::fixed());
  TimeNs now = kStart;
  for (int day = 0; day < 800; ++day) {
    now += 86'400 * kSecondNs;
    worst.refused(server(1), Cause::acl_denied, now);
    worst.refused(server(2), Cause::acl_denied, now);
    worst.refused(server(2), Cause::acl_denied, now);
    const auto list = worst.worst(2, now);
    ASSERT_EQ(list.size(), 2U);
    ASSERT_EQ(list[0].server, server(2)) << day;
    ASSERT_NEAR(list[0].recent, 2.0, 1e-6) << day;
    ASSERT_NEAR(list[1].recent, 1.0, 1e-6) << day;
  }
}

/// A scan of 200,000 ports, each refused once, must not wash out the one server that keeps refusing.
TEST(WorstServers, IsNotWashedOutByAScan) {
  WorstServers worst(flowtable::HashKey::fixed());
  std::uint32_t port = 100;
  std::uint64_t refused = 0;
  for (int i = 0; i < 200'000; ++i) {
    worst.refused(server(++port), Cause::port_closed, kStart);
    if (i % 200 != 0) continue;  // five times 1 / capacity
    worst.refused(server(1), Cause::connection_limit, kStart);
    ++refused;
  }
  EXPECT_LE(worst.size(), WorstServers::kCapacity);
  EXPECT_GT(worst.forgotten(), 190'000U);
  const auto list = worst.worst(1, kStart);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].server, server(1));
  EXPECT_LE(list[0].recent, static_cast<double>(refused) + 1e-6) << "never more than it earned";
  EXPECT_GT(list[0].recent, 0.9 * static_cast<double>(refused));
}

}  // namespace
}  // namespace doorslam::metrics
