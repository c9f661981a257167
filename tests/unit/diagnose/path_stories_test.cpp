#include <gtest/gtest.h>

#include "pipeline/diagnose/ending.h"
#include "tests/unit/diagnose/story.h"

/// What does not get through in the midst of a session, or not of one client alone; and answers that come too late.
namespace doorslam::diagnose {
namespace {

using namespace test;

// --- cut in mid-session ---------------------------------------------------------------------------------------------

TEST(CutSessionStory, AResetFromElsewhereCutsASessionThatWasServed) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 30.0);
  Conversation& talk = story.open(client(1), 2.0);
  talk.after(8 * kSecondNs).client(kPsh | kAck, "LIST\r\n");
  talk.server(kRst).ttl = 64;
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::middlebox_reset));
}

/// REJECT on the server's own host: its TTL is the server's.
TEST(CutSessionStory, ABareResetInMidSessionIsNotService) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 30.0);
  Conversation& talk = story.open(client(1), 2.0);
  talk.after(8 * kSecondNs).client(kPsh | kAck, "LIST\r\n");
  talk.server(kRst);
  const Readings readings = story.read();
  EXPECT_NE(readings.of(talk).diagnosis.cause, Cause::served) << in_full(readings.of(talk).diagnosis);
  EXPECT_TRUE(argues_against(readings.of(talk), Cause::served, "a RST without ACK answers the client in the midst"));
}

/// The server's own FIN went before it: who has closed knows nothing any more.
TEST(CutSessionStory, ABareResetAfterTheServersFinIsOrdinary) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 30.0);
  Conversation& talk = story.open(client(1), 2.0);
  talk.after(8 * kSecondNs).server(kFin | kAck);
  talk.client(kAck);
  talk.after(kSecondNs).client(kPsh | kAck, "LIST\r\n");
  talk.server(kRst);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::served));
  EXPECT_FALSE(says(readings.of(talk), "in the midst of the session"));
}

TEST(CutSessionStory, WordsThatNobodyAcknowledgesAreNotServed) {
  for (const bool server_gives_up_later : {false, true}) {
    Story story;
    for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 30.0);
    Conversation& talk = story.open(client(1), 2.0);
    talk.after(8 * kSecondNs).client(kPsh | kAck, "LIST\r\n");
    send_again(talk, Side::originator, "LIST\r\n", 7);
    if (server_gives_up_later) {
      Segment& fin = talk.after(60 * kSecondNs).server(kFin | kAck);
      fin.ack -= 6;
      talk.client(kAck);
    }
    const Readings readings = story.read();
    EXPECT_NE(readings.of(talk).diagnosis.cause, Cause::served) << in_full(readings.of(talk).diagnosis);
    EXPECT_FALSE(is_refusal(readings.of(talk).diagnosis.cause)) << in_full(readings.of(talk).diagnosis);
    EXPECT_TRUE(argues_against(readings.of(talk), Cause::served, "sent its last words 7 more times"));
  }
}

TEST(CutSessionStory, WordsThatAreSentAgainAndHeardAreServed) {
  Story story;
  Conversation& talk = story.open(client(1), 2.0);
  talk.after(8 * kSecondNs).client(kPsh | kAck, "LIST\r\n");
  send_again(talk, Side::originator, "LIST\r\n", 5);
  talk.server(kPsh | kAck, "226 done\r\n");
  talk.client(kAck);
  talk.close();
  EXPECT_TRUE(is_read_as(story.read().of(talk), Cause::served));
}

Conversation& meet_a_black_hole(Story& story, IpAddress who, double at) {
  static const std::string page = "HTTP/1.1 200 OK\r\n\r\n" + std::string(1429, 'x');
  Conversation& talk = story.connect(who, at);
  talk.handshake();
  talk.client(kPsh | kAck, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  talk.server(kAck);
  talk.server(kPsh | kAck, page);
  send_again(talk, Side::responder, page, 6);
  const auto own_words = static_cast<std::uint32_t>(page.size());
  Segment& fin = talk.after(kSecondNs).client(kFin | kAck);
  fin.ack -= own_words;
  talk.server(kAck);
  return talk;
}

TEST(BlackHoleStory, LongSegmentsThatNeverArriveAreNoService) {
  Story story;
  Conversation& talk = meet_a_black_hole(story, client(1), 2.0);
  const Readings readings = story.read();
  EXPECT_NE(readings.of(talk).diagnosis.cause, Cause::served) << in_full(readings.of(talk).diagnosis);
  EXPECT_TRUE(argues_against(readings.of(talk), Cause::served, "segments of 1448 octets 6 more times"));
  EXPECT_TRUE(argues_against(readings.of(talk), Cause::served, "MTU"));
}

/// A capture that lacks all of the client's packets shows no acknowledgement either.
TEST(BlackHoleStory, IsNotSeenInACaptureOfOneDirection) {
  Story story;
  meet_a_black_hole(story, client(1), 2.0);
  std::vector<Segment> segments;
  for (const Segment& segment : story.segments()) {
    if (segment.source.port == 5000) segments.push_back(segment);
  }
  const Tracked tracked = track(segments);
  const auto ended = tracked.ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(sent_in_vain(tracked.evidence_of(ended.front()), Side::responder), 0U);
}

// --- not of one client alone ----------------------------------------------------------------------------------------

Conversation& be_ignored(Story& story, IpAddress who, double at) {
  Conversation& talk = story.connect(who, at);
  talk.handshake();
  talk.client(kPsh | kAck, "HELLO\r\n");
  send_again(talk, Side::originator, "HELLO\r\n", 5);
  Segment& again = talk.server(kSyn | kAck);
  again.seq = 900000;
  again.ack = 1001;
  talk.server_end().next = 900001;
  talk.client(kAck);
  return talk;
}

TEST(IgnoredHandshakeStory, OfOneClientAloneIsNoFullQueue) {
  Story story;
  std::vector<Conversation*> ignored;
  for (int i = 0; i < 3; ++i) ignored.push_back(&be_ignored(story, client(1), 1.0 + 8.0 * i));
  for (int i = 0; i < 12; ++i) story.serve(client(10 + i % 4), 1.5 + 2.0 * i, 0.5);
  const Readings readings = story.read();
  for (Conversation* talk : ignored) {
    EXPECT_NE(readings.of(*talk).diagnosis.cause, Cause::accept_queue_overflow)
        << in_full(readings.of(*talk).diagnosis);
    EXPECT_TRUE(argues_against(readings.of(*talk), Cause::accept_queue_overflow, "of other clients were accepted"));
  }
}

/// A browser opens six connections side by side: whoever is served beside them is served once.
TEST(IgnoredHandshakeStory, CountsWhoIsServedBesideManyAttemptsOnce) {
  const auto read_beside = [](int served) {
    Story story;
    Conversation* last = nullptr;
    for (int i = 0; i < 6; ++i) last = &be_ignored(story, client(1), 1.0 + 0.01 * i);
    for (int i = 0; i < served; ++i) story.serve(client(10 + i), 1.5 + 0.5 * i, 0.2);
    return story.read().of(*last);
  };
  EXPECT_FALSE(argues_against(read_beside(2), Cause::accept_queue_overflow, "of other clients were accepted"));
  EXPECT_TRUE(
      argues_against(read_beside(4), Cause::accept_queue_overflow, "4 connections of other clients were accepted"));
}

TEST(IgnoredHandshakeStory, IsNoWitnessOfItself) {
  Story story;
  Conversation& ignored = be_ignored(story, client(1), 1.0);
  EXPECT_FALSE(says(story.read().of(ignored), "ignored a completed handshake"));
  be_ignored(story, client(2), 2.0);
  EXPECT_TRUE(
      argues_for(story.read().of(ignored), Cause::accept_queue_overflow, "ignored a completed handshake 1.0 s"));
}

// --- answers that come too late -------------------------------------------------------------------------------------

Conversation& poll(Story& story, IpAddress who, double at) {
  Conversation& talk = story.connect(who, at);
  talk.handshake();
  talk.client(kPsh | kAck, "GET /poll HTTP/1.1\r\nHost: x\r\n\r\n");
  talk.server(kAck);
  return talk;
}

Conversation& give_up_polling(Story& story, IpAddress who, double at) {
  Conversation& talk = poll(story, who, at);
  talk.after(3 * kSecondNs).client(kFin | kAck);
  talk.server(kAck);
  talk.after(22 * kSecondNs).server(kPsh | kAck, "HTTP/1.1 200 OK\r\n\r\n");
  talk.client(kRst);
  return talk;
}

TEST(LateAnswerStory, AnAnswerThatIsAsLateAsToOthersFailsForTheClientsPatience) {
  Story story;
  for (int i = 0; i < 3; ++i) {
    Conversation& talk = poll(story, client(10 + i), 1.0 + i);
    talk.after(25 * kSecondNs).server(kPsh | kAck, "HTTP/1.1 200 OK\r\n\r\n");
    talk.client(kAck);
    talk.close();
  }
  Conversation& talk = give_up_polling(story, client(1), 2.0);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::client_abort));
  EXPECT_TRUE(argues_for(readings.of(talk), Cause::client_abort,
                         "3.0 s after its request, and the answer came 22.0 s later, as late as to 3 other"));
  EXPECT_FALSE(says(readings.of(talk), "without an answer"));
}

/// Whoever stands in the accept queue of a full server is answered when a session ends: as late as that was long.
TEST(LateAnswerStory, SessionsThatLastAsLongAreNoLateAnswers) {
  Story story;
  for (int i = 0; i < 5; ++i) {
    Conversation& talk = poll(story, client(10 + i), 1.0 + i);
    talk.server(kPsh | kAck, "HTTP/1.1 200 OK\r\n\r\n");
    talk.client(kAck);
    talk.after((i < 2 ? 25 : 5) * kSecondNs).close();
  }
  Conversation& talk = give_up_polling(story, client(1), 2.0);
  EXPECT_TRUE(is_read_as(story.read().of(talk), Cause::server_no_reply));
}

/// A process that was stopped, and went on in the end.
TEST(LateAnswerStory, AnAnswerThatIsLateForOnceIsStillToldOf) {
  Story story;
  Conversation& talk = give_up_polling(story, client(1), 2.0);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::server_no_reply));
  EXPECT_TRUE(
      argues_for(readings.of(talk), Cause::server_no_reply, "without an answer it left; the answer came 22.0 s"));
}

}  // namespace
}  // namespace doorslam::diagnose
