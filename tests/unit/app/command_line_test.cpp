#include "pipeline/app/command_line.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace doorslam::app {
namespace {

Result<std::optional<CommandLine>> parse(const std::vector<const char*>& arguments) {
  std::vector<const char*> argv{"doorslam"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return parse_command_line(static_cast<int>(argv.size()), argv.data());
}

TEST(CommandLine, ReadTakesCapturesAndOptionsInAnyOrder) {
  const auto line = parse({"read", "a.pcap", "--flows", "f", "-", "-C", "--set", "a=1", "--set", "b=2", "-c", "x.yaml",
                           "--alerts", "-", "-w", "4"});
  ASSERT_TRUE(line) << line.error().message;
  ASSERT_TRUE(*line);
  EXPECT_EQ((*line)->command, CommandLine::Command::read);
  EXPECT_EQ((*line)->captures, (std::vector<std::string>{"a.pcap", "-"}));
  EXPECT_EQ((*line)->flows, "f");
  EXPECT_EQ((*line)->alerts, "-");
  EXPECT_EQ((*line)->settings, (std::vector<std::string>{"a=1", "b=2"}));
  EXPECT_EQ((*line)->config_file, "x.yaml");
  EXPECT_EQ((*line)->workers, 4U);
  EXPECT_TRUE((*line)->ignore_checksums);
}

TEST(CommandLine, ASettingTakesOneValueAndNoCapture) {
  const std::vector<std::vector<const char*>> lines = {
      {"read", "--set", "a=1", "--set", "b=2", "a.pcap", "b.pcap"},
      {"read", "--set", "a=1", "a.pcap", "b.pcap", "-q", "--set", "b=2"},
      {"read", "-q", "a.pcap", "--set", "a=1", "b.pcap", "--set", "b=2"},
  };
  for (const auto& words : lines) {
    const auto line = parse(words);
    ASSERT_TRUE(line && *line);
    EXPECT_EQ((*line)->captures, (std::vector<std::string>{"a.pcap", "b.pcap"}));
    EXPECT_EQ((*line)->settings, (std::vector<std::string>{"a=1", "b=2"}));
  }
}

TEST(CommandLine, RecordsOnStandardOutputKeepTheReportAway) {
  for (const char* option : {"--flows", "--alerts"}) {
    const auto line = parse({"read", "a.pcap", option, "-"});
    ASSERT_TRUE(line && *line);
    EXPECT_TRUE((*line)->quiet) << option;
  }
  const auto to_file = parse({"read", "a.pcap", "--flows", "f"});
  ASSERT_TRUE(to_file && *to_file);
  EXPECT_FALSE((*to_file)->quiet);
}

TEST(CommandLine, ExplainTakesACauseOrNone) {
  const auto one = parse({"explain", "acl_denied"});
  ASSERT_TRUE(one && *one);
  EXPECT_EQ((*one)->command, CommandLine::Command::explain);
  EXPECT_EQ((*one)->cause, diagnose::Cause::acl_denied);
  for (const char* meant : {"ACL_DENIED", "acl-denied", "Acl-Denied"}) {
    const auto as_typed = parse({"explain", meant});
    ASSERT_TRUE(as_typed && *as_typed) << meant;
    EXPECT_EQ((*as_typed)->cause, diagnose::Cause::acl_denied);
  }
  const auto all = parse({"explain"});
  ASSERT_TRUE(all && *all);
  EXPECT_FALSE((*all)->cause);
}

TEST(CommandLine, CheckTakesAConfigurationAndAFileForItsFindings) {
  const auto line = parse({"check", "-c", "x.yaml", "--set", "a=1", "--json", "f"});
  ASSERT_TRUE(line && *line);
  EXPECT_EQ((*line)->command, CommandLine::Command::check);
  EXPECT_EQ((*line)->config_file, "x.yaml");
  EXPECT_EQ((*line)->settings, std::vector<std::string>{"a=1"});
  EXPECT_EQ((*line)->json, "f");
  EXPECT_FALSE((*line)->quiet);
  const auto to_output = parse({"check", "--json", "-"});
  ASSERT_TRUE(to_output && *to_output);
  EXPECT_TRUE((*to_output)->quiet) << "findings on standard output keep the text away";
}

TEST(CommandLine, WrongUsageIsOneLineThatSaysHowToMendIt) {
  const auto expect_error = [](std::initializer_list<const char*> arguments, std::string_view words) {
    const auto line = parse(arguments);
    ASSERT_FALSE(line) << words;
    EXPECT_EQ(line.error().kind, ErrorKind::usage);
    EXPECT_NE(line.error().message.find(words), std::string::npos) << line.error().message;
    EXPECT_EQ(line.error().message.find('\n'), std::string::npos) << line.error().message;
  };
  expect_error({}, "doorslam --help");
  expect_error({"frobnicate"}, "'frobnicate' is no command; there are read, run, top, check, alerts, explain");
  expect_error({"raed", "a.pcap", "--quiet"}, "'raed' is no command");
  expect_error({"read"}, "name a capture to read");
  expect_error({"read"}, "doorslam read --help");
  expect_error({"read", "a.pcap", "--flwos", "x"}, "--flwos");
  expect_error({"read", "a.pcap", "--flows"}, "--flows");
  expect_error({"read", "a.pcap", "-w", "0"}, "1 to 64");
  expect_error({"read", "a.pcap", "-w", "65"}, "1 to 64");
  expect_error({"read", "a.pcap", "-w", "many"}, "workers");
  expect_error({"read", "a.pcap", "-w", "-1"}, "workers");
  expect_error({"read", "a.pcap", "--flows", "-", "--alerts", "-"}, "give one of them a file");
  expect_error({"read", "a.pcap", "--flows", "x", "--alerts", "x"}, "give each a file of its own");
  expect_error({"read", "a.pcap", "--flows", "x", "--alerts", "./x"}, "give each a file of its own");
  expect_error({"check", "-c", "x.yaml", "--json", "./x.yaml"}, "would be overwritten");
  expect_error({"check", "x.yaml"}, "x.yaml");
  expect_error({"check", "x.yaml"}, "doorslam check --help");
  expect_error({"explain", "nonsense"}, "acl_denied, connection_limit");
  expect_error({"explain", "app_crsh"}, "did you mean app_crash?");
}

}  // namespace
}  // namespace doorslam::app
