#include "pipeline/alert/expected_refusal.h"

#include <gtest/gtest.h>

#include "pipeline/alert/incident.h"
#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using diagnose::Cause;
using sample::endpoint;
using sample::kEpoch;

diagnose::DiagnosedConnection refusal(const std::string& client, const std::string& server, std::uint16_t port,
                                      Cause cause) {
  auto connection = sample::connection(cause, endpoint(client, 4000), endpoint(server, port), kEpoch);
  connection.judged_ns = connection.summary.start_ns;
  return connection;
}

TEST(ExpectedRefusal, CoversWhatAllOfItsPairsSay) {
  const auto rule = parse_expected_refusal("client 10.9.0.0/16 server 192.0.2.5 port 22 cause acl_denied");
  ASSERT_TRUE(rule) << rule.error().message;
  EXPECT_TRUE(rule->covers(refusal("10.9.3.4", "192.0.2.5", 22, Cause::acl_denied)));
  EXPECT_FALSE(rule->covers(refusal("10.8.3.4", "192.0.2.5", 22, Cause::acl_denied)));
  EXPECT_FALSE(rule->covers(refusal("10.9.3.4", "192.0.2.6", 22, Cause::acl_denied)));
  EXPECT_FALSE(rule->covers(refusal("10.9.3.4", "192.0.2.5", 23, Cause::acl_denied)));
  EXPECT_FALSE(rule->covers(refusal("10.9.3.4", "192.0.2.5", 22, Cause::app_crash)));
}

TEST(ExpectedRefusal, HoldsForAnyOfWhatItDoesNotSay) {
  const auto scanner = parse_expected_refusal("client 2001:db8::9");
  ASSERT_TRUE(scanner);
  EXPECT_TRUE(scanner->covers(refusal("2001:db8::9", "2001:db8:b::1", 1, Cause::port_closed)));
  EXPECT_FALSE(scanner->covers(refusal("2001:db8::8", "2001:db8:b::1", 1, Cause::port_closed)));
  EXPECT_FALSE(scanner->covers(refusal("10.0.0.9", "192.0.2.5", 1, Cause::port_closed)));
}

TEST(ExpectedRefusal, SaysWhichWordIsWrong) {
  const auto message_of = [](std::string_view text) {
    const auto rule = parse_expected_refusal(text);
    return rule ? std::string("no error") : rule.error().message;
  };
  EXPECT_EQ(message_of("client 10.9.0.0/33"),
            "client \"10.9.0.0/33\" is not an address, or a prefix as in 10.9.0.0/16");
  EXPECT_NE(message_of("client 10.9.0.1/16"), "no error") << "bits beyond the prefix: a slip of somebody";
  EXPECT_NE(message_of("client 10.9.0.1/"), "no error");
  EXPECT_EQ(message_of("port 65536"), "port \"65536\" is not a port, 0 to 65535");
  EXPECT_EQ(message_of("cause served"),
            "cause \"served\" is not the cause of a refusal; \"doorslam explain\" lists them");
  EXPECT_EQ(message_of("port 1 port 2"), "port stands there twice");
  EXPECT_TRUE(parse_expected_refusal("port 8080 cause unknown"))
      << "an outage without a known cause is an alert as well";
  EXPECT_EQ(message_of("host 10.0.0.1"), "\"host\" is not known; allowed are client, server, port and cause");
  EXPECT_EQ(message_of("client"), "\"client\" has no value");
  EXPECT_NE(message_of(" "), "no error");
}

TEST(IncidentLog, CountsExpectedRefusalsAndTellsOfNone) {
  IncidentOptions options;
  options.expected = {*parse_expected_refusal("client 10.9.0.0/16"), *parse_expected_refusal("cause silent_drop")};
  IncidentLog log(options);
  std::vector<AlertEvent> events;
  for (int i = 0; i < 5; ++i) log.observe(refusal("10.9.0.1", "192.0.2.5", 22, Cause::acl_denied), events);
  log.observe(refusal("10.8.0.1", "192.0.2.5", 22, Cause::silent_drop), events);
  log.observe(refusal("10.8.0.1", "192.0.2.5", 22, Cause::acl_denied), events);
  log.finish(events);
  ASSERT_EQ(events.size(), 2U) << "opened and closed";
  EXPECT_EQ(events.back().incident.refused, 1U);
  EXPECT_EQ(events.back().capture.expected, 6U);
  EXPECT_EQ(log.expected_refusals(), 6U);
}

}  // namespace
}  // namespace doorslam::alert
