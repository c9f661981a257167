#include "pipeline/app/check_report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace doorslam::app {
namespace {

host::Findings sample() {
  host::Findings findings;
  findings.fine("kernel", "6.1.0");
  findings.skipped("ports", "none are configured");
  findings.should("swap", "512 MiB", "swapoff -a");
  findings.must("port \x1b[2J", "held by ice\n", "driverctl \"x\"");
  return findings;
}

TEST(CheckReport, AlignsALineForEachFindingAndPutsTheCommandBelow) {
  EXPECT_EQ(
      findings_text(sample(), false),
      "fine    kernel        6.1.0\n"
      "skipped ports         none are configured\n"
      "should  swap          512 MiB\n"
      "                      mend: swapoff -a\n"
      "must    port \\x1b[2J  held by ice\\x0a\n"
      "                      mend: driverctl \"x\"\n"
      "\n"
      "1 fine, 1 skipped, 1 should, 1 must: doorslam cannot run like this; mend each `must` (the commands are for "
      "a root shell)\n");
}

TEST(CheckReport, ColoursLevelsWhenAsked) {
  const std::string text = findings_text(sample(), true);
  EXPECT_NE(text.find("\x1b[1;31mmust"), std::string::npos);
  EXPECT_EQ(text.find("\x1b[2J"), std::string::npos) << "a name may not steer the terminal";
}

TEST(CheckReport, SaysReadyOnlyWhenNothingIsToBeMended) {
  host::Findings findings;
  findings.fine("kernel", "6.1.0");
  EXPECT_NE(findings_text(findings, false).find("0 should, 0 must: ready"), std::string::npos);
  findings.should("swap", "x", "y");
  EXPECT_EQ(findings_text(findings, false).find("ready"), std::string::npos);
}

TEST(CheckReport, WritesOneJsonObject) {
  const std::string line = findings_json(sample(), "1.2.3");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["version"], "1.2.3");
  EXPECT_EQ(json["must"], 1);
  EXPECT_EQ(json["findings"].size(), 4U);
  EXPECT_EQ(json["findings"][3]["level"], "must");
  EXPECT_EQ(json["findings"][3]["text"], "held by ice\n");
  EXPECT_EQ(json["findings"][3]["command"], "driverctl \"x\"");
  EXPECT_FALSE(json["findings"][0].contains("command"));
}

}  // namespace
}  // namespace doorslam::app
