#include "pipeline/alert/sink/syslog_line.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <regex>

#include "tests/unit/store/sample_record.h"

namespace doorslam::sink {
namespace {

std::string line_of(store::Record record, const SyslogIdentity& identity = {16, "tap.example"}) {
  SyslogLine line(identity);
  std::string out;
  line.append({&record, record.body}, out);
  return out;
}

TEST(SyslogLine, HasEveryPartOfRfc5424) {
  const store::Record record = store::sample_record(0x0102, 5);
  EXPECT_EQ(line_of(record), "<132>1 2023-11-14T22:13:20.000000Z tap.example doorslam " + std::to_string(getpid()) +
                                 " alert [doorslam@32473 id=\"" + record.id +
                                 "\" cause=\"acl_denied\" severity=\"47\" server=\"10.0.1.2\" port=\"443\"] " +
                                 record.body);
}

TEST(SyslogLine, GivesEachSeverityItsPriority) {
  // local0 is 16; 6 informational, 5 notice, 4 warning, 3 error, 2 critical.
  for (const auto& [severity, priority] : std::vector<std::pair<int, std::string>>{
           {0, "<134>"}, {21, "<133>"}, {47, "<132>"}, {73, "<131>"}, {99, "<130>"}}) {
    store::Record record = store::sample_record(1);
    record.severity = severity;
    EXPECT_TRUE(line_of(record).starts_with(priority)) << severity;
  }
}

TEST(SyslogLine, KeepsTheHeaderPrintable) {
  const std::string line = line_of(store::sample_record(1), {16, "two words\n" + std::string(300, 'x')});
  EXPECT_NE(line.find(" two_words_xxx"), std::string::npos);
  const std::regex header(R"(<132>1 \S+Z ([!-~]{255}) doorslam .*)");
  EXPECT_TRUE(std::regex_match(line, header)) << line;
}

TEST(SyslogLine, KnowsTheFacilitiesOfRfc5424) {
  EXPECT_EQ(facility_named("kern"), 0);
  EXPECT_EQ(facility_named("authpriv"), 10);
  EXPECT_EQ(facility_named("local0"), 16);
  EXPECT_EQ(facility_named("local7"), 23);
  EXPECT_EQ(facility_named("local8"), -1);
}

}  // namespace
}  // namespace doorslam::sink
