#include "pipeline/metrics/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>

namespace doorslam::metrics {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

/// A sensor with steering (a receiver and two workers), two ports, a store and two sinks; every counter is another
/// number, so that none can stand for another.
Observation observation() {
  Observation seen;
  seen.version = "1.2.3";
  for (unsigned i = 0; i < 2; ++i) {
    port::PortSnapshot& port = seen.live.ports.emplace_back();
    port.name = "port" + std::to_string(i);
    port.received = 1000 + i;
    port.missed = 10 + i;
    port.errors = 20 + i;
    port.no_buffer = 30 + i;
    port.received_by_queue = {600 + i, 400};
  }
  for (const char* role : {"receiver 0", "worker 0", "worker 1"}) {
    port::LaneSnapshot& lane = seen.live.lanes.emplace_back();
    lane.role = role;
    lane.receives = seen.live.lanes.size() == 1;
    lane.tracks = !lane.receives;
    lane.flow_capacity = 4096;
    for (std::size_t i = 0; i < packet::kDecodeOutcomeCount; ++i) lane.counters.decode.packets[i] = 100 + i;
    lane.counters.tracker.ended = {1, 2, 3, 4, 5};
    lane.counters.events.lost = 7;
    lane.counters.filtered_out = 60;
  }
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) seen.live.analysis.readings_by_cause[i] = 50 + i;
  seen.live.analysis.lag_ns = 1'500'000'000;
  seen.alerts.events = {3, 2, 1};
  seen.store.emplace();
  for (const char* name : {"siem", "archive"}) {
    sink::SinkCounters& sink = seen.sinks.emplace_back();
    sink.name = name;
    sink.oldest_waiting = std::chrono::milliseconds(2500);
  }
  seen.live.analysis.analysis.reset_clients_forgotten = 8;
  seen.live.analysis.analysis.ftp_sessions_forgotten = 3;
  seen.store->failing = true;
  seen.outputs = {{"flows", 90, 4, 512, "cannot be written: No space left on device"}, {"alerts", 5, 0, 0, ""}};
  seen.sinks[0].trouble = "connection refused by 192.0.2.1";
  return seen;
}

double value_of(const MetricFamily& family, const prometheus::ClientMetric& metric) {
  return family.type == MetricType::Counter ? metric.counter.value : metric.gauge.value;
}

/// The sum of a family's metrics that have this label.
double sum_of(const std::vector<MetricFamily>& all, const std::string& name, const std::string& label = {},
              const std::string& value = {}) {
  double sum = 0;
  for (const MetricFamily& family : all) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) {
      const bool chosen = label.empty() || std::any_of(metric.label.begin(), metric.label.end(), [&](const auto& own) {
                            return own.name == label && own.value == value;
                          });
      if (chosen) sum += value_of(family, metric);
    }
  }
  return sum;
}

TEST(Families, EachSeriesStandsOnceAndIsNamedByTheConventions) {
  std::set<std::string> names;
  for (const MetricFamily& family : families(observation())) {
    EXPECT_TRUE(family.name.starts_with("doorslam_")) << family.name;
    EXPECT_TRUE(names.insert(family.name).second) << family.name << " stands twice";
    EXPECT_EQ(family.name.ends_with("_total"), family.type == MetricType::Counter) << family.name;
    EXPECT_FALSE(family.help.empty()) << family.name;
    EXPECT_FALSE(family.metric.empty()) << family.name;
    std::set<std::vector<std::pair<std::string, std::string>>> series;
    for (const auto& metric : family.metric) {
      std::vector<std::pair<std::string, std::string>> labels;
      for (const auto& label : metric.label) labels.emplace_back(label.name, label.value);
      EXPECT_TRUE(series.insert(labels).second) << family.name;
    }
  }
}

TEST(Families, AThreadTellsWhatItDoes) {
  const auto all = families(observation());
  double packets = 0;
  for (std::size_t i = 0; i < packet::kDecodeOutcomeCount; ++i) packets += static_cast<double>(100 + i);
  EXPECT_EQ(sum_of(all, "doorslam_packets_total"), packets) << "of the receiver alone: the workers decode nothing";
  EXPECT_EQ(sum_of(all, "doorslam_packets_total", "worker", "receiver_0"), packets);
  EXPECT_EQ(sum_of(all, "doorslam_packets_total", "outcome", "arp"), 104.0);
  EXPECT_EQ(sum_of(all, "doorslam_connections_ended_total", "reason", "evicted"), 8.0);
  EXPECT_EQ(sum_of(all, "doorslam_table_capacity_connections"), 8192.0);
  EXPECT_EQ(sum_of(all, "doorslam_events_total", "outcome", "lost"), 14.0);
}

TEST(Families, WhatIsLeftOutOrForgottenIsCounted) {
  const auto all = families(observation());
  EXPECT_EQ(sum_of(all, "doorslam_filtered_packets_total"), 60.0) << "of the receiver alone";
  EXPECT_EQ(sum_of(all, "doorslam_ledger_forgotten_total", "what", "reset_clients"), 8.0);
  EXPECT_EQ(sum_of(all, "doorslam_ledger_forgotten_total", "what", "ftp_sessions"), 3.0);
}

TEST(Families, TroubleOfFilesAndStoreIsToldAsLongAsItLasts) {
  Observation seen = observation();
  EXPECT_EQ(sum_of(families(seen), "doorslam_output_in_trouble", "output", "flows"), 1.0);
  EXPECT_EQ(sum_of(families(seen), "doorslam_output_in_trouble", "output", "alerts"), 0.0);
  EXPECT_EQ(sum_of(families(seen), "doorslam_store_in_trouble"), 1.0);
  seen.outputs[0].trouble.clear();
  seen.store->failing = false;
  EXPECT_EQ(sum_of(families(seen), "doorslam_output_in_trouble"), 0.0);
  EXPECT_EQ(sum_of(families(seen), "doorslam_store_in_trouble"), 0.0);
}

TEST(Families, LossesStandByPortAndReason) {
  const auto all = families(observation());
  EXPECT_EQ(sum_of(all, "doorslam_port_lost_packets_total"), 10 + 11 + 20 + 21 + 30 + 31);
  EXPECT_EQ(sum_of(all, "doorslam_port_lost_packets_total", "reason", "missed"), 21.0);
  EXPECT_EQ(sum_of(all, "doorslam_port_lost_packets_total", "port", "port1"), 63.0);
}

TEST(Families, EveryReadingIsEitherARefusalOrNot) {
  const auto all = families(observation());
  double readings = 0;
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) readings += static_cast<double>(50 + i);
  EXPECT_EQ(sum_of(all, "doorslam_refusals_total") + sum_of(all, "doorslam_other_readings_total"), readings);
  EXPECT_EQ(sum_of(all, "doorslam_refusals_total", "cause", "served"), 0.0);
  EXPECT_EQ(sum_of(all, "doorslam_other_readings_total", "cause", "served"), 50.0);
}

TEST(Families, UnitsAreBaseUnitsAndTroubleIsNoLabel) {
  const auto all = families(observation());
  EXPECT_EQ(sum_of(all, "doorslam_analysis_lag_seconds"), 1.5);
  EXPECT_EQ(sum_of(all, "doorslam_sink_oldest_waiting_seconds", "sink", "siem"), 2.5);
  EXPECT_EQ(sum_of(all, "doorslam_sink_in_trouble"), 1.0);
  for (const MetricFamily& family : all) {
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) EXPECT_THAT(label.value, testing::Not(testing::HasSubstr("192.0.2.1")));
    }
  }
}

TEST(Families, WithoutStoreNothingIsToldOfOne) {
  Observation seen = observation();
  seen.store.reset();
  seen.sinks.clear();
  for (const MetricFamily& family : families(seen)) {
    EXPECT_FALSE(family.name.starts_with("doorslam_store") || family.name.starts_with("doorslam_sink")) << family.name;
  }
}

}  // namespace
}  // namespace doorslam::metrics
