#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/unit/app/program.h"

/// What the program writes: records, reports, evidence, and what it says where it cannot.
namespace doorslam {
namespace {

using namespace test;

std::vector<std::string> sorted(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST_F(Program, IsQuietWhenAskedAndPlainWithoutATerminal) {
  const Finished quiet = run("read " + kRefused + " --quiet");
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
  const Finished report = run("read " + kRefused);
  EXPECT_EQ(report.exit_code, 0);
  EXPECT_EQ(report.err, "") << "no progress bar";
  EXPECT_NE(report.out.find("acl_denied"), std::string::npos);
  EXPECT_EQ(report.out.find('\x1b'), std::string::npos) << "no colour";
}

TEST_F(Program, WritesOneObjectALine) {
  EXPECT_EQ(run("read " + kRefused + " --quiet --flows flows --alerts alerts").exit_code, 0);
  for (const std::string name : {"flows", "alerts"}) {
    EXPECT_FALSE(lines_in(name).empty()) << name;
    for (const std::string& line : lines_in(name)) {
      const auto record = nlohmann::json::parse(line);
      EXPECT_EQ(record["event"]["kind"], name == "alerts" ? "alert" : "event") << line;
    }
  }
}

TEST_F(Program, WritesTheSameTwiceAndWithAnyNumberOfWorkers) {
  const std::string both = "read " + kFull + " " + kRefused;
  EXPECT_EQ(run(both + " --quiet --workers 1 --flows flows1 --alerts alerts1").exit_code, 0);
  EXPECT_EQ(run(both + " --quiet --workers 1 --flows flows2 --alerts alerts2").exit_code, 0);
  EXPECT_EQ(run(both + " --quiet --workers 4 --flows flows4 --alerts alerts4").exit_code, 0);
  EXPECT_FALSE(lines_in("flows1").empty());
  EXPECT_EQ(content_of(folder_ / "flows1"), content_of(folder_ / "flows2"));
  EXPECT_EQ(content_of(folder_ / "alerts1"), content_of(folder_ / "alerts2"));
  EXPECT_EQ(sorted(lines_in("flows1")), sorted(lines_in("flows4")));
  EXPECT_EQ(sorted(lines_in("alerts1")), sorted(lines_in("alerts4")));
  EXPECT_EQ(run(both).out, run(both + " -w 4").out) << "the report";
}

TEST_F(Program, LeavesNoOldRecordsWhereNothingCanBeRead) {
  ASSERT_EQ(run("read -q '" + kRefused + "' --flows flows.ndjson").exit_code, 0);
  ASSERT_FALSE(content_of(folder_ / "flows.ndjson").empty());
  EXPECT_EQ(run("read -q nothing.pcap --flows flows.ndjson").exit_code, 1);
  EXPECT_EQ(content_of(folder_ / "flows.ndjson"), "");
}

TEST_F(Program, SaysWhenItsOutputCannotBeWritten) {
  for (const std::string option : {"--flows", "--alerts"}) {
    const Finished full = run("read " + kRefused + " --quiet " + option + " /dev/full");
    EXPECT_EQ(full.exit_code, 1) << option;
    EXPECT_TRUE(is_one_line_with(full.err, {"/dev/full", "No space left"})) << option;
    const Finished nowhere = run("read " + kRefused + " --quiet " + option + " no/such/file");
    EXPECT_EQ(nowhere.exit_code, 1) << option;
    EXPECT_TRUE(is_one_line_with(nowhere.err, {"no/such/file"})) << option;
  }
  for (const std::string& arguments :
       {"read " + kRefused, "read " + kRefused + " --flows -", "read " + kFull + " " + kRefused,
        std::string("explain acl_denied"), std::string("explain"), std::string("print-config"), std::string("check"),
        std::string("--help"), std::string("--version")}) {
    const Finished full = run(arguments + " >/dev/full");
    EXPECT_EQ(full.exit_code, 1) << arguments;
    EXPECT_TRUE(is_one_line_with(full.err, {"standard output"})) << arguments;
  }
}

// Nobody can be told then, but what can be done is done: the store's and the sinks' threads tell of trouble too.
TEST_F(Program, GoesOnWithoutAStandardError) {
  write("sink.yaml",
        "store: {path: alerts.db, drain_seconds: 1}\n"
        "sinks: [{name: nowhere, type: file, path: no/such/folder/alerts}]\n");
  for (const std::string gone : {" 2>/dev/full", " 2>&-"}) {
    EXPECT_EQ(run("read " + kRefused + " --quiet --config sink.yaml" + gone).exit_code, 0) << gone;
    EXPECT_EQ(run("read missing.pcap" + gone).exit_code, 1) << gone;
    EXPECT_EQ(run("read --no-such-option" + gone).exit_code, 2) << gone;
  }
  EXPECT_EQ(run("read missing.pcap " + kRefused + " --quiet --flows flows 2>&-").exit_code, 1);
  EXPECT_EQ(run("read " + kRefused + " --quiet --flows whole").exit_code, 0);
  EXPECT_EQ(lines_in("flows"), lines_in("whole")) << "records only, and nothing of what was told";
}

// --- evidence -------------------------------------------------------------------------------------------------------

TEST_F(Program, NamesTheEvidenceInAlertAndReport) {
  std::filesystem::create_directory(folder_ / "evidence");
  const Finished report = run("read " + kRefused + " --evidence evidence --alerts alerts");
  EXPECT_EQ(report.exit_code, 0) << report.err;
  const auto files = std::filesystem::directory_iterator(folder_ / "evidence");
  ASSERT_NE(files, std::filesystem::directory_iterator());
  const std::string path = std::filesystem::canonical(files->path());
  EXPECT_NE(report.out.find(path), std::string::npos) << report.out;
  for (const std::string& line : lines_in("alerts")) EXPECT_EQ(nlohmann::json::parse(line)["file"]["path"], path);
  // As a setting, and again over what is there.
  write("doorslam.yaml", "evidence: {folder: evidence}\n");
  const std::string before = content_of(path);
  EXPECT_EQ(run("read " + kRefused + " -c doorslam.yaml --quiet --alerts alerts2").exit_code, 0);
  EXPECT_EQ(content_of(folder_ / "alerts2"), content_of(folder_ / "alerts"));
  EXPECT_EQ(content_of(path), before);
  EXPECT_EQ(run("read " + kRefused + " --quiet --alerts alerts3").exit_code, 0);
  EXPECT_EQ(content_of(folder_ / "alerts3").find("\"file\""), std::string::npos) << "without evidence";
}

TEST_F(Program, SaysWhenThereIsNoFolderForEvidence) {
  write("file", "");
  for (const auto& [where, words] : {std::pair("nowhere", "no such folder"), std::pair("file", "is no folder")}) {
    const Finished wrong = run("read " + kRefused + " --quiet --flows flows --evidence " + where);
    EXPECT_EQ(wrong.exit_code, 2);
    EXPECT_TRUE(is_one_line_with(wrong.err, {where, words}));
  }
}

TEST_F(Program, ChecksTheFolderForEvidence) {
  const Finished missing = run("check --set evidence.folder=nowhere");
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.out.find("nowhere: there is no such folder for evidence"), std::string::npos) << missing.out;
  std::filesystem::create_directory(folder_ / "evidence");
  const Finished there = run("check --set evidence.folder=evidence");
  EXPECT_EQ(there.exit_code, 0) << there.out;
  EXPECT_NE(there.out.find("evidence can be written"), std::string::npos) << there.out;
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "evidence"));
}

TEST_F(Program, ShowsNoPayloadInEvidenceWhereNoneIsWanted) {
  std::filesystem::create_directory(folder_ / "evidence");
  const std::string command = "read " + kRefused + " --quiet --evidence evidence";
  const auto has_words = [&] {
    const std::string content = content_of(std::filesystem::directory_iterator(folder_ / "evidence")->path());
    return content.find("421 Service not available") != std::string::npos;
  };
  EXPECT_EQ(run(command).exit_code, 0);
  EXPECT_TRUE(has_words());
  EXPECT_EQ(run(command + " --set evidence.payload=none").exit_code, 0);
  EXPECT_FALSE(has_words());
}

}  // namespace
}  // namespace doorslam
