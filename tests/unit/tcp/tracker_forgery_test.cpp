#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "tests/support/segment_scenario.h"

/// Segments that neither end sent, or that belong to another connection: they change nothing but the ladder, and what
/// the ends themselves do is told as ever.
namespace doorslam::tcp {
namespace {

using namespace test;

constexpr std::uint32_t kFar = 1'000'000'000;
constexpr std::uint32_t kDataFar = 200'000'000;

/// Talks until the connection is plainly served.
void serve(Conversation& talk) {
  for (int i = 0; i < 8; ++i) talk.exchange("request", std::string(300, 'x'));
}

/// What was said of the only connection.
ConnectionSummary only(const Conversation& talk) {
  const auto ended = track(talk.segments()).ended();
  EXPECT_EQ(ended.size(), 1U);
  return ended.empty() ? ConnectionSummary{} : ended[0].summary;
}

/// A segment in the server's, or the client's, name that moves none of its own numbers.
Segment& forge(Conversation& talk, Side side, std::uint8_t flags, std::string_view payload = {}) {
  Conversation::End& end = side == Side::originator ? talk.client_end() : talk.server_end();
  const Conversation::End kept = end;
  Segment& forged = side == Side::originator ? talk.client(flags, payload) : talk.server(flags, payload);
  end.next = kept.next;
  return forged;
}

// Resets --------------------------------------------------------------------------------------------------------------

TEST(ForgedReset, OutOfWindowDoesNotCutALivingSessionInTwo) {
  for (const Side side : {Side::originator, Side::responder}) {
    for (const std::uint32_t error : {kFar, std::uint32_t{0} - kFar}) {
      Conversation talk;
      talk.handshake();
      serve(talk);
      forge(talk, side, kRst).seq += error;
      for (int i = 0; i < 4; ++i) {
        talk.after(20 * kSecondNs);
        talk.exchange();
      }
      talk.close();
      const ConnectionSummary seen = only(talk);
      EXPECT_EQ(name_of(seen.conn_state), "SF");
      EXPECT_EQ(seen.side[0].payload_bytes, 12U * 7U);
      EXPECT_EQ(seen.side[1].payload_bytes, 8U * 300U + 4U * 6U);
    }
  }
}

/// Otherwise a foreign TTL would speak for a device that resets connections.
TEST(ForgedReset, LeavesARungAndNothingElseInTheEvidence) {
  Conversation talk;
  talk.handshake();
  forge(talk, Side::responder, kRst).seq += kFar;
  talk.server(kAck | kPsh, "220 ready");
  talk.server(kFin | kAck);
  const Tracked tracked = track(talk.segments());
  ASSERT_EQ(tracked.ended().size(), 1U);
  const Evidence& evidence = tracked.evidence_of(tracked.ended()[0]);
  EXPECT_EQ(evidence.first_rungs[3].note, RungNote::out_of_window);
  const SideEvidence& server = evidence.of(Side::responder);
  EXPECT_EQ(server.rst_ns, flowtable::kNoTime);
  EXPECT_EQ(server.resets, 0U);
  EXPECT_FALSE(server.rst.seen);
  EXPECT_EQ(name_of(tracked.ended()[0].summary.conn_state), "S3");
}

/// The capture may know the numbers less well than the receiver: whoever falls silent was reset.
TEST(ForgedReset, CountsWhenItsSenderSaysNoMore) {
  Conversation talk;
  talk.handshake();
  talk.client(kAck | kPsh, "request");
  forge(talk, Side::responder, kRst).seq += kFar;
  const TimeNs reset = talk.now();
  talk.after(200 * kMillisecondNs).client(kAck | kPsh, "request again");
  const Tracked tracked = track(talk.segments());
  ASSERT_EQ(tracked.ended().size(), 1U);
  const ConnectionEvent end = tracked.ended()[0];
  EXPECT_EQ(name_of(end.summary.conn_state), "RSTR");
  EXPECT_EQ(name_of(end.summary.end_reason), "closed");
  EXPECT_EQ(tracked.evidence_of(end).of(Side::responder).rst_ns, reset);
}

/// A NAT or a client that lost its numbers resets the connection with any, and takes the port for the next.
TEST(ForgedReset, CountsWhenItsSenderBeginsTheNextConnection) {
  Conversation talk;
  talk.handshake();
  talk.client(kAck | kPsh, "request");
  forge(talk, Side::originator, kRst).seq += kFar;
  Segment& syn = talk.after(kSecondNs).client(kSyn);
  syn.seq += kFar / 2;
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(name_of(ended[0].summary.conn_state), "RSTO");
  EXPECT_EQ(name_of(ended[0].summary.end_reason), "reused");
  EXPECT_EQ(name_of(ended[1].summary.conn_state), "S0");
}

TEST(ForgedReset, WithinAWindowIsObeyed) {
  for (const std::uint32_t error : {0U, 1U, 4380U, 60'000U, 500'000U}) {
    Conversation talk;
    talk.handshake();
    talk.client(kAck | kPsh, "request");
    forge(talk, Side::responder, kRst).seq += error;
    Tracker tracker(small_options());
    EventBatch batch;
    tracker.process(talk.segments(), batch);
    batch.clear();
    tracker.advance(talk.now() + 7 * kSecondNs, batch);
    ASSERT_EQ(batch.events.size(), 1U) << error;
    EXPECT_EQ(name_of(batch.events[0].summary.conn_state), "RSTR");
  }
}

/// The octets between were lost by the mirror port, and the other side has acknowledged them.
TEST(ForgedReset, IsNoneWhereTheCaptureHasAGap) {
  Conversation talk;
  talk.handshake();
  talk.client(kAck | kPsh, "request");
  for (int i = 0; i < 40; ++i) {
    talk.server(kAck, std::string(1'000'000, 'x'));
    talk.lose_latest();
    talk.client(kAck);
  }
  talk.server(kRst | kAck);
  Tracker tracker(small_options());
  EventBatch batch;
  tracker.process(talk.segments(), batch);
  batch.clear();
  tracker.advance(talk.now() + 7 * kSecondNs, batch);
  ASSERT_EQ(batch.events.size(), 1U);
  EXPECT_EQ(name_of(batch.events[0].summary.conn_state), "RSTR");
}

TEST(ForgedReset, ThatAcknowledgesNoSynRefusesNothing) {
  for (const std::uint32_t error : {12345U, std::uint32_t{0} - 1U, kFar}) {
    Conversation talk;
    talk.client(kSyn);
    Segment& forged = forge(talk, Side::responder, kRst | kAck);
    forged.seq = 0;
    forged.ack += error;
    talk.server(kSyn | kAck);
    talk.client(kAck);
    talk.exchange();
    talk.close();
    const ConnectionSummary seen = only(talk);
    EXPECT_EQ(name_of(seen.conn_state), "SF") << error;
    EXPECT_EQ(seen.side[1].payload_bytes, 6U);
  }
}

TEST(ForgedReset, ThatAcknowledgesNoSynIsTriedAgain) {
  Conversation talk;
  talk.client(kSyn);
  forge(talk, Side::responder, kRst | kAck).ack += 12345;
  forge(talk, Side::originator, kSyn).seq = 1000;
  talk.after(kSecondNs);
  forge(talk, Side::originator, kSyn).seq = 1000;
  EXPECT_EQ(name_of(only(talk).conn_state), "S0");
}

/// Whoever sends it, it is the only answer, and no reason to wait for longer than for none.
TEST(ForgedReset, ThatAcknowledgesNoSynIsTheAnswerIfThereIsNoOther) {
  Conversation talk;
  talk.client(kSyn);
  forge(talk, Side::responder, kRst | kAck).ack += 12345;
  Tracker tracker(small_options());
  EventBatch batch;
  tracker.process(talk.segments(), batch);
  tracker.advance(talk.now() + 11 * kSecondNs, batch);
  ASSERT_EQ(batch.events.size(), 1U);
  EXPECT_EQ(name_of(batch.events[0].summary.conn_state), "REJ");
}

// Numbers far ahead ---------------------------------------------------------------------------------------------------

TEST(ForgedNumber, OneAcknowledgementMakesNoOctetsAndNoGap) {
  for (const bool spoken : {true, false}) {
    Conversation talk;
    talk.handshake();
    if (spoken) talk.server(kAck | kPsh, "220 ready");
    forge(talk, Side::originator, kAck).ack += kDataFar;
    talk.exchange();
    talk.close();
    const Tracked tracked = track(talk.segments());
    const auto ended = tracked.ended();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].summary.side[1].payload_bytes, spoken ? 15U : 6U);
    EXPECT_EQ(ended[0].summary.side[1].gap_bytes, 0U);
    EXPECT_EQ(ended[0].summary.history.view().find('g'), std::string_view::npos);
    const Evidence& evidence = tracked.evidence_of(ended[0]);
    EXPECT_EQ(evidence.first_rungs[spoken ? 4 : 3].note, RungNote::out_of_window);
  }
}

TEST(ForgedNumber, OneSegmentOfDataMakesNoOctets) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  forge(talk, Side::responder, kAck | kPsh, "forged").seq += kDataFar;
  talk.exchange();
  talk.close();
  const ConnectionSummary seen = only(talk);
  EXPECT_EQ(seen.side[1].payload_bytes, 12U);
  EXPECT_EQ(seen.side[1].gap_bytes, 0U);
  EXPECT_EQ(seen.side[1].retransmissions, 0U);
}

/// Scanners send numbers like 0 and 1000 to whom they do not know; no number may stand for "none".
TEST(ForgedNumber, OfASmallValueIsBelievedNoMore) {
  for (const std::uint32_t number : {0U, 1U, 1000U}) {
    for (const bool data : {true, false}) {
      Conversation talk;
      talk.server_end().isn = talk.server_end().next = 0x60000000;
      talk.handshake();
      talk.exchange();
      if (data) {
        forge(talk, Side::responder, kAck | kPsh, "forged").seq = number;
      } else {
        forge(talk, Side::originator, kAck).ack = number;
      }
      talk.exchange();
      talk.close();
      const ConnectionSummary seen = only(talk);
      EXPECT_EQ(seen.side[1].payload_bytes, 12U) << number;
      EXPECT_EQ(seen.side[1].gap_bytes, 0U) << number;
    }
  }
}

TEST(ForgedNumber, BeforeTheAnswerNumbersNobodyAnew) {
  Conversation talk;
  talk.client(kSyn);
  forge(talk, Side::originator, kAck).seq += kFar;
  talk.server(kSyn | kAck);
  talk.client(kAck);
  talk.exchange("request", "answer");
  talk.close();
  const ConnectionSummary seen = only(talk);
  EXPECT_EQ(seen.side[0].payload_bytes, 7U);
}

/// The mirror port was silent for long: what both say, or one side says twice, is so.
TEST(ForgedNumber, IsNoneIfItsSenderGoesOnFromThere) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  talk.server_end().next += kDataFar;
  talk.server(kAck | kPsh, "one");
  talk.server(kAck | kPsh, "two");
  talk.client(kAck);
  const ConnectionSummary seen = only(talk);
  EXPECT_EQ(seen.side[1].payload_bytes, 6U + kDataFar + 6U);
  EXPECT_EQ(seen.side[1].gap_bytes, kDataFar);
}

TEST(ForgedNumber, IsNoneIfTheOtherSideAcknowledgesIt) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  talk.server_end().next += kDataFar;
  talk.server(kAck | kPsh, "one");
  talk.client(kAck);
  talk.server(kAck | kPsh, "two");
  const ConnectionSummary seen = only(talk);
  EXPECT_EQ(seen.side[1].payload_bytes, 6U + kDataFar + 6U);
  EXPECT_EQ(seen.side[1].gap_bytes, kDataFar);
}

/// Only the acknowledgements of a download were captured: they tell how long it was.
TEST(ForgedNumber, IsNoneWhereThatSideIsNotCaptured) {
  Conversation talk;
  talk.handshake();
  talk.client(kAck | kPsh, "request");
  constexpr std::uint32_t kEach = 30'000'000;
  for (int i = 0; i < 4; ++i) {
    talk.server_end().next += i == 0 ? 1000 : kEach;
    talk.client(kAck);
  }
  EXPECT_EQ(only(talk).side[1].payload_bytes, 1000U + 3U * kEach);
}

TEST(ForgedSyn, LeavesThoseWhoGoOnTheirNumbers) {
  for (const std::uint32_t forged_seq : {kFar, std::uint32_t{0} - kFar, 123'456U}) {
    Conversation session;
    session.client_end().next = 2'000'000'000;
    session.handshake();
    session.exchange();
    forge(session, Side::originator, kSyn).seq = forged_seq;
    session.server(kAck);  // a challenge (RFC 5961, 4)
    for (int i = 0; i < 3; ++i) session.exchange();
    session.close();
    const auto ended = track(session.segments()).ended();
    ASSERT_EQ(ended.size(), 2U);
    EXPECT_EQ(ended[0].summary.side[0].payload_bytes, 7U);
    EXPECT_EQ(ended[1].summary.side[0].payload_bytes, 21U) << forged_seq;
    EXPECT_EQ(ended[1].summary.side[1].payload_bytes, 18U) << forged_seq;
    EXPECT_EQ(ended[1].summary.side[0].gap_bytes + ended[1].summary.side[1].gap_bytes, 0U);
  }
}

TEST(ForgedSyn, AnswerInAnOpenSessionDoesNotNumberItAnew) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  forge(talk, Side::responder, kSyn | kAck).seq += kFar;
  talk.exchange();
  talk.close();
  const Tracked tracked = track(talk.segments());
  ASSERT_EQ(tracked.ended().size(), 1U);
  EXPECT_EQ(tracked.ended()[0].summary.side[1].payload_bytes, 12U);
  EXPECT_EQ(tracked.evidence_of(tracked.ended()[0]).syn_acks, 1U);
  EXPECT_EQ(tracked.evidence_of(tracked.ended()[0]).first_rungs[5].note, RungNote::out_of_window);
}

}  // namespace
}  // namespace doorslam::tcp
