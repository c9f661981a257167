#include <gtest/gtest.h>

#include <sstream>

#include "pipeline/base/wrap.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::diagnose {
namespace {

TEST(Guide, ExplainsEveryCauseWithinAHundredColumns) {
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    const GuideEntry& entry = guide_entry(cause);
    EXPECT_EQ(entry.cause, cause);
    const std::string page = explain(cause);
    EXPECT_TRUE(page.starts_with(std::string(name_of(cause)) + ": " + std::string(entry.title)));
    EXPECT_NE(page.find("WHOM TO ASK"), std::string::npos);
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) EXPECT_LE(columns(line), 100U) << line;
    if (is_refusal(cause)) {
      EXPECT_FALSE(entry.ladder.empty()) << name_of(cause);
      EXPECT_FALSE(entry.lookalikes.empty()) << name_of(cause);
      EXPECT_FALSE(entry.checks.empty()) << name_of(cause);
      EXPECT_FALSE(entry.references.empty()) << name_of(cause);
    }
  }
}

TEST(NextSteps, NameTheSettingOfTheProgram) {
  const auto first = [](Cause cause, std::string_view program, std::string_view protocol) {
    const auto steps = next_steps(cause, program, protocol);
    return steps.empty() ? NextStep{} : steps.front();
  };
  EXPECT_EQ(first(Cause::connection_limit, "vsftpd", "ftp").program, "vsftpd");
  EXPECT_NE(first(Cause::connection_limit, "vsftpd", "ftp").text.find("max_clients"), std::string::npos);
  EXPECT_NE(first(Cause::rate_limit, "Postfix smtpd", "smtp").text.find("anvil_rate_time_unit"), std::string::npos);
  EXPECT_NE(first(Cause::connection_limit, "MySQL/MariaDB", "mysql").text.find("max_connections"), std::string::npos);
  EXPECT_NE(first(Cause::acl_denied, "PostgreSQL", "postgresql").text.find("pg_hba.conf"), std::string::npos);
  EXPECT_NE(first(Cause::connection_limit, "OpenSSH 9.8", "ssh").text.find("MaxStartups"), std::string::npos);
}

TEST(NextSteps, FallBackToTheProtocolAndThenToWhatHoldsForAny) {
  EXPECT_EQ(next_steps(Cause::connection_limit, "", "ftp").front().program, "vsftpd");
  EXPECT_EQ(next_steps(Cause::connection_limit, "FileZilla", "ftp").front().program, "vsftpd");
  const auto general = next_steps(Cause::connection_limit, "", "");
  ASSERT_FALSE(general.empty());
  EXPECT_TRUE(general.front().program.empty());
  EXPECT_EQ(general.back().program, "systemd");
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    if (is_refusal(cause)) {
      EXPECT_FALSE(next_steps(cause, "", "").empty()) << name_of(cause);
    }
  }
}

TEST(UsualProtocol, KnowsRegisteredPortsOnly) {
  EXPECT_EQ(usual_protocol(21), "ftp");
  EXPECT_EQ(usual_protocol(5432), "postgresql");
  EXPECT_EQ(usual_protocol(51234), "");
}

}  // namespace
}  // namespace doorslam::diagnose
