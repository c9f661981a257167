#include <gtest/gtest.h>

#include <functional>

#include "pipeline/diagnose/ending.h"
#include "tests/unit/diagnose/story.h"

/// Captures of one direction: what the acknowledgements of the side that is there tell of the other, and that nothing
/// is made up of its silence.
namespace doorslam::diagnose {
namespace {

using namespace test;

struct OneSidedCase {
  Ending by_server;  ///< where only the server's packets were captured
  Ending by_client;
  const char* name;
  std::function<void(Conversation&)> play;
};

class OneSidedEnding : public testing::TestWithParam<OneSidedCase> {};

Ending ending_by(const Conversation& talk, const Endpoint& seen) {
  std::vector<Segment> segments;
  std::ranges::copy_if(talk.segments(), std::back_inserter(segments),
                       [&](const Segment& segment) { return segment.source == seen; });
  const Tracked tracked = track(segments);
  const auto ended = tracked.ended();
  if (ended.size() != 1 || ended.front().evidence < 0) throw std::logic_error("not one connection with its packets");
  return ending_of(ended.front().summary, &tracked.evidence_of(ended.front()));
}

TEST_P(OneSidedEnding, IsToldByAcknowledgements) {
  Conversation talk;
  GetParam().play(talk);
  EXPECT_EQ(name_of(ending_by(talk, talk.server_end().endpoint)), name_of(GetParam().by_server)) << "server alone";
  EXPECT_EQ(name_of(ending_by(talk, talk.client_end().endpoint)), name_of(GetParam().by_client)) << "client alone";
}

/// The client acknowledges what it got.
void exchange(Conversation& t) {
  t.exchange();
  t.client(kAck);
}

const std::vector<OneSidedCase>& one_sided_cases() {
  static const std::vector<OneSidedCase> cases = {
      {Ending::left_after_reply, Ending::left_after_reply, "TheClientLeavesAfterAnAnswer",
       [](Conversation& t) {
         t.handshake();
         exchange(t);
         t.close();
       }},
      {Ending::closed_after_reply, Ending::closed_after_reply, "TheServerClosesAfterAnAnswer",
       [](Conversation& t) {
         t.handshake();
         exchange(t);
         Story::hang_up(t);
       }},
      {Ending::left_after_greeting, Ending::left_after_greeting, "TheClientLeavesAfterTheGreeting",
       [](Conversation& t) {
         t.handshake();
         t.server(kPsh | kAck, "220 ready");
         t.client(kAck);
         t.close();
       }},
      {Ending::closed_after_greeting, Ending::closed_after_greeting, "TheServerClosesAfterItsGreeting",
       [](Conversation& t) {
         t.handshake();
         t.server(kPsh | kAck, "421 too many");
         t.client(kAck);
         Story::hang_up(t);
       }},
      {Ending::closed_without_a_word, Ending::closed_without_a_word, "TheServerClosesAtOnce",
       [](Conversation& t) {
         t.handshake();
         Story::hang_up(t);
       }},
      {Ending::left_without_a_word, Ending::left_without_a_word, "TheClientLeavesAtOnce",
       [](Conversation& t) {
         t.handshake();
         t.client(kFin | kAck);
         t.server(kAck);
         t.after(kSecondNs).server(kFin | kAck);
         t.client(kAck);
       }},
      {Ending::closed_without_a_word, Ending::closed_without_a_word, "ARequestMeetsARst",
       [](Conversation& t) {
         t.handshake();
         t.client(kPsh | kAck, "hello");
         t.server(kAck);
         t.server(kRst | kAck);
       }},
      {Ending::still_open, Ending::still_open, "EchoesOfWhatIsTyped",
       [](Conversation& t) {
         t.handshake();
         for (int i = 0; i < 3; ++i) {
           t.client(kPsh | kAck, "l");
           t.server(kPsh | kAck, "l");
           t.client(kAck);
         }
       }},
      {Ending::half_open_abandoned, Ending::let_go, "NobodySpeaks", [](Conversation& t) { t.handshake(); }},
  };
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Packets, OneSidedEnding, testing::ValuesIn(one_sided_cases()),
                         [](const auto& one) { return one.param.name; });

/// A RST without a number answers a SYN: nobody was served there.
TEST(OneSidedEnding, ALoneResetWithoutANumberAnswersASyn) {
  Conversation refused;
  refused.client(kSyn);
  refused.server(kRst | kAck).seq = 0;
  EXPECT_EQ(name_of(ending_by(refused, refused.server_end().endpoint)), name_of(Ending::syn_reset));

  Conversation of_a_session;
  of_a_session.handshake();
  of_a_session.server(kRst | kAck);
  of_a_session.lose_latest();
  EXPECT_NE(ending_by(of_a_session, of_a_session.server_end().endpoint), Ending::syn_reset);
}

/// Evidence that began again, as the pool was short: what is not in it was captured all the same.
TEST(OneSidedEnding, IsNotToldOfEvidenceThatBeganLate) {
  tcp::Evidence evidence;
  evidence.of(Side::responder).rst.seen = true;
  EXPECT_TRUE(is_alone(evidence, Side::responder));
  evidence.begins_late = true;
  EXPECT_FALSE(is_alone(evidence, Side::responder));
}

/// What is made of a story where only one direction was captured: the server's or the clients'.
std::vector<DiagnosedConnection> read_direction(const Story& story, const Endpoint& server, Side seen,
                                                double seconds_after = 10.0) {
  std::vector<Segment> segments;
  for (const Segment& segment : story.segments()) {
    if ((segment.source == server) == (seen == Side::responder)) segments.push_back(segment);
  }
  tcp::Tracker tracker(small_options());
  tcp::EventBatch batch;
  tracker.process(segments, batch);
  tracker.finish(segments.back().time_ns + seconds(seconds_after), batch);
  Analysis analysis(AnalysisOptions{}, nullptr);
  analysis.collect(batch);
  std::vector<DiagnosedConnection> readings;
  analysis.finish(readings);
  return readings;
}

class OneSidedStory : public testing::Test {
 protected:
  const DiagnosedConnection& of(const std::vector<DiagnosedConnection>& readings, Conversation& talk) const {
    const auto found = std::ranges::find_if(readings, [&](const DiagnosedConnection& reading) {
      return reading.summary.originator == talk.client_end().endpoint;
    });
    if (found == readings.end()) throw std::logic_error("this connection has no reading");
    return *found;
  }

  Endpoint server_{address4(200), 5000};
  Story story_{server_};
};

/// A script that ends its sessions together, the capture of which lacks the clients' FINs, is no crash.
TEST_F(OneSidedStory, ClientsThatLeaveTogetherHaveSeenNoCrash) {
  for (int i = 0; i < 5; ++i) {
    Conversation& talk = story_.open(client(10 + i), 1.0 + 0.1 * i);
    talk.set_now(kStart + seconds(5.0 + 0.002 * i));
    talk.close();
  }
  for (const Side seen : {Side::responder, Side::originator}) {
    for (const DiagnosedConnection& reading : read_direction(story_, server_, seen)) {
      EXPECT_TRUE(is_read_as(reading, Cause::served));
    }
  }
}

/// The same sessions, ended by the server in one instant, one of them while its client waits for an answer.
TEST_F(OneSidedStory, SessionsThatTheServerEndsTogetherHave) {
  for (int i = 0; i < 5; ++i) {
    Conversation& talk = story_.open(client(10 + i), 1.0 + 0.1 * i);
    talk.set_now(kStart + seconds(4.5));
    if (i == 0) {
      talk.client(kPsh | kAck, "LIST\r\n");
      talk.server(kAck);
    }
    talk.set_now(kStart + seconds(5.0 + 0.002 * i));
    Story::hang_up(talk);
  }
  for (const Side seen : {Side::responder, Side::originator}) {
    for (const DiagnosedConnection& reading : read_direction(story_, server_, seen)) {
      EXPECT_TRUE(is_read_as(reading, Cause::app_crash));
    }
  }
}

TEST_F(OneSidedStory, WordsThatWereOnlyCountedDoNotSayService) {
  Conversation& talk = story_.serve(client(10), 1.0);
  const auto by_client = read_direction(story_, server_, Side::originator);
  EXPECT_TRUE(is_read_as(of(by_client, talk), Cause::served));
  EXPECT_TRUE(argues_against(of(by_client, talk), Cause::served, "but what they said was not captured"));
  EXPECT_LT(of(by_client, talk).diagnosis.confidence, 0.9);
}

/// Answered and closed in one breath, of which the acknowledgements tell.
TEST_F(OneSidedStory, AnAnswerThatWasOnlyAcknowledgedIsOne) {
  for (int i = 0; i < 5; ++i) story_.serve(client(10 + i), 1.0 + 2.0 * i, 1.0);
  Conversation& talk = story_.connect(client(1), 2.5);
  talk.handshake();
  talk.client(kPsh | kAck, "GET / HTTP/1.0\r\n\r\n");
  talk.server(kPsh | kAck, "HTTP/1.0 200 OK\r\n\r\nhello");
  talk.client(kAck);
  Story::hang_up(talk);
  const auto by_client = read_direction(story_, server_, Side::originator);
  EXPECT_TRUE(is_read_as(of(by_client, talk), Cause::served));
  EXPECT_FALSE(says(of(by_client, talk), "did not answer"));
  EXPECT_FALSE(says(of(by_client, talk), "said something else")) << "what it said was not captured";
}

/// A request of a client whose server was not captured, as the last packet of the capture: the answer was to come.
TEST_F(OneSidedStory, ARequestAtTheEndOfTheCaptureWasNotRefused) {
  for (int i = 0; i < 5; ++i) story_.serve(client(10 + i), 1.0 + 2.0 * i, 1.0);
  Conversation& talk = story_.connect(client(1), 20.0);
  talk.handshake();
  talk.client(kPsh | kAck, "hello");
  const auto by_client = read_direction(story_, server_, Side::originator, 0);
  for (const DiagnosedConnection& reading : by_client) {
    const bool is_it = reading.summary.originator == talk.client_end().endpoint;
    EXPECT_FALSE(is_it && is_refusal(reading.diagnosis.cause));
  }
}

TEST_F(OneSidedStory, ACloseIsToldFromWhatThereIs) {
  for (int i = 0; i < 9; ++i) story_.serve(client(10 + i), 1.0 + 2.0 * i, 3.0);
  Conversation& closed = story_.refuse(client(1), 2.5);
  Conversation& reset = story_.connect(client(2), 4.5);
  reset.handshake();
  reset.client(kPsh | kAck, "hello");
  reset.server(kRst | kAck);

  const auto by_client = read_direction(story_, server_, Side::originator);
  EXPECT_TRUE(says(of(by_client, closed), "the client acknowledged the server's FIN 2.0 ms after the handshake"));
  EXPECT_TRUE(says(of(by_client, reset), "never closed: it met a RST, as far as one direction tells"));
  EXPECT_FALSE(says(of(by_client, reset), "the server closed"));
  EXPECT_FALSE(says(of(by_client, reset), "numbers fit")) << "the SYN-ACK's was not seen";

  const auto by_server = read_direction(story_, server_, Side::responder);
  EXPECT_TRUE(says(of(by_server, closed), "the server closed 2.0 ms after its SYN-ACK without sending a byte"));
}

/// A RST would have been in the other direction, and it is what keeps a client from sending its SYN again.
TEST_F(OneSidedStory, ALoneSynIsNotDroppedInSilence) {
  for (int i = 0; i < 5; ++i) story_.serve(client(10 + i), 1.0 + 2.0 * i, 1.0);
  Conversation& reset = story_.connect(client(1), 2.5);
  reset.client(kSyn);
  reset.server(kRst | kAck);
  Conversation& dropped = story_.connect(client(2), 2.6);
  for (int i = 0; i < 3; ++i) dropped.after(kSecondNs << i).client(kSyn).seq = 1000;
  const auto by_client = read_direction(story_, server_, Side::originator);
  EXPECT_TRUE(is_read_as(of(by_client, reset), Cause::unknown));
  EXPECT_TRUE(argues_against(of(by_client, reset), Cause::silent_drop, "a RST would not be seen either"));
  EXPECT_TRUE(is_read_as(of(by_client, dropped), Cause::silent_drop)) << "a client that was reset asks no more";
}

/// Requests that fell silent, on a port where nothing shows that anybody was ever answered.
TEST_F(OneSidedStory, IsNotSurerThanBothDirections) {
  for (int i = 0; i < 12; ++i) {
    Conversation& talk = story_.connect(client(10 + i % 4), 1.0 + i);
    talk.handshake();
    if (i == 0) continue;  // cut off by the capture
    talk.client(kPsh | kAck, "hello");
    talk.server(kRst | kAck);
  }
  for (const DiagnosedConnection& reading : read_direction(story_, server_, Side::originator)) {
    EXPECT_LT(probability_of(reading, Cause::acl_denied), 0.5) << in_full(reading.diagnosis);
    EXPECT_FALSE(says(reading, "other client was served"));
  }
}

/// Connections in reserve, each of a client that is served on another one.
TEST_F(OneSidedStory, AClientThatNeverSpokeIsNotRefused) {
  for (const Side captured : {Side::originator, Side::responder}) {
    Story story{server_};
    std::vector<Conversation*> spares;
    for (int i = 0; i < 6; ++i) {
      Conversation& page = story.connect(client(10 + i % 3), 1.0 + 4.0 * i);
      page.handshake();
      exchange(page);
      page.close();
      Conversation& spare = story.connect(client(10 + i % 3), 1.5 + 4.0 * i);
      spare.handshake();
      spare.after(3 * kSecondNs);
      Story::hang_up(spare);
      spares.push_back(&spare);
    }
    const auto readings = read_direction(story, server_, captured);
    for (Conversation* spare : spares) EXPECT_TRUE(is_read_as(of(readings, *spare), Cause::served));
  }
}

/// Where the server greets, who waits for the greeting has not failed to speak.
TEST_F(OneSidedStory, AClientThatNobodyGreetsIsNotServed) {
  Story story{server_};
  for (int i = 0; i < 4; ++i) {
    Conversation& session = story.connect(client(10 + i), 1.0 + 4.0 * i);
    session.handshake();
    session.server(kPsh | kAck, "220 ready\r\n");
    session.client(kAck);
    for (int command = 0; command < 3; ++command) session.exchange("NOOP\r\n", "200 fine\r\n");
    session.close();
  }
  Conversation& refused = story.connect(client(1), 6.0);
  refused.handshake();
  refused.after(2 * kSecondNs);
  Story::hang_up(refused);
  const auto readings = read_direction(story, server_, Side::originator);
  EXPECT_FALSE(says(of(readings, refused), "the client said nothing for"));
  EXPECT_FALSE(is_read_as(of(readings, refused), Cause::served));
}

TEST_F(OneSidedStory, AServerThatEndsATransferServes) {
  for (const Side captured : {Side::originator, Side::responder}) {
    Story story{server_};
    Conversation& transfer = story.measure(client(10), 1.0, 12);
    const auto readings = read_direction(story, server_, captured);
    EXPECT_TRUE(is_read_as(of(readings, transfer), Cause::served));
    EXPECT_TRUE(says(of(readings, transfer),
                     captured == Side::originator
                         ? "the client sent 16800 octets, and the server closed by FIN: a transfer in one direction"
                         : "the server took all 16800 octets that the client sent, and closed by FIN"));
  }
}

}  // namespace
}  // namespace doorslam::diagnose
