#include <gtest/gtest.h>

#include <filesystem>

#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/diagnose/signature/signature_file.h"
#include "tests/unit/diagnose/spoken_story.h"

/// Refusals in words that the project's own signatures know.
namespace doorslam::diagnose {
namespace {

using namespace test;

class WordStory : public SpokenStory {
 protected:
  /// The server greets with `words` and closes.
  static Conversation& refuse_with(Story& story, std::string_view words, IpAddress client, double at) {
    Conversation& talk = story.connect(client, at);
    talk.handshake();
    talk.server(kPsh | kAck, words);
    Story::hang_up(talk);
    return talk;
  }
};

/// What it has read waits to be judged, and lies in the signatures' memory.
TEST_F(WordStory, AReplacedScannerStaysForThoseWhoseWordsItHasRead) {
  const auto another = [] {
    const std::filesystem::path paths[] = {default_signature_directory()};
    return std::make_shared<SignatureScanner>(
        std::move(*SignatureScanner::create(*SignatureDatabase::load(paths, {}))));
  };
  Story story({address4(200), 21});
  refuse_with(story, "421 There are too many connected users, please try later.\r\n", client(1), 3.5);
  Tracked tracked = track(story.segments());
  const TimeNs end = tracked.batch.events.back().time_ns;

  Analysis analysis({}, nullptr);
  std::vector<DiagnosedConnection> readings;
  auto first = another();
  const std::weak_ptr<SignatureScanner> watched = first;
  analysis.reconfigure({}, std::move(first));
  analysis.collect(tracked.batch);
  analysis.advance(end, readings);
  ASSERT_TRUE(readings.empty()) << "the refusal is to wait";
  for (int reload = 0; reload < 10; ++reload) analysis.reconfigure({}, another());
  analysis.advance(end + 1, readings);
  EXPECT_FALSE(watched.expired());
  analysis.finish(readings);
  ASSERT_EQ(readings.size(), 1U);
  EXPECT_EQ(readings.front().diagnosis.signature->name, "vsftpd-max-clients");
  analysis.advance(end + 2, readings);
  EXPECT_TRUE(watched.expired());
}

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

/// A full server hangs up on several within the same instant, and their first words meet its RST: nobody was cut short.
TEST_F(WordStory, WhoIsRefusedInWordsIsNoVictimOfACrash) {
  Story story({address4(200), 7001});
  std::vector<Conversation*> refused;
  for (int i = 0; i < 24; ++i) {
    Conversation& talk = story.connect(client(10 + i % 5), 1.0 + i / 8 + 0.002 * (i % 8));
    talk.handshake();
    talk.server(kPsh | kAck, "XYZZY no seats left for you 42\r\n");
    talk.client(kPsh | kAck, "hello\r\n");
    talk.server(kRst | kAck);
    refused.push_back(&talk);
  }
  const Readings readings = read(story);
  for (Conversation* talk : refused) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::connection_limit));
    EXPECT_FALSE(says(readings.of(*talk), "cut short"));
  }
}

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

/// An Oracle listener's refusals begin alike and are of one length; the code that tells them apart comes much later.
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

constexpr std::string_view kConnackNotAuthorised("\x20\x02\x00\x05", 4);
constexpr std::string_view kConnectAsAnna("\x10\x1a\0\4MQTT\4\xc2\0\x3c\0\2c1\0\4anna\0\4pass", 28);
constexpr std::string_view kConnectAsNobody("\x10\x0e\0\4MQTT\4\x02\0\x3c\0\2c1", 16);

/// A client that is always told "not authorised" while others are let in looks like one on an address list, unless it
/// names a user and a password.
TEST_F(WordStory, MqttRefusesTheCredentialsThatWereSent) {
  const auto story_of = [](std::string_view connect) {
    Story story({address4(200), 1883});
    const auto speak = [&](IpAddress who, double at) -> Conversation& {
      Conversation& talk = story.connect(who, at);
      talk.handshake();
      talk.client(kPsh | kAck, connect);
      return talk;
    };
    for (int i = 0; i < 4; ++i) {
      Conversation& served = speak(client(20 + i), 1.0 + i);
      served.server(kPsh | kAck, std::string_view("\x20\x02\x00\x00", 4));
      served.after(seconds(1)).exchange(std::string_view("\xc0\x00", 2), std::string_view("\xd0\x00", 2));
      served.close();
    }
    for (int i = 0; i < 3; ++i) {
      Conversation& refused = speak(client(9), 1.5 + i);
      refused.server(kPsh | kAck, kConnackNotAuthorised);
      Story::hang_up(refused);
    }
    return story;
  };
  const auto last_of = [](const Readings& readings) {
    return *std::ranges::find_if(readings.all, [](const DiagnosedConnection& reading) {
      return reading.summary.originator.address == client(9);
    });
  };
  const DiagnosedConnection named = last_of(read(story_of(kConnectAsAnna)));
  EXPECT_TRUE(is_read_as(named, Cause::auth_failed));
  EXPECT_TRUE(argues_for(named, Cause::auth_failed, "carries a user name and a password"));
  EXPECT_FALSE(says(last_of(read(story_of(kConnectAsNobody))), "carries a user name and a password"));
}

/// An SSH client that says farewell while the server closes has had its session.
TEST_F(WordStory, AnSshClientThatSaysFarewellWasServed) {
  const auto session = [](Story& story, bool farewell, double idle = 0.001) -> Conversation& {
    Conversation& talk = story.connect(client(1), 1.0);
    talk.handshake();
    talk.client(kPsh | kAck, "SSH-2.0-client\r\n");
    talk.server(kPsh | kAck, "SSH-2.0-server\r\n");
    for (int i = 0; i < 5; ++i) talk.exchange(std::string(90, 'c'), std::string(90, 's'));
    if (farewell) talk.client(kPsh | kAck, std::string(96, 'q'));
    Segment& client_fin = [&]() -> Segment& {
      talk.after(seconds(idle)).server(kFin | kAck);
      return talk.client(kFin | kAck);
    }();
    if (farewell) --client_fin.ack;  // it had not seen the server's FIN
    talk.server(kAck);
    return talk;
  };
  Story served({address4(200), 22});
  Conversation& talk = session(served, true);
  EXPECT_TRUE(is_read_as(read(served).of(talk), Cause::served));
  Story failed({address4(200), 22});
  Conversation& other = session(failed, false);
  EXPECT_TRUE(is_read_as(read(failed).of(other), Cause::auth_failed));
  Story idle({address4(200), 22});
  Conversation& third = session(idle, false, 300.0);
  EXPECT_TRUE(is_read_as(read(idle).of(third), Cause::served)) << "no server gives a login five minutes";
}

TEST_F(WordStory, ANegativeSessionResponseIsARefusal) {
  Story story({address4(200), 445});
  Conversation& refused = story.connect(client(1), 1.0);
  refused.handshake();
  refused.client(kPsh | kAck, std::string_view("\0\0\0\x45\xffSMBr", 9));
  refused.server(kPsh | kAck, std::string_view("\x83\0\0\1\x81", 5));
  Story::hang_up(refused);
  const Readings readings = read(story);
  EXPECT_TRUE(is_read_as(readings.of(refused), Cause::acl_denied));
  EXPECT_EQ(readings.of(refused).diagnosis.signature->name, "netbios-not-listening-for-caller");
}

/// One answer and a close: service, or a refusal in a language that no signature knows.
TEST_F(WordStory, IsLessSureOfServiceInWordsThatNobodyKnows) {
  const auto confidence_of = [](std::string_view answer) {
    Story story({address4(200), 80});
    Conversation& talk = story.connect(client(1), 1.0);
    talk.handshake();
    talk.exchange("GET / HTTP/1.0\r\n\r\n", answer);
    Story::hang_up(talk);
    const Readings readings = read(story);
    EXPECT_TRUE(is_read_as(readings.of(talk), Cause::served));
    return readings.of(talk).diagnosis.confidence;
  };
  EXPECT_GT(confidence_of("HTTP/1.0 200 OK\r\n\r\n"), 0.95);
  EXPECT_LT(confidence_of("zq17 nuk pranohet\r\n"), 0.9);
}

/// A server that ends what it is tired of says so, in other words than those with which it begins. Nor is anybody else
/// refused whom it ended so; and such words at the end of a session do not hide those at its beginning.
TEST_F(WordStory, AnEndByTheServersTimerIsNoRefusalThatBeginsOtherwise) {
  constexpr std::string_view kTimedOut = "ERROR :Closing link: (x@192.0.2.1) [Registration timeout]\r\n";
  for (const bool timed_out : {true, false}) {
    Story story({address4(200), 6667});
    const auto end_on = [&](IpAddress who, double at, std::string_view words) -> Conversation& {
      Conversation& talk = story.connect(who, at);
      talk.handshake();
      talk.after((words == kTimedOut ? 6000 : 1) * kMillisecondNs).server(kPsh | kAck, words);
      Story::hang_up(talk);
      return talk;
    };
    for (int i = 0; i < 8; ++i) {
      Conversation& session = story.connect(client(10 + i), 1.0 + i);
      session.handshake();
      session.exchange("NICK a\r\nUSER a 0 * :a\r\n", ":irc.example.test 001 a :Welcome\r\n");
      session.after(kSecondNs).exchange("JOIN #x\r\n", ":a JOIN #x\r\n");
      session.after(kSecondNs).exchange("PART #x\r\n", ":a PART #x\r\n");
      session.after(kSecondNs).exchange("QUIT\r\n", "ERROR :Closing link: (a@192.0.2.2) [Quit: a]\r\n");
      Story::hang_up(session);
    }
    for (int i = 0; i < 3; ++i) end_on(client(30 + i), 2.0 + i, kTimedOut);
    Conversation& talk = end_on(client(1), 4.0, timed_out ? kTimedOut : "zutritt verwehrt\r\n");
    const DiagnosedConnection reading = read(story).of(talk);
    EXPECT_EQ(reading.diagnosis.cause == Cause::served, timed_out) << in_full(reading.diagnosis);
    EXPECT_FALSE(says(reading, "clients were only refused"));
    EXPECT_EQ(static_cast<bool>(says(reading, "the server said something else than to the 8 sessions")), !timed_out);
  }
}

/// One refusal of which the capture lost the words is no session in which the client was served.
TEST_F(WordStory, LostWordsAreNoService) {
  constexpr std::string_view kRejected = "554 5.7.1 <unknown[192.0.2.9]>: Client host rejected: go away\r\n";
  Story story({address4(200), 25});
  for (int i = 0; i < 5; ++i) story.serve(client(10 + i), 1.0 + 4.0 * i, 1.0);
  Conversation* last = nullptr;
  for (int i = 0; i < 3; ++i) {
    last = &story.connect(client(1), 3.0 + 4.0 * i);
    last->handshake();
    last->server(kPsh | kAck, kRejected);
    if (i == 0) last->lose_latest();
    last->client(kAck);
    last->client(kPsh | kAck, "QUIT\r\n");
    last->server(kPsh | kAck, "221 2.0.0 Bye\r\n");
    Story::hang_up(*last);
  }
  const DiagnosedConnection reading = read(story).of(*last);
  EXPECT_TRUE(is_read_as(reading, Cause::acl_denied));
  EXPECT_FALSE(says(reading, "the same client was served"));
  EXPECT_TRUE(says(reading, "refused 2 of 2 times, while 5 other clients were served"));
}

/// A capture of the headers alone has no words: what they were nobody can tell.
TEST_F(WordStory, WordsCutByTheSnapLengthAreNoService) {
  for (const bool cut : {false, true}) {
    Story story({address4(200), 80});
    Conversation& talk = story.connect(client(1), 1.0);
    talk.handshake();
    talk.client(kPsh | kAck, "GET / HTTP/1.0\r\n\r\n");
    Segment& answer = talk.server(kPsh | kAck, "HTTP/1.0 200 OK\r\n\r\n");
    if (cut) answer.payload = answer.payload.subspan(0, 2);
    Story::hang_up(talk);
    const DiagnosedConnection reading = read(story).of(talk);
    EXPECT_EQ(static_cast<bool>(says(reading, "what it said is missing from the capture")), cut);
    EXPECT_EQ(reading.diagnosis.confidence < 0.9, cut) << in_full(reading.diagnosis);
  }
}

/// PostgreSQL ends its sessions with a word when one of them has crashed, and the one that is just beginning without.
TEST_F(WordStory, WhatTheOthersWereToldOfACrashHoldsForTheSpeechless) {
  using namespace std::string_view_literals;
  constexpr std::string_view kWelcome = "R\0\0\0\x08\0\0\0\0"sv;
  constexpr std::string_view kCrash =
      "N\0\0\x01\x8bSWARNING\0VWARNING\0C57P02\0Mterminating connection because of crash of another server process\0"sv;
  Story story({address4(200), 5432});
  const auto begin_session = [&](IpAddress who, double at) -> Conversation& {
    Conversation& talk = story.connect(who, at);
    talk.handshake();
    talk.exchange("startup", kWelcome);
    return talk;
  };
  for (int i = 0; i < 6; ++i) begin_session(client(20 + i), 1.0 + i).close();
  Conversation* const first = &begin_session(client(1), 8.0);
  Conversation* const second = &begin_session(client(2), 8.1);
  Conversation& speechless = story.connect(client(3), 10.0);
  speechless.handshake();
  speechless.client(kPsh | kAck, "startup");
  speechless.server(kRst | kAck);
  for (Conversation* talk : {first, second}) {
    talk->set_now(kStart + seconds(10.005));
    talk->server(kPsh | kAck, kCrash);
    Story::hang_up(*talk);
  }
  const Readings readings = read(story);
  EXPECT_TRUE(is_read_as(readings.of(*first), Cause::app_crash));
  EXPECT_TRUE(is_read_as(readings.of(speechless), Cause::app_crash));
  EXPECT_TRUE(argues_for(readings.of(speechless), Cause::app_crash,
                         "within 30 ms the server told 2 other clients that it had crashed"));
}

/// The client's own words were under way when the server's came: no request that it left unanswered.
TEST_F(WordStory, WordsThatCrossAreNoRequest) {
  for (const bool crossing : {true, false}) {
    Story story({address4(200), 6379});
    for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
    Conversation& talk = story.connect(client(1), 6.0);
    talk.client(kSyn);
    talk.server(kSyn | kAck);
    talk.after(20 * kMillisecondNs).client(kAck);
    talk.server(kPsh | kAck, "-ERR max number of clients reached\r\n");
    talk.after((crossing ? 5 : 50) * kMillisecondNs).client(kPsh | kAck, "PING\r\n");
    talk.server(kRst | kAck);
    EXPECT_EQ(static_cast<bool>(says(read(story).of(talk), "after a request that it did not answer")), !crossing);
  }
}

/// The client reads the refusal and is the first to close: refused all the same.
TEST_F(WordStory, WhoeverLeavesOnNothingButARefusalIsRefused) {
  using namespace std::string_view_literals;
  constexpr std::string_view kShuttingDown =
      "E\0\0\0jSFATAL\0VFATAL\0C57P03\0Mthe database system is shutting down\0"sv;
  Story story({address4(200), 5432});
  for (int i = 0; i < 4; ++i) {
    Conversation& served = story.connect(client(20 + i), 1.0 + i);
    served.handshake();
    served.exchange("startup", "R\0\0\0\x08\0\0\0\0"sv);
    served.close();
  }
  Conversation& talk = story.connect(client(1), 8.0);
  talk.handshake();
  talk.exchange("startup", kShuttingDown);
  talk.close();
  const DiagnosedConnection reading = read(story).of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::maintenance));
  EXPECT_TRUE(says(reading, "a refusal is all that the server said, and the client left on it"));
}

/// A code for wrong passwords that is used for more than that, with or without a text that says so.
TEST_F(WordStory, WhoHasTriedNoPasswordIsNotToldOfOne) {
  constexpr std::string_view kLimit = ":irc.x 464 nick :Too many anonymous connections from your IP\r\n";
  constexpr std::string_view kPassword = ":irc.x 464 nick :Password incorrect\r\n";
  for (const std::string_view words : {kLimit, kPassword}) {
    Story story({address4(200), 6697});
    for (int i = 0; i < 4; ++i) {
      Conversation& served = story.connect(client(20 + i), 1.0 + i);
      served.handshake();
      served.exchange("PASS x\r\nNICK y\r\n", ":irc.x 001 y :Welcome\r\n");
      served.close();
    }
    for (int i = 0; i < 3; ++i) {
      Conversation& silent = story.connect(client(1), 6.0 + 0.1 * i);
      silent.handshake();
      silent.after(9 * kSecondNs).close();
    }
    Conversation& talk = story.connect(client(1), 7.0);
    talk.handshake();
    talk.server(kPsh | kAck, words);
    Story::hang_up(talk);
    Conversation& tried = story.connect(client(2), 7.5);
    tried.handshake();
    tried.exchange("PASS z\r\nNICK y\r\n", kPassword);
    Story::hang_up(tried);
    const Readings readings = read(story);
    EXPECT_TRUE(is_read_as(readings.of(tried), Cause::auth_failed));
    EXPECT_LT(probability_of(readings.of(talk), Cause::auth_failed), 0.1) << in_full(readings.of(talk).diagnosis);
    EXPECT_FALSE(says(readings.of(talk), "no other session was open")) << "three that say nothing are";
    if (words == kLimit) {
      EXPECT_TRUE(is_read_as(readings.of(talk), Cause::connection_limit));
    }
  }
}

}  // namespace
}  // namespace doorslam::diagnose
