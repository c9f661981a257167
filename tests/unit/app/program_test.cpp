#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "pipeline/diagnose/cause.h"
#include "tests/unit/app/program.h"

/// What the program says of itself, and of the wrong ways to use it.
namespace doorslam {
namespace {

using namespace test;

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

// --- wrong usage and configuration: exit 2 ---------------------------------------------------------------------------

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

// --- threads --------------------------------------------------------------------------------------------------------

/// Each thread takes a gibibyte of addresses, and there are two and a half: some workers start, and not all.
TEST_F(Program, EndsWhereNotAllOfItsWorkersCanBeStarted) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer needs more addresses than that";
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the sanitizer needs more addresses than that";
#endif
#endif
  const std::string limits = "ulimit -s 1048576 && ulimit -v 2621440 && ";
  if (std::system((limits + "true").c_str()) != 0) GTEST_SKIP() << "these limits are not to be had here";
  const Finished done = run("read --quiet --workers 4 " + kFull, limits + "timeout -s KILL 60 ");
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_TRUE(is_one_line_with(done.err, {"cannot start worker ", " of 4 (", "fewer --workers"}));
}

}  // namespace
}  // namespace doorslam
