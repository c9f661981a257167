#include "pipeline/diagnose/ending.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "tests/unit/diagnose/story.h"

/// How a connection ended on the wire: each ending as packets that the tracker has followed.
namespace doorslam::diagnose {
namespace {

using namespace test;

struct Ended {
  tcp::ConnectionSummary summary;
  std::optional<tcp::Evidence> evidence;
};

Ended end_of(const Conversation& talk) {
  const Tracked tracked = track(talk.segments());
  const auto ended = tracked.ended();
  if (ended.size() != 1) throw std::logic_error("not one connection");
  Ended one{.summary = ended.front().summary, .evidence = std::nullopt};
  if (ended.front().evidence >= 0) one.evidence = tracked.evidence_of(ended.front());
  return one;
}

struct EndingCase {
  Ending ending;
  const char* name;
  std::function<void(Conversation&)> play;
};

class EndingOf : public testing::TestWithParam<EndingCase> {};

TEST_P(EndingOf, ThesePackets) {
  Conversation talk;
  GetParam().play(talk);
  const Ended end = end_of(talk);
  ASSERT_TRUE(end.evidence);
  EXPECT_EQ(name_of(ending_of(end.summary, &*end.evidence)), name_of(GetParam().ending));
}

void send_again(Conversation& talk, std::string_view payload, int times) {
  for (int i = 0; i < times; ++i) {
    talk.client_end().next -= static_cast<std::uint32_t>(payload.size());
    talk.after((200 * kMillisecondNs) << i).client(kPsh | kAck, payload);
  }
}

const std::vector<EndingCase>& ending_cases() {
  static const std::vector<EndingCase> cases = {
      {Ending::syn_unanswered, "SynAlone", [](Conversation& t) { t.client(kSyn); }},
      {Ending::syn_reset, "SynMeetsRst",
       [](Conversation& t) {
         t.client(kSyn);
         t.server(kRst | kAck);
       }},
      {Ending::half_open_abandoned, "SynAckMeetsRst",
       [](Conversation& t) {
         t.client(kSyn);
         t.server(kSyn | kAck);
         t.client(kRst);
       }},
      {Ending::half_open_abandoned, "SynAckMeetsSilence",
       [](Conversation& t) {
         t.client(kSyn);
         t.server(kSyn | kAck);
       }},
      {Ending::handshake_ignored, "SynAckAgainAfterAck",
       [](Conversation& t) {
         t.handshake();
         t.after(kSecondNs).server(kSyn | kAck).seq = 900000;
       }},
      {Ending::handshake_ignored, "DataNeverAcked",
       [](Conversation& t) {
         t.handshake();
         t.client(kPsh | kAck, "hello");
         send_again(t, "hello", 3);
       }},
      {Ending::handshake_reset, "FinalAckMeetsRst",
       [](Conversation& t) {
         t.handshake();
         t.server(kRst);
       }},
      {Ending::closed_without_a_word, "ServersFinFirst",
       [](Conversation& t) {
         t.handshake();
         Story::hang_up(t);
       }},
      {Ending::closed_without_a_word, "RequestMeetsRst",
       [](Conversation& t) {
         t.handshake();
         t.client(kPsh | kAck, "hello");
         t.server(kRst | kAck);
       }},
      {Ending::closed_unseen, "MidStreamServersRst",
       [](Conversation& t) {
         t.handshake();
         for (int i = 0; i < 3; ++i) t.lose_latest();
         t.client(kPsh | kAck, "hello");
         t.server(kRst | kAck);
       }},
      {Ending::closed_after_greeting, "GreetingAndFin",
       [](Conversation& t) {
         t.handshake();
         t.server(kPsh | kAck, "220 ready");
         Story::hang_up(t);
       }},
      {Ending::closed_after_reply, "AnswerAndFin",
       [](Conversation& t) {
         t.handshake();
         t.exchange();
         Story::hang_up(t);
       }},
      {Ending::left_without_a_word, "ClientsFinFirst",
       [](Conversation& t) {
         t.handshake();
         t.close();
       }},
      {Ending::left_after_reply, "ClientsFinBehindItsRequest",
       [](Conversation& t) {
         t.handshake();
         t.client(kPsh | kAck, "GET");
         t.client(kFin | kAck);
         t.server(kPsh | kAck, "answer");
         t.client(kAck);
         t.server(kFin | kAck);
         t.client(kAck);
       }},
      {Ending::left_after_greeting, "ClientsFinAfterGreeting",
       [](Conversation& t) {
         t.handshake();
         t.server(kPsh | kAck, "220 ready");
         t.client(kAck);
         t.close();
       }},
      {Ending::left_after_reply, "ClientsFinAfterAnswer",
       [](Conversation& t) {
         t.handshake();
         t.exchange();
         t.close();
       }},
      {Ending::server_silent, "RequestAckedOnly",
       [](Conversation& t) {
         t.handshake();
         t.client(kPsh | kAck, "hello");
         t.server(kAck);
       }},
      {Ending::client_silent, "AnswerSentAgainAndAgain",
       [](Conversation& t) {
         t.handshake();
         t.exchange("request", "answer");
         for (int i = 0; i < 3; ++i) {
           t.server_end().next -= 6;
           t.after((200 * kMillisecondNs) << i).server(kPsh | kAck, "answer");
         }
       }},
      {Ending::client_stalled, "WindowStaysClosed",
       [](Conversation& t) {
         t.handshake();
         t.exchange();
         t.client(kAck).window = 0;
         t.after(5 * kSecondNs).server(kAck).seq -= 1;
         t.client(kAck).window = 0;
       }},
      {Ending::still_open, "AnsweredAndOpen",
       [](Conversation& t) {
         t.handshake();
         t.exchange();
         t.client(kAck);
       }},
  };
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Packets, EndingOf, testing::ValuesIn(ending_cases()),
                         [](const auto& one) { return one.param.name; });

TEST(Ending, EveryOneIsTestedAndHasANameOfItsOwn) {
  std::set<Ending> tested{Ending::syn_icmp, Ending::let_go};  // below: no segment is to blame
  for (const EndingCase& one : ending_cases()) tested.insert(one.ending);
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Ending::still_open); ++i) {
    EXPECT_TRUE(tested.contains(static_cast<Ending>(i))) << name_of(static_cast<Ending>(i));
    EXPECT_TRUE(names.insert(name_of(static_cast<Ending>(i))).second);
  }
}

TEST(Ending, AnIcmpErrorInAnswerToTheSyn) {
  tcp::ConnectionSummary summary;
  summary.stage = tcp::Stage::syn;
  tcp::Evidence packets;
  packets.syn_ns = 1;
  packets.icmp.time_ns = 2;
  EXPECT_EQ(ending_of(summary, &packets), Ending::syn_icmp);
}

TEST(Ending, OfWhatTheFullTableForgotIsNotKnown) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  Ended open = end_of(talk);
  open.summary.end_reason = tcp::EndReason::evicted;
  EXPECT_EQ(ending_of(open.summary, &*open.evidence), Ending::let_go);
  talk.close();
  Ended closed = end_of(talk);
  closed.summary.end_reason = tcp::EndReason::evicted;
  EXPECT_EQ(ending_of(closed.summary, &*closed.evidence), Ending::left_after_reply) << "it had ended before";
}

TEST(Ending, AWindowClosedForAMomentIsABusyReader) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  talk.client(kAck).window = 0;
  talk.after(200 * kMillisecondNs).client(kAck).window = 0;
  const Ended end = end_of(talk);
  EXPECT_NE(ending_of(end.summary, &*end.evidence), Ending::client_stalled);
}

/// Beside the half close above: here the client's stack answers that nobody reads any more.
TEST(Ending, AnAnswerToAClientThatIsGoneServesNobody) {
  Conversation talk;
  talk.handshake();
  talk.client(kPsh | kAck, "GET");
  talk.client(kFin | kAck);
  talk.server(kPsh | kAck, "answer");
  talk.client(kRst);
  const Ended end = end_of(talk);
  ASSERT_TRUE(end.evidence);
  EXPECT_EQ(name_of(ending_of(end.summary, &*end.evidence)), name_of(Ending::left_without_a_word));
}

/// Without Evidence the tracker's state and history tell the coarse story, and it is the same one.
TEST(Ending, IsTheSameByStateWhereThatCanTell) {
  for (const EndingCase& one : ending_cases()) {
    switch (one.ending) {
      case Ending::handshake_ignored:
      case Ending::handshake_reset:
      case Ending::closed_unseen:
      case Ending::client_silent:
      case Ending::client_stalled:
        continue;  // needs more than the history
      default:
        break;
    }
    Conversation talk;
    one.play(talk);
    EXPECT_EQ(name_of(ending_of(end_of(talk).summary, nullptr)), name_of(one.ending)) << one.name;
  }
}

// --- packets that share a stamp -----------------------------------------------------------------------------------

/// As they come out of one poll of a card, or of a clock that is coarse.
Ended end_at_one_instant(const Conversation& talk) {
  std::vector<Segment> segments = talk.segments();
  for (Segment& segment : segments) segment.time_ns = kStart;
  const Tracked tracked = track(segments);
  const auto ended = tracked.ended();
  if (ended.size() != 1) throw std::logic_error("not one connection");
  return {.summary = ended.front().summary, .evidence = tracked.evidence_of(ended.front())};
}

TEST(EndingAtOneInstant, IsToldByTheOrderOfThePackets) {
  std::size_t told = 0;
  for (const EndingCase& one : ending_cases()) {
    switch (one.ending) {
      case Ending::handshake_ignored:
      case Ending::client_silent:
      case Ending::client_stalled:
        continue;  // these take their time
      default:
        break;
    }
    Conversation talk;
    one.play(talk);
    const Ended end = end_at_one_instant(talk);
    EXPECT_EQ(name_of(ending_of(end.summary, &*end.evidence)), name_of(one.ending)) << one.name;
    ++told;
  }
  EXPECT_GE(told, 14U);
}

TEST(EndingAtOneInstant, AClientThatSpeaksAfterTheServersCloseIsUnheard) {
  Conversation talk;
  talk.handshake();
  talk.server(kPsh | kAck, "220 ready");
  talk.server(kFin | kAck);
  talk.client(kPsh | kAck, "hello");
  const Ended end = end_at_one_instant(talk);
  EXPECT_EQ(ending_of(end.summary, &*end.evidence), Ending::closed_after_greeting);
}

TEST(EndingAtOneInstant, AServerThatSpeaksAfterTheClientsCloseServesNobody) {
  Conversation talk;
  talk.handshake();
  talk.client(kFin | kAck);
  talk.server(kPsh | kAck, "220 ready");
  talk.server(kFin | kAck);
  const Ended end = end_at_one_instant(talk);
  EXPECT_EQ(ending_of(end.summary, &*end.evidence), Ending::left_without_a_word);
}

TEST(EndingAtOneInstant, TheLastWordIsThatOfTheLaterPacket) {
  Conversation talk;
  talk.handshake();
  talk.exchange("LIST", "none");
  EXPECT_FALSE(client_had_last_word(*end_at_one_instant(talk).evidence));
  talk.client(kPsh | kAck, "QUIT");
  EXPECT_TRUE(client_had_last_word(*end_at_one_instant(talk).evidence));
}

// --- when it was closed -------------------------------------------------------------------------------------------

TEST(CloseTime, IsTheFirstFinOrRstOfEitherSide) {
  Conversation talk;
  talk.handshake();
  talk.after(kSecondNs).server(kFin | kAck);
  const TimeNs closed = talk.now();
  talk.client(kAck);
  talk.after(kSecondNs).client(kFin | kAck);
  talk.server(kAck);
  const Ended end = end_of(talk);
  EXPECT_EQ(close_time(end.summary, &*end.evidence), closed);
  EXPECT_EQ(server_close_time(*end.evidence), closed);
  EXPECT_EQ(close_time(end.summary, nullptr), end.summary.end_ns) << "without packets: the last one";
}

TEST(CloseTime, OfAConnectionThatNobodyClosedIsItsLastPacket) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  const Ended end = end_of(talk);
  EXPECT_EQ(close_time(end.summary, &*end.evidence), talk.now());
  EXPECT_EQ(server_close_time(*end.evidence), flowtable::kNoTime);
}

// --- how a session was ended --------------------------------------------------------------------------------------

struct CutCase {
  Cut cut;
  const char* name;
  std::function<void(Conversation&)> play;  ///< after a greeting, a request and its answer
};

class CutOf : public testing::TestWithParam<CutCase> {};

TEST_P(CutOf, ThesePackets) {
  Conversation talk;
  Story::open_session(talk);
  GetParam().play(talk);
  const Ended end = end_of(talk);
  ASSERT_TRUE(end.evidence);
  EXPECT_EQ(cut_of(ending_of(end.summary, &*end.evidence), &*end.evidence), GetParam().cut);
}

const std::vector<CutCase>& cut_cases() {
  static const std::vector<CutCase> cases = {
      {Cut::none, "TheClientLeft", [](Conversation& t) { t.close(); }},
      {Cut::none, "InOneBreathWithTheAnswer",
       [](Conversation& t) {
         t.exchange();
         Story::hang_up(t);
       }},
      {Cut::on_last_words, "OnTheClientsFarewell",
       [](Conversation& t) {
         t.client(kPsh | kAck, "QUIT\r\n");
         Story::hang_up(t);
       }},
      {Cut::none, "WordsAfterTheClose",
       [](Conversation& t) {
         t.exchange();
         t.server(kFin | kAck);
         t.client(kPsh | kAck, "one more\r\n");
       }},
      {Cut::at_rest, "ARequestAfterTheClose",
       [](Conversation& t) {
         t.after(2 * kSecondNs).server(kFin | kAck);
         t.client(kAck);
         t.after(500 * kMillisecondNs).client(kPsh | kAck, "LIST\r\n");
         t.server(kRst);
       }},
      {Cut::in_midst, "ARequestBeforeTheCloseAndOneAfterIt",
       [](Conversation& t) {
         t.client(kPsh | kAck, "LIST\r\n");
         t.after(100 * kMillisecondNs).server(kFin | kAck);
         t.client(kPsh | kAck, "LIST\r\n");
         t.server(kRst);
       }},
      {Cut::in_midst, "ARequestIsLeftUnread",
       [](Conversation& t) {
         t.client(kPsh | kAck, "LIST\r\n");
         t.server(kRst | kAck);
       }},
      {Cut::in_midst, "ARequestIsLongLeftUnanswered",
       [](Conversation& t) {
         t.client(kPsh | kAck, "LIST\r\n");
         t.after(100 * kMillisecondNs);
         Story::hang_up(t);
       }},
      {Cut::at_rest, "NobodyHadSpokenForLong",
       [](Conversation& t) {
         t.after(2 * kSecondNs);
         Story::hang_up(t);
       }},
  };
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Packets, CutOf, testing::ValuesIn(cut_cases()),
                         [](const auto& one) { return one.param.name; });

/// A server that says one thing and hangs up has not cut anything short, even if the client spoke at that moment.
TEST(CutOfOnlyWords, IsNoneWhereTheClientsCrossedThem) {
  Conversation talk;
  talk.handshake();
  talk.server(kPsh | kAck, "no seats left\r\n");
  talk.client(kPsh | kAck, "LIST\r\n");
  talk.server(kRst | kAck);
  const Ended end = end_of(talk);
  ASSERT_TRUE(end.evidence);
  EXPECT_EQ(cut_of(ending_of(end.summary, &*end.evidence), &*end.evidence), Cut::none);
}

/// What nobody could tell must not be told as served.
TEST(EndingUnknown, WithNothingButAHandshakeAndItsPacketsNotKept) {
  Conversation talk;
  talk.handshake();
  EXPECT_EQ(ending_of(end_of(talk).summary, nullptr), Ending::let_go);
  talk.exchange("ping", "pong");
  EXPECT_EQ(ending_of(end_of(talk).summary, nullptr), Ending::still_open);
}

TEST(EndingUnknown, WithNothingButWrongChecksums) {
  Conversation talk;
  talk.client(kSyn).checksum_bad = true;
  talk.server(kSyn | kAck).checksum_bad = true;
  talk.client(kAck).checksum_bad = true;
  talk.server(kFin | kAck).checksum_bad = true;
  const Ended end = end_of(talk);
  EXPECT_EQ(ending_of(end.summary, end.evidence ? &*end.evidence : nullptr), Ending::let_go);
}

/// Far from the server, the tap sees the close a round trip after the words that asked for it.
TEST(FarewellFromAfar, IsOneByTheRoundTripToTheServer) {
  Conversation talk;
  talk.client(kSyn);
  talk.after(180 * kMillisecondNs).server(kSyn | kAck);
  talk.client(kAck);
  talk.exchange("ping", "pong");
  talk.client(kPsh | kAck, "QUIT\r\n");
  talk.after(181 * kMillisecondNs);
  Story::hang_up(talk);
  const Ended end = end_of(talk);
  EXPECT_EQ(cut_of(ending_of(end.summary, &*end.evidence), &*end.evidence), Cut::on_last_words);
}

}  // namespace
}  // namespace doorslam::diagnose
