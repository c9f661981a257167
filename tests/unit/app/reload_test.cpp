#include <gtest/gtest.h>

#include <fstream>
#include <tuple>

#include "config/options.h"
#include "pipeline/app/outputs.h"
#include "pipeline/app/set_up.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/alert/sample.h"

/// What a sensor that reads its settings again says of them must be what it does.
namespace doorslam::app {
namespace {

using config::Key;
using config::Settings;

/// What is in force of a sensor that began with the first settings and then read the others.
auto in_force(const Settings& first, const Settings& now) {
  diagnose::Analysis analysis(config::analysis_options(first), nullptr);
  analysis.reconfigure(config::analysis_options(now), nullptr);
  return std::tuple(analysis.options(), config::incident_options(now), config::encoder_options(now, ""),
                    config::signature_paths(now));
}

auto open_outputs(const CommandLine& line) {
  return Outputs::open(
      line, Settings(), [](NoticeLevel, const std::string& what) { ADD_FAILURE() << what; },
      flowtable::HashKey::fixed());
}

/// A value that the key allows and that is not its default.
std::string another_value(const Key& key) {
  const Settings defaults;
  if (key.name == "alerts.expected") return "port 22 cause acl_denied";
  switch (key.kind) {
    case config::ValueKind::flag:
      return defaults.flag(key.name) ? "false" : "true";
    case config::ValueKind::choice:
      return std::string(key.choices.substr(key.choices.rfind('|') + 1));
    case config::ValueKind::duration:
      return std::to_string(key.least / 1'000'000 + (defaults.number(key.name) == key.least ? 1'000 : 0)) + "ms";
    case config::ValueKind::count:
    case config::ValueKind::size:
      return std::to_string(defaults.number(key.name) == key.least ? key.least + 1 : key.least);
    default:
      return "7";
  }
}

TEST(Reload, ChangesTheKeysThatSayItAndNoOthers) {
  Settings before;
  ASSERT_TRUE(before.override_with("evidence.folder=/evidence"));  // without one, its other keys are of no account
  for (const Key& key : config::keys()) {
    Settings after = before;
    ASSERT_TRUE(after.override_with(std::string(key.name) + "=" + another_value(key))) << key.name;
    ASSERT_NE(after.value(key), before.value(key)) << key.name;
    const bool taken = in_force(before, after) != in_force(before, before);
    const std::vector<std::string> left = keys_that_need_a_restart(before, after);
    EXPECT_EQ(left, taken ? std::vector<std::string>() : std::vector{std::string(key.name)});
  }
}

TEST(Reload, ReachesTheRecords) {
  const test::TemporaryFolder folder;
  CommandLine line;
  line.quiet = true;
  line.flows = folder / "flows";
  auto outputs = open_outputs(line);
  ASSERT_TRUE(outputs) << outputs.error().message;
  diagnose::DiagnosedConnection reading = alert::sample::classic();
  reading.diagnosis.banner = "421 too many connections";
  outputs->take({reading});
  Settings discreet;
  ASSERT_TRUE(discreet.override_with("evidence.payload=none"));
  ASSERT_TRUE(discreet.override_with("output.observer_name=tap-7"));
  outputs->reconfigure(discreet);
  outputs->take({reading});
  ASSERT_TRUE(outputs->close());
  std::ifstream file(line.flows);
  std::string before;
  std::string after;
  ASSERT_TRUE(std::getline(file, before) && std::getline(file, after));
  EXPECT_NE(before.find("421 too many"), std::string::npos);
  EXPECT_EQ(before.find("tap-7"), std::string::npos);
  EXPECT_EQ(after.find("421 too many"), std::string::npos);
  EXPECT_NE(after.find("tap-7"), std::string::npos);
}

TEST(Rotation, OpensTheAlertsAnewWhereTheFlowsCannotBe) {
  const test::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "flows");
  CommandLine line;
  line.quiet = true;
  line.command = CommandLine::Command::run;
  line.flows = folder / "flows/flows.ndjson";
  line.alerts = folder / "alerts.ndjson";
  auto outputs = open_outputs(line);
  ASSERT_TRUE(outputs) << outputs.error().message;
  std::filesystem::rename(folder / "flows", folder / "gone");
  std::filesystem::rename(line.alerts, folder / "alerts.ndjson.1");
  const auto reopened = outputs->reopen();
  ASSERT_FALSE(reopened);
  EXPECT_NE(reopened.error().message.find("flows.ndjson: cannot be opened anew"), std::string::npos)
      << reopened.error().message;
  EXPECT_TRUE(std::filesystem::exists(line.alerts));
  EXPECT_TRUE(outputs->close());
}

}  // namespace
}  // namespace doorslam::app
