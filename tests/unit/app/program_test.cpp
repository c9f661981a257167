#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipeline/diagnose/cause.h"
#include "tests/support/segment_capture.h"
#include "tests/support/segment_scenario.h"
#include "tests/support/temporary_folder.h"

/// The program as a user meets it: exit codes, messages, what stands in its files.
namespace doorslam {
namespace {

using namespace test;

const std::string kCaptures = DOORSLAM_TEST_CAPTURES;
const std::string kRefused = kCaptures + "/vsftpd_tcp_wrappers.pcap";
const std::string kFull = kCaptures + "/licence_server_full.pcap";

std::string content_of(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> sorted(std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return lines;
}

struct Finished {
  int exit_code = -1;
  std::string out;
  std::string err;
};

class Program : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(std::filesystem::exists(DOORSLAM_PROGRAM)) << "build " DOORSLAM_PROGRAM; }

  /// `arguments` as one would type them; may redirect, after the program's own redirections.
  Finished run(const std::string& arguments) const {
    const std::string command = "cd '" + folder_.path().string() + "' && XDG_CACHE_HOME='" +
                                (folder_ / "cache").string() + "' '" DOORSLAM_PROGRAM "' >out 2>err </dev/null " +
                                arguments;
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(folder_ / "out"), content_of(folder_ / "err")};
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  std::vector<std::string> lines_in(const std::string& name) const { return lines_of(content_of(folder_ / name)); }

  TemporaryFolder folder_;
};

testing::AssertionResult is_one_line_with(const std::string& err, std::initializer_list<std::string_view> words) {
  if (std::count(err.begin(), err.end(), '\n') != 1) return testing::AssertionFailure() << "not one line: " << err;
  if (!err.starts_with("doorslam: ")) return testing::AssertionFailure() << "who says so? " << err;
  for (const std::string_view word : words) {
    if (err.find(word) == std::string::npos) return testing::AssertionFailure() << "no '" << word << "' in " << err;
  }
  return testing::AssertionSuccess();
}

// --- help -----------------------------------------------------------------------------------------------------------

TEST_F(Program, TellsItsVersionAndItsUse) {
  const Finished version = run("--version");
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_EQ(version.out, "doorslam " DOORSLAM_TEST_VERSION "\n");
  for (const char* arguments : {"--help", "read --help", "check --help", "explain --help", "print-config --help"}) {
    const Finished help = run(arguments);
    EXPECT_EQ(help.exit_code, 0) << arguments;
    EXPECT_EQ(help.err, "") << arguments;
    EXPECT_FALSE(help.out.empty()) << arguments;
  }
  EXPECT_NE(run("--help").out.find("Exit codes:"), std::string::npos);
  for (const char* command : {"explain --help", "print-config --help"}) {
    EXPECT_EQ(run(command).out.find("tcpdump"), std::string::npos) << "the examples of other commands: " << command;
  }
}

TEST_F(Program, ExplainsEveryCauseAndNoOther) {
  for (const std::string_view cause : diagnose::kCauseNames) {
    const Finished page = run("explain " + std::string(cause));
    EXPECT_EQ(page.exit_code, 0) << cause;
    EXPECT_TRUE(page.out.starts_with(cause)) << page.out;
  }
  EXPECT_EQ(lines_of(run("explain").out).size(), diagnose::kCauseCount);
  const Finished nonsense = run("explain nonsense");
  EXPECT_EQ(nonsense.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(nonsense.err, {"'nonsense'", "acl_denied"}));
  EXPECT_EQ(nonsense.out, "");
}

/// After a change to the guide: doorslam explain --markdown > docs/causes.md
TEST_F(Program, ExplainsWhatTheDocumentationSays) {
  const Finished page = run("explain --markdown");
  EXPECT_EQ(page.exit_code, 0);
  EXPECT_TRUE(page.out == content_of(DOORSLAM_TEST_CAUSES)) << "docs/causes.md is out of date";
  EXPECT_EQ(run("explain --markdown acl_denied").exit_code, 2);
}

TEST_F(Program, PrintsAConfigurationThatItTakes) {
  const Finished printed = run("print-config --set workers=2");
  EXPECT_EQ(printed.exit_code, 0);
  write("doorslam.yaml", printed.out);
  const Finished again = run("print-config -c doorslam.yaml");
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(again.out, printed.out);
}

// --- wrong usage and configuration: exit 2 --------------------------------------------------------------------------

TEST_F(Program, RefusesWrongUsage) {
  for (const char* arguments : {"", "read", "frobnicate", "read --nonsense x", "read x -w 0"}) {
    const Finished wrong = run(arguments);
    EXPECT_EQ(wrong.exit_code, 2) << arguments;
    EXPECT_TRUE(is_one_line_with(wrong.err, {})) << arguments;
  }
  const Finished both = run("read " + kRefused + " --flows - --alerts -");
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(both.err, {"--flows", "--alerts"}));
  EXPECT_EQ(both.out, "");
}

TEST_F(Program, ReadsThePacketsThatAFilterLetsThrough) {
  const Finished all = run("read " + kFull + " --flows all.ndjson --quiet");
  EXPECT_EQ(all.exit_code, 0);
  const Finished some = run("read " + kFull + " --filter 'host 10.61.0.42' --flows some.ndjson");
  EXPECT_EQ(some.exit_code, 0) << some.err;
  EXPECT_NE(some.out.find("filtered out (--filter host 10.61.0.42)"), std::string::npos) << some.out;
  std::size_t wanted = 0;
  for (const std::string& line : lines_of(content_of(folder_ / "all.ndjson"))) {
    wanted += line.find("\"10.61.0.42\"") != std::string::npos;
  }
  const auto taken = lines_of(content_of(folder_ / "some.ndjson"));
  EXPECT_EQ(taken.size(), wanted);
  EXPECT_GT(wanted, 0U);
  for (const std::string& line : taken) EXPECT_NE(line.find("\"10.61.0.42\""), std::string::npos);
}

TEST_F(Program, SaysWhatIsWrongWithAFilter) {
  const Finished wrong = run("read " + kFull + " --filter 'tcp and and'");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(wrong.err, {"--filter", "tcp and and"})) << wrong.err;
  EXPECT_EQ(wrong.out, "");
  const Finished none = run("read " + kFull + " --filter 'host 192.0.2.1'");
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_NE(none.out.find("There is no TCP connection in it."), std::string::npos) << none.out;
  const Finished misplaced = run("read " + kFull + " 'host 10.61.0.42' --quiet");
  EXPECT_EQ(misplaced.exit_code, 1);
  EXPECT_NE(misplaced.err.find("--filter"), std::string::npos) << misplaced.err;
}

TEST_F(Program, NeverWritesOverACapture) {
  std::filesystem::copy_file(kRefused, folder_ / "a.pcap");
  const std::string before = content_of(folder_ / "a.pcap");
  for (const char* arguments : {"read a.pcap --flows a.pcap", "read a.pcap --quiet --alerts ./a.pcap"}) {
    const Finished wrong = run(arguments);
    EXPECT_EQ(wrong.exit_code, 2) << arguments;
    EXPECT_TRUE(is_one_line_with(wrong.err, {"a.pcap"}));
    EXPECT_TRUE(content_of(folder_ / "a.pcap") == before) << arguments;
  }
}

TEST_F(Program, SuggestsTheKeyThatWasMeant) {
  const Finished set = run("read " + kRefused + " --set flows.capcity=5000");
  EXPECT_EQ(set.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(set.err, {"flows.capcity", "did you mean flows.capacity?"}));
  write("wrong.yaml", "workers: 1\nflows:\n  capcity: 5000\n");
  const Finished file = run("read " + kRefused + " -c wrong.yaml");
  EXPECT_EQ(file.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(file.err, {"wrong.yaml:3:", "did you mean flows.capacity?"}));
  const Finished range = run("read " + kRefused + " --set workers=1000");
  EXPECT_EQ(range.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(range.err, {"workers", "64"}));
  const Finished missing = run("read " + kRefused + " -c missing.yaml");
  EXPECT_EQ(missing.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(missing.err, {"missing.yaml"}));
}

TEST_F(Program, NamesFileAndLineOfABadSignature) {
  const std::string good =
      "signatures:\n  - name: mine\n    program: x\n    protocol: p\n    expression: '^GO'\n    causes: {acl_denied: "
      "0.9}\n"
      "    specificity: exact\n    source: x\n    sample: GO\n";
  write("good.yaml", good);
  EXPECT_EQ(run("read " + kRefused + " --quiet --set signatures.paths=good.yaml").exit_code, 0);
  std::string bad = good;
  bad.replace(bad.find("'^GO'"), 5, "'^GO('");
  write("bad.yaml", bad);
  const Finished wrong = run("read " + kRefused + " --set signatures.paths=bad.yaml");
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(wrong.err, {"bad.yaml:", "mine"}));
  EXPECT_EQ(wrong.out, "");
}

// --- check ----------------------------------------------------------------------------------------------------------

TEST_F(Program, ChecksAConfigurationForReading) {
  write("doorslam.yaml", "analysis:\n  settle_seconds: 5\n");
  const Finished good = run("check -c doorslam.yaml --json findings");
  EXPECT_EQ(good.exit_code, 0) << good.out;
  EXPECT_EQ(good.err, "");
  EXPECT_NE(good.out.find("1 changed"), std::string::npos) << good.out;
  EXPECT_NE(good.out.find("serves `doorslam read` only"), std::string::npos) << "what is skipped is said";
  EXPECT_EQ(good.out.find('\x1b'), std::string::npos) << "no colour";
  const auto json = nlohmann::json::parse(content_of(folder_ / "findings"));
  EXPECT_EQ(json["must"], 0);
  EXPECT_EQ(json["version"], DOORSLAM_TEST_VERSION);
  EXPECT_EQ(json["findings"].size(), json["fine"].get<int>() + json["skipped"].get<int>() + json["should"].get<int>());
  const Finished to_output = run("check -c doorslam.yaml --json -");
  EXPECT_EQ(lines_of(to_output.out).size(), 1U) << "nothing but the findings";
  EXPECT_EQ(nlohmann::json::parse(to_output.out)["findings"].size(), json["findings"].size());
  EXPECT_EQ(run("check -c doorslam.yaml --quiet").out, "");
}

TEST_F(Program, ChecksToTheEndAndNamesEveryPlace) {
  write("doorslam.yaml", "workers: 1000\nflows:\n  capcity: 5000\nsignatures:\n  paths: [bad.yaml, missing.yaml]\n");
  write("bad.yaml",
        "signatures:\n  - name: mine\n    program: x\n    protocol: p\n    expression: '^GO('\n"
        "    causes: {acl_denied: 2}\n    specificity: exact\n    source: x\n    sample: GO\n");
  const Finished wrong = run("check -c doorslam.yaml --set flows.x=1");
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_EQ(wrong.err, "");
  for (const std::string_view place :
       {"doorslam.yaml:1:10: workers", "doorslam.yaml:3:3: unknown key flows.capcity; did you mean flows.capacity?",
        "--set flows.x=1", "bad.yaml:6:26: weight of 'acl_denied'", "bad.yaml:5:17: signature 'mine'",
        "missing.yaml: ", "6 must"}) {
    EXPECT_NE(wrong.out.find(place), std::string::npos) << place << "\n" << wrong.out;
  }
  EXPECT_EQ(run("check --nonsense").exit_code, 2);
}

TEST_F(Program, ChecksTheHostForItsPorts) {
  const Finished wrong = run("check --set run.ports=0000:00:00.9");
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_NE(wrong.out.find("port 0000:00:00.9"), std::string::npos) << wrong.out;
  EXPECT_NE(wrong.out.find("there is no such PCI device"), std::string::npos) << wrong.out;
  EXPECT_NE(wrong.out.find("packet buffers of 0000:00:00.9"), std::string::npos) << "the arithmetic is shown";
  const Finished null = run("check --set run.ports=net_null0 --set run.huge_pages=false");
  EXPECT_NE(null.out.find("a virtual device without hardware"), std::string::npos) << null.out;
  EXPECT_EQ(null.out.find("there is no such"), std::string::npos) << null.out;
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

// --- captures that cannot be read, or only in part: exit 1 ----------------------------------------------------------

TEST_F(Program, ReadsTheOthersWhereACaptureIsMissing) {
  const Finished alone = run("read missing.pcap");
  EXPECT_EQ(alone.exit_code, 1);
  EXPECT_TRUE(is_one_line_with(alone.err, {"missing.pcap"}));
  const Finished beside = run("read missing.pcap " + kRefused + " --quiet --flows flows");
  EXPECT_EQ(beside.exit_code, 1);
  EXPECT_TRUE(is_one_line_with(beside.err, {"missing.pcap"}));
  EXPECT_EQ(run("read " + kRefused + " --quiet --flows whole").exit_code, 0);
  EXPECT_FALSE(lines_in("whole").empty());
  EXPECT_EQ(lines_in("flows"), lines_in("whole"));
}

TEST_F(Program, LeavesNoOldRecordsWhereNothingCanBeRead) {
  ASSERT_EQ(run("read -q '" + kRefused + "' --flows flows.ndjson").exit_code, 0);
  ASSERT_FALSE(content_of(folder_ / "flows.ndjson").empty());
  EXPECT_EQ(run("read -q nothing.pcap --flows flows.ndjson").exit_code, 1);
  EXPECT_EQ(content_of(folder_ / "flows.ndjson"), "");
}

TEST_F(Program, SaysWhatIsWrongWithWhatIsNoCapture) {
  write("text.pcap", "This is no capture at all, but a text of some length.\n");
  write("empty.pcap", "");
  std::filesystem::create_directory(folder_ / "folder.pcap");
  for (const std::string name : {"text.pcap", "empty.pcap", "folder.pcap"}) {
    const Finished wrong = run("read " + name);
    EXPECT_EQ(wrong.exit_code, 1) << name;
    EXPECT_TRUE(is_one_line_with(wrong.err, {name}));
  }
}

TEST_F(Program, NamesAnUnknownLinkType) {
  CaptureFile file(147);  // LINKTYPE_USER0
  file.add(kStart, Bytes(60, 0));
  file.write(folder_ / "user0.pcap");
  const Finished wrong = run("read user0.pcap " + kRefused + " --quiet --flows flows");
  EXPECT_EQ(wrong.exit_code, 1);
  EXPECT_TRUE(is_one_line_with(wrong.err, {"user0.pcap", "147"}));
  EXPECT_FALSE(lines_in("flows").empty());
}

TEST_F(Program, ReportsEverythingReadableOfATruncatedCapture) {
  Conversation talk;
  talk.handshake();
  talk.server(kFin | kAck);
  CaptureFile file;
  file.add(talk.segments());
  file.write(folder_ / "whole.pcap");
  file.write(folder_ / "cut.pcap", 5);
  EXPECT_EQ(run("read whole.pcap --quiet --flows whole").exit_code, 0);
  const Finished cut = run("read cut.pcap --quiet --flows flows");
  EXPECT_EQ(cut.exit_code, 1);
  EXPECT_TRUE(is_one_line_with(cut.err, {"cut.pcap", "cut short at byte 234"}));
  ASSERT_EQ(lines_in("flows").size(), 1U);
  EXPECT_EQ(nlohmann::json::parse(lines_in("whole").front())["destination"]["packets"], 2);
  EXPECT_EQ(nlohmann::json::parse(lines_in("flows").front())["destination"]["packets"], 1);
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

// --- what it reads and writes ---------------------------------------------------------------------------------------

TEST_F(Program, ReadsFromAPipe) {
  const Finished piped = run("read - --flows - <" + kRefused);
  const Finished file = run("read " + kRefused + " --flows -");
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_FALSE(piped.out.empty());
  EXPECT_EQ(piped.out, file.out);
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

TEST_F(Program, TakesWrongChecksumsWhenAsked) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  talk.close();
  CaptureFile file;
  for (Segment segment : talk.segments()) {
    segment.checksum_bad = true;
    file.add(segment);
  }
  file.write(folder_ / "offloaded.pcap");
  const Finished strict = run("read offloaded.pcap");
  EXPECT_EQ(strict.exit_code, 0);
  EXPECT_NE(strict.out.find("-C takes them"), std::string::npos) << strict.out;
  const Finished lenient = run("read -C offloaded.pcap --flows -");
  ASSERT_EQ(lines_of(lenient.out).size(), 1U);
  EXPECT_EQ(nlohmann::json::parse(lines_of(lenient.out).front())["doorslam"]["conn_state"], "SF");
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

}  // namespace
}  // namespace doorslam
