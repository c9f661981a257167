#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/segment_capture.h"
#include "tests/support/segment_scenario.h"
#include "tests/unit/app/program.h"

/// Which packets the program takes, and captures that cannot be read, or only in part: exit 1.
namespace doorslam {
namespace {

using namespace test;

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
  EXPECT_NE(none.out.find("The filter matches none of the "), std::string::npos) << none.out;
  const Finished quiet = run("read " + kFull + " --filter 'host 192.0.2.1' --quiet");
  EXPECT_EQ(quiet.exit_code, 0);
  EXPECT_TRUE(is_one_line_with(quiet.err, {"--filter 'host 192.0.2.1': matches none of ", " packets"}));
  const Finished live = run("run --vdev net_null0 --no-huge --filter 'tcp and and'");
  EXPECT_EQ(live.exit_code, 2);
  EXPECT_TRUE(is_one_line_with(live.err, {"run.filter", "tcp and and"})) << live.err;
  const Finished misplaced = run("read " + kFull + " 'host 10.61.0.42' --quiet");
  EXPECT_EQ(misplaced.exit_code, 1);
  EXPECT_NE(misplaced.err.find("--filter"), std::string::npos) << misplaced.err;
}

TEST_F(Program, ReadsFromAPipe) {
  const Finished piped = run("read - --flows - <" + kRefused);
  const Finished file = run("read " + kRefused + " --flows -");
  EXPECT_EQ(piped.exit_code, 0) << piped.err;
  EXPECT_FALSE(piped.out.empty());
  EXPECT_EQ(piped.out, file.out);
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

}  // namespace
}  // namespace doorslam
