#include <gtest/gtest.h>

#include <filesystem>

#include "pipeline/diagnose/signature_database.h"
#include "pipeline/diagnose/signature_file.h"
#include "tests/unit/diagnose/story.h"

/// Refusals in words that the project's own signatures know.
namespace doorslam::diagnose {
namespace {

using namespace test;

class WordStory : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    const std::filesystem::path paths[] = {default_signature_directory()};
    auto database = SignatureDatabase::load(paths, {});
    ASSERT_TRUE(database) << database.error().message;
    auto made = SignatureScanner::create(*database);
    ASSERT_TRUE(made) << made.error().message;
    scanner_ = std::make_unique<SignatureScanner>(std::move(*made));
  }
  static void TearDownTestSuite() { scanner_.reset(); }

  static Readings read(const Story& story) { return story.read({.analysis = {}, .scanner = scanner_.get()}); }

  /// The server greets with `words` and closes.
  static Conversation& refuse_with(Story& story, std::string_view words, IpAddress client, double at) {
    Conversation& talk = story.connect(client, at);
    talk.handshake();
    talk.server(kPsh | kAck, words);
    Story::hang_up(talk);
    return talk;
  }

  inline static std::unique_ptr<SignatureScanner> scanner_;
};

TEST_F(WordStory, AnFtpServersCodeAndTextNameTheLimit) {
  Story story({address4(200), 21});
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& refused =
      refuse_with(story, "421 There are too many connected users, please try later.\r\n", client(1), 3.5);
  const Readings readings = read(story);
  const DiagnosedConnection& reading = readings.of(refused);
  EXPECT_TRUE(is_read_as(reading, Cause::connection_limit));
  ASSERT_TRUE(reading.diagnosis.signature);
  EXPECT_EQ(reading.diagnosis.signature->name, "vsftpd-max-clients");
  EXPECT_EQ(reading.diagnosis.signature->program, "vsftpd");
  EXPECT_EQ(reading.diagnosis.signature->protocol, "ftp");
  EXPECT_TRUE(argues_for(reading, Cause::connection_limit, "the server's words are those of vsftpd"));
  EXPECT_TRUE(argues_against(reading, Cause::served, "the server's words are those of vsftpd"));
}

constexpr std::string_view kTooManyConnections =
    "421 4.7.0 mx1.example.test Error: too many connections from 192.0.2.14\r\n";

/// Postfix says the same of concurrency and of rate: only the ledger can tell.
TEST_F(WordStory, PostfixsAmbiguousWordsMeanTheLimitWhereSessionsStandAtTheirCeiling) {
  Story story({address4(200), 25});
  Conversation* last = nullptr;
  for (int round = 0; round < 4; ++round) {
    const double at = 100.0 * round;
    for (int i = 0; i < 3; ++i) story.serve(client(1), at + 3.0 * i, 40.0);
    last = &refuse_with(story, kTooManyConnections, client(1), at + 20.0);
    last = &refuse_with(story, kTooManyConnections, client(1), at + 30.0);
  }
  const Readings readings = read(story);
  EXPECT_TRUE(is_read_as(readings.of(*last), Cause::connection_limit));
  EXPECT_TRUE(argues_for(readings.of(*last), Cause::connection_limit, "this client held 3 sessions open already"));
  EXPECT_GT(probability_of(readings.of(*last), Cause::connection_limit),
            probability_of(readings.of(*last), Cause::rate_limit));
}

TEST_F(WordStory, PostfixsAmbiguousWordsMeanTheRateWhereNoSessionIsOpen) {
  Story story({address4(200), 25});
  Conversation* last = nullptr;
  for (int round = 0; round < 3; ++round) {
    const double at = 200.0 * round;
    for (int i = 0; i < 6; ++i) story.serve(client(1), at + 2.0 * i, 0.1);
    for (int i = 6; i < 10; ++i) last = &refuse_with(story, kTooManyConnections, client(1), at + 2.0 * i);
  }
  const Readings readings = read(story);
  EXPECT_TRUE(is_read_as(readings.of(*last), Cause::rate_limit));
  EXPECT_TRUE(argues_for(readings.of(*last), Cause::rate_limit, "in the minute before"));
  EXPECT_TRUE(argues_against(readings.of(*last), Cause::connection_limit, "no other session was open"));
}

TEST_F(WordStory, KnownWordsOfRefusalCountAsRefusalsInTheLedger) {
  Story story({address4(200), 21});
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  refuse_with(story, "421 There are too many connected users, please try later.\r\n", client(1), 3.5);
  Conversation& silently = story.refuse(client(1), 6.0);
  const Readings readings = read(story);
  EXPECT_TRUE(argues_for(readings.of(silently), Cause::acl_denied, "refused 2 of 2 times, while 4 other clients"));
}

/// An Oracle listener's refusals begin alike and are of one length; the code that tells them apart stands far behind.
TEST_F(WordStory, UnknownWordsHideNoRefusalThatBeginsAlike) {
  const auto refuse_packet = [](std::string_view code) {
    return std::string("\x00\x59\x00\x00\x04\x00\x00\x00\x22\x00\x00\x4d", 12) +
           "(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR=" + std::string(code) + ")(ERROR_STACK=";
  };
  Story story({address4(200), 1521});
  const auto ask = [&](double at, std::string_view code, bool client_leaves) -> Conversation& {
    Conversation& talk = story.connect(client(1), at);
    talk.handshake();
    talk.exchange("(CONNECT_DATA=(SID=x))", refuse_packet(code));
    client_leaves ? talk.close() : Story::hang_up(talk);
    return talk;
  };
  ask(1.0, "12528", true);  // no signature knows it
  ask(2.0, "12528", false);
  Conversation& refused = ask(3.0, "12519", false);
  const Readings readings = read(story);
  ASSERT_TRUE(readings.of(refused).diagnosis.signature) << in_full(readings.of(refused).diagnosis);
  EXPECT_EQ(readings.of(refused).diagnosis.signature->name, "oracle-no-handler");
}

TEST_F(WordStory, TheBannerIsAsLongAsAskedFor) {
  Story story({address4(200), 21});
  Conversation& refused = refuse_with(story, "421 Service not available.\r\n", client(1), 1.0);
  ReadOptions options;
  options.analysis.banner_length = 10;
  EXPECT_EQ(story.read(options).of(refused).diagnosis.banner, "421 Servic");
  options.analysis.banner_length = 0;
  EXPECT_EQ(story.read(options).of(refused).diagnosis.banner, "");
}

}  // namespace
}  // namespace doorslam::diagnose
