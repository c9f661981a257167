#include "pipeline/app/top_view.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace doorslam::app {
namespace {

using nlohmann::json;

TopSample sample(std::uint64_t uptime_ms, std::uint64_t packets, std::uint64_t refusals) {
  TopSample sample;
  sample.stats = {
      {"version", "1.2.3"},      {"uptime_ms", uptime_ms},       {"packet_time_ns", 1'700'000'000'000'000'000},
      {"received", packets},     {"processed", packets},         {"polled", packets},
      {"open_connections", 900}, {"capacity_connections", 1000}, {"balances", 5},
      {"balances_held", 5}};
  sample.workers = {{"0", {{"lcore", 2}, {"polled", packets}, {"busy", packets}, {"idle", packets}}}};
  sample.ports = {{"0000_3b_00_0", {{"name", "0000:3b:00.0"}, {"link_up", 0}, {"received", packets}, {"missed", 12}}}};
  sample.alerts = {{"refusals", {{"acl_denied", refusals}, {"app_crash", 1000}}}};
  for (int i = 0; i < 20; ++i) {
    sample.servers["worst_" + std::to_string(i)] = {
        {"server", "192.0.2." + std::to_string(i) + ":80"}, {"refused", 100 - i}, {"cause", "acl_denied"}};
  }
  return sample;
}

std::string all_of(const std::vector<TopLine>& lines) {
  std::string text;
  for (const TopLine& line : lines) text += line.text + "\n";
  return text;
}

std::size_t line_with(const std::vector<TopLine>& lines, std::string_view words) {
  const auto found = std::find_if(lines.begin(), lines.end(),
                                  [&](const TopLine& line) { return line.text.find(words) != std::string::npos; });
  return static_cast<std::size_t>(found - lines.begin());
}

TEST(TopView, TellsRatesOfTheTimeBetween) {
  const auto lines = top_view(sample(1000, 10'000, 5), sample(3000, 50'000, 25), 200, 0);
  const std::string text = all_of(lines);
  EXPECT_NE(text.find("20.0 k"), std::string::npos) << text;
  EXPECT_NE(text.find("50 %"), std::string::npos) << "half of the rounds were busy: " << text;
  EXPECT_LT(line_with(lines, "acl_denied  "), line_with(lines, "app_crash  "))
      << "what happens now stands before what happened once: " << text;
}

TEST(TopView, WithoutTimeBetweenThereAreNoRates) {
  const auto lines = top_view(sample(1000, 10'000, 5), sample(1000, 10'000, 5), 200, 0);
  EXPECT_NE(lines[1].text.find("0 packets/s"), std::string::npos) << lines[1].text;
}

TEST(TopView, MarksWhatNeedsAttention) {
  const auto lines = top_view(sample(1000, 1, 5), sample(2000, 2, 5), 200, 0);
  EXPECT_EQ(lines[line_with(lines, "table ")].tone, TopTone::bad) << "it is 90 % full";
  EXPECT_EQ(lines[line_with(lines, "lost ")].tone, TopTone::warning) << "12 packets were lost once";
  EXPECT_EQ(lines[line_with(lines, "0000:3b:00.0")].tone, TopTone::bad) << "its link is down";
}

/// Every size that a terminal may have: nothing is wider or longer, and on 80 x 24 every question has an answer.
TEST(TopView, FitsEveryTerminal) {
  const TopSample before = sample(1000, 10'000, 5);
  const TopSample now = sample(3000, 5'000'000'000, 25);
  for (std::size_t rows = 1; rows < 70; ++rows) {
    for (const std::size_t columns : {1U, 20U, 80U, 200U}) {
      const auto lines = top_view(before, now, columns, rows);
      ASSERT_LE(lines.size(), rows);
      for (const TopLine& line : lines) ASSERT_LE(line.text.size(), columns);
    }
  }
  const std::string usual = all_of(top_view(before, now, 80, 24));
  for (const char* words :
       {"traffic", "lost", "table", "analysis", "alerts", "acl_denied", "app_crash", "192.0.2.0:80"}) {
    EXPECT_NE(usual.find(words), std::string::npos) << words << " in\n" << usual;
  }
}

/// The answers come from another process, maybe of another version.
TEST(TopView, DoesWithoutWhatIsNotThere) {
  const TopSample nothing{json::object(), json::object(), json::object(), json::object(), json::object()};
  EXPECT_FALSE(top_view(nothing, nothing, 80, 24).empty());
  TopSample nonsense = nothing;
  nonsense.stats["uptime_ms"] = "soon";
  nonsense.alerts["refusals"] = json::array({1, 2});
  nonsense.workers["0"] = 7;
  nonsense.servers["worst_0"] = {{"server", "\x1b[2J"}, {"refused", -1}};
  const std::string text = all_of(top_view(nonsense, nonsense, 80, 0));
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "nothing may steer the terminal";
}

}  // namespace
}  // namespace doorslam::app
