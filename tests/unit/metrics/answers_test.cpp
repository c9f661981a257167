#include "pipeline/metrics/answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

namespace doorslam::metrics {
namespace {

Observation with_names_of_all_kinds() {
  Observation seen;
  for (const char* name : {"0000:3b:00.0", "0000-3b:00.0", "net_af_packet0"}) {
    port::PortSnapshot& port = seen.live.ports.emplace_back();
    port.name = name;
    port.missed = 7;
  }
  for (const char* name : {"siem-1.x", "siem.1-x", "archive"}) seen.sinks.emplace_back().name = name;
  seen.store.emplace();
  seen.outputs.push_back({"flows", 3, 2, 1, "cannot be written: Broken pipe"});
  seen.live.lanes.emplace_back().role = "receiver 0";
  seen.worst_servers.emplace_back();
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) seen.live.analysis.readings_by_cause[i] = 1;
  return seen;
}

void expect_names_that_dpdk_takes(const Json& object) {
  constexpr std::string_view kTaken = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/";
  for (const auto& [name, value] : object.items()) {
    EXPECT_EQ(name.find_first_not_of(kTaken), std::string::npos) << name;
    if (value.is_object()) expect_names_that_dpdk_takes(value);
  }
}

// DPDK leaves out what is called otherwise, and top would show nothing of it.
TEST(Answers, AreOfNamesThatTelemetryTakes) {
  const Observation seen = with_names_of_all_kinds();
  for (const Json& answer : {stats_answer(seen), workers_answer(seen, ""), workers_answer(seen, "receiver_0"),
                             ports_answer(seen), table_answer(seen), servers_answer(seen), alerts_answer(seen)}) {
    EXPECT_FALSE(answer.empty());
    expect_names_that_dpdk_takes(answer);
  }
}

TEST(Answers, HoldEveryPortAndSinkByItsWholeName) {
  const Observation seen = with_names_of_all_kinds();
  const Json ports = ports_answer(seen);
  ASSERT_EQ(ports.size(), 3U);
  EXPECT_EQ(ports["0000_3b_00_0"]["name"], "0000:3b:00.0");
  EXPECT_EQ(ports["0000_3b_00_0_2"]["name"], "0000-3b:00.0");
  EXPECT_EQ(ports["net_af_packet0"]["missed"], 7);
  const Json alerts = alerts_answer(seen);
  EXPECT_EQ(alerts["sink_siem_1_x"]["name"], "siem-1.x");
  EXPECT_EQ(alerts["sink_siem_1_x_2"]["name"], "siem.1-x");
  EXPECT_EQ(alerts["sink_archive"]["name"], "archive");
}

}  // namespace
}  // namespace doorslam::metrics
