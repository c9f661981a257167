#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "pipeline/tcp/duplicates.h"
#include "tests/support/segment_scenario.h"

/// Sequence numbers: payload counts, retransmissions, order, gaps, windows, and mirror duplicates.
namespace doorslam::tcp {
namespace {

using namespace test;

class TrackerSequence : public ::testing::Test {
 protected:
  TrackerSequence() { talk.handshake(); }

  ConnectionSummary summary() {
    tracked = track(talk.segments());
    const auto ended = tracked.ended();
    EXPECT_EQ(ended.size(), 1U);
    if (ended.empty()) return {};
    last = ended.back();
    return last.summary;
  }
  const Evidence& evidence() const { return tracked.evidence_of(last); }
  /// Note of a rung, by number from 0.
  RungNote note(std::size_t rung) const { return evidence().first_rungs.at(rung).note; }

  Conversation talk;
  Tracked tracked;
  ConnectionEvent last;
};

TEST_F(TrackerSequence, CountsDistinctOctets) {
  talk.client(kAck | kPsh, "12345");
  talk.server(kAck | kPsh, "123");
  talk.close();
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].payload_bytes, 5U);
  EXPECT_EQ(seen.side[1].payload_bytes, 3U);
  EXPECT_EQ(seen.side[0].packets, 5U);
  EXPECT_EQ(seen.side[1].packets, 3U);
}

TEST_F(TrackerSequence, NumbersMayWrap) {
  Conversation wrapping;
  wrapping.client_end().next = 0xfffffff0;
  wrapping.server_end().next = 0xffffffff;
  wrapping.handshake();
  wrapping.client(kAck | kPsh, std::string(100, 'a'));
  wrapping.server(kAck | kPsh, std::string(50, 'b'));
  wrapping.client(kAck);
  wrapping.close();
  const auto ended = track(wrapping.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.side[0].payload_bytes, 100U);
  EXPECT_EQ(ended[0].summary.side[1].payload_bytes, 50U);
  EXPECT_EQ(name_of(ended[0].summary.conn_state), "SF");
}

// A backup of a terabyte.
TEST_F(TrackerSequence, NumbersMayWrapManyTimes) {
  constexpr std::uint32_t kGibi = 1U << 30U;
  for (int i = 0; i < 80; ++i) {
    talk.client_end().next += kGibi;
    talk.client(kAck | kPsh, "x");
    talk.server(kAck);
  }
  talk.close();
  EXPECT_EQ(summary().side[0].payload_bytes, 80 * (std::uint64_t{kGibi} + 1));
}

TEST_F(TrackerSequence, RetransmissionIsCountedOnceEach) {
  talk.client(kAck | kPsh, "request");
  const std::uint32_t seq = talk.segments().back().seq;
  talk.after(200 * kMillisecondNs).client(kAck | kPsh, "request").seq = seq;
  talk.client_end().next -= 7;
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].retransmissions, 1U);
  EXPECT_EQ(seen.side[0].payload_bytes, 7U);
  EXPECT_EQ(seen.history.view(), "ShADT");
  EXPECT_EQ(note(4), RungNote::retransmission);
  EXPECT_EQ(evidence().of(Side::originator).retransmissions, 1U);
  EXPECT_EQ(evidence().of(Side::originator).payload_segments, 1U);
}

TEST_F(TrackerSequence, LettersOfTroubleComeAtPowersOfTen) {
  talk.client(kAck | kPsh, "request");
  const std::uint32_t seq = talk.segments().back().seq;
  for (int i = 0; i < 12; ++i) talk.after(kSecondNs).client(kAck | kPsh, "request").seq = seq;
  talk.client_end().next = seq + 7;
  EXPECT_EQ(summary().history.view(), "ShADTT");
}

TEST_F(TrackerSequence, SynAndFinAgainAreRetransmissions) {
  Conversation again;
  again.client(kSyn);
  again.after(kSecondNs).client(kSyn).seq = 1000;
  again.client_end().next = 1001;
  again.server(kSyn | kAck);
  again.client(kAck);
  again.client(kFin | kAck);
  again.after(kSecondNs).client(kFin | kAck).seq = 1001;
  again.client_end().next = 1002;
  const auto ended = track(again.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.side[0].retransmissions, 2U);
  EXPECT_EQ(ended[0].summary.history.view(), "ShAF");
}

TEST_F(TrackerSequence, OutOfOrderIsNoRetransmission) {
  talk.client(kAck, "first");
  const Segment first = talk.segments().back();
  talk.lose_latest();
  talk.client(kAck, "second");
  Segment& late = talk.client(kAck, "first");
  late.seq = first.seq;
  talk.client_end().next = first.seq + 11;
  talk.server(kAck);
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].retransmissions, 0U);
  EXPECT_EQ(seen.side[0].gap_bytes, 0U);
  EXPECT_EQ(seen.side[0].payload_bytes, 11U);
  EXPECT_EQ(seen.history.view(), "ShADTa");  // Zeek's T: payload that does not go beyond what was seen
  EXPECT_EQ(note(4), RungNote::out_of_order);
}

TEST_F(TrackerSequence, AcknowledgedHoleIsAGap) {
  talk.client(kAck, "lost by the mirror port");
  talk.lose_latest();
  talk.client(kAck, "seen");
  talk.server(kAck);
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].gap_bytes, 23U);
  EXPECT_EQ(seen.side[0].payload_bytes, 27U);
  EXPECT_EQ(seen.history.view(), "ShADaG");
  EXPECT_EQ(note(4), RungNote::gap_before);
}

TEST_F(TrackerSequence, AcknowledgedTailIsAGap) {
  talk.server(kAck, "lost");
  talk.lose_latest();
  talk.client(kAck);
  const auto seen = summary();
  EXPECT_EQ(seen.side[1].gap_bytes, 4U);
  EXPECT_EQ(seen.history.view(), "ShAg");
}

TEST_F(TrackerSequence, OneGapIsCountedOnce) {
  talk.client(kAck, "lost");
  talk.lose_latest();
  talk.client(kAck, "seen");
  talk.server(kAck);
  talk.client(kAck, "more");
  talk.server(kAck);
  EXPECT_EQ(summary().side[0].gap_bytes, 4U);
}

TEST_F(TrackerSequence, HolePartlyFilledLeavesTheRest) {
  talk.client(kAck, "abcdefgh");
  const Segment whole = talk.segments().back();
  talk.lose_latest();
  talk.client(kAck, "tail");
  talk.client(kAck, "abc").seq = whole.seq;
  talk.client_end().next = whole.seq + 12;
  talk.server(kAck);
  EXPECT_EQ(summary().side[0].gap_bytes, 5U);
}

TEST_F(TrackerSequence, AcknowledgementCapturedBeforeItsDataIsNoGap) {
  talk.client(kAck, "request");
  const Segment data = talk.segments().back();
  talk.lose_latest();
  talk.server(kAck);
  Segment& late = talk.client(kAck, "request");
  late.seq = data.seq;
  talk.client_end().next = data.seq + 7;
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].gap_bytes, 0U);
  EXPECT_EQ(seen.side[0].retransmissions, 0U);
}

TEST_F(TrackerSequence, ZeroWindowIsNotedUntilItOpens) {
  talk.client_end().window = 0;
  talk.client(kAck);
  const TimeNs closed = talk.now();
  talk.after(kSecondNs).client(kAck);
  auto seen = summary();
  EXPECT_EQ(seen.side[0].zero_windows, 2U);
  EXPECT_EQ(seen.history.view(), "ShAW");
  EXPECT_EQ(evidence().of(Side::originator).zero_window_since_ns, closed);
  EXPECT_EQ(note(3), RungNote::zero_window);

  talk.client_end().window = 1000;
  talk.client(kAck);
  seen = summary();
  EXPECT_EQ(evidence().of(Side::originator).zero_window_since_ns, flowtable::kNoTime);
}

TEST_F(TrackerSequence, ProbeOfAZeroWindowIsNoKeepAlive) {
  talk.exchange();
  talk.client_end().window = 0;
  talk.client(kAck);
  Segment& probe = talk.after(kSecondNs).server(kAck);
  probe.seq -= 1;
  summary();
  EXPECT_EQ(note(6), RungNote::window_probe);
}

TEST_F(TrackerSequence, KeepAliveIsNoRetransmission) {
  talk.exchange();
  talk.client(kAck);
  talk.after(60 * kSecondNs).client(kAck, "x").seq -= 1;
  talk.client_end().next -= 1;
  talk.after(60 * kSecondNs).client(kAck).seq -= 1;
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].retransmissions, 0U);
  EXPECT_EQ(seen.side[0].payload_bytes, 7U);
  EXPECT_EQ(note(6), RungNote::keep_alive);
  EXPECT_EQ(note(7), RungNote::keep_alive);
}

TEST_F(TrackerSequence, FastOpenDataCounts) {
  Conversation fast;
  Segment& syn = fast.client(kSyn, "GET /");
  syn.options.present = packet::TcpOptions::kFastOpen;
  fast.server(kSyn | kAck);
  fast.client(kAck);
  fast.server(kAck | kPsh, "answer");
  const Tracked seen = track(fast.segments());
  const auto ended = seen.ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.side[0].payload_bytes, 5U);
  EXPECT_EQ(name_of(ended[0].summary.stage), "response");
  EXPECT_EQ(ended[0].summary.history.view(), "ShAd");
  EXPECT_TRUE(seen.evidence_of(ended[0]).fast_open);
  EXPECT_EQ(seen.evidence_of(ended[0]).of(Side::originator).head.length, 5U);
}

bool has_nothing_but_packets(const SideTotals& side) {
  return side.payload_bytes == 0 && side.gap_bytes == 0 && side.retransmissions == 0 && side.zero_windows == 0;
}

/// Its summary is made apart, on the short path as on the long one: what one leaves out, so does the other.
TEST(UnansweredSyn, AloneTellsAllThatIsKnown) {
  Conversation lone;
  Segment& sent = lone.client(kSyn);
  sent.number = 77;
  sent.vlan = 100;
  sent.tunneled = true;
  const Segment syn = sent;
  lone.copy_latest().number = 78;
  const auto ended = track(lone.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  const ConnectionSummary& seen = ended[0].summary;
  EXPECT_EQ(seen.originator, syn.source);
  EXPECT_EQ(seen.responder, syn.destination);
  EXPECT_EQ(seen.start_ns, syn.time_ns);
  EXPECT_EQ(seen.end_ns, syn.time_ns);
  EXPECT_EQ(seen.id, 77U);
  EXPECT_EQ(seen.vlan, 100U);
  EXPECT_EQ(seen.duplicates, 1U);
  EXPECT_EQ(seen.side[0].packets, 1U);
  EXPECT_EQ(seen.side[1].packets, 0U);
  for (const SideTotals& side : seen.side) EXPECT_TRUE(has_nothing_but_packets(side));
  EXPECT_EQ(seen.history.view(), "S");
  EXPECT_EQ(seen.conn_state, ConnState::S0);
  EXPECT_EQ(seen.stage, Stage::syn);
  EXPECT_EQ(seen.end_reason, EndReason::capture_end);
  EXPECT_TRUE(seen.tunneled);
  EXPECT_FALSE(seen.mid_stream || seen.orientation_guessed || seen.one_sided);
  EXPECT_FALSE(seen.plainly_served || seen.evidence_missing);
  EXPECT_EQ(seen.answered_by, AnsweringStack{});
  EXPECT_EQ(seen.answered_at_clock, 0U);
}

TEST(UnansweredSyn, SaysThatItsEvidenceIsMissing) {
  constexpr std::uint16_t kAttempts = 40;
  std::vector<Conversation> attempts;
  for (std::uint16_t i = 0; i < kAttempts; ++i) {
    const auto port = static_cast<std::uint16_t>(40'000 + i);
    attempts.emplace_back(flowtable::Endpoint{address4(1), port}).client(kSyn);
  }
  // Of the one pool there is none left; of the other, the last quarter is not for attempts.
  for (const auto& [capacity, expected] : {std::pair(1U, kAttempts - 1), std::pair(40U, 9)}) {
    TrackerOptions options = small_options();
    options.evidence_capacity = capacity;
    int missing = 0;
    for (const ConnectionEvent& event : track(merge(attempts), options).ended()) {
      EXPECT_EQ(event.summary.evidence_missing, event.evidence < 0) << event.summary.originator.port;
      if (event.summary.evidence_missing) ++missing;
    }
    EXPECT_EQ(missing, expected);
  }
}

TEST(UnansweredSyn, CountsWhatItCarries) {
  Conversation fast;
  fast.client(kSyn, "GET /").options.present = packet::TcpOptions::kFastOpen;
  const auto ended = track(fast.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.side[0].payload_bytes, 5U);
  EXPECT_EQ(ended[0].summary.history.view(), "S");
}

TEST(UnansweredSyn, CountsItsRetransmissions) {
  Conversation insistent;
  insistent.client(kSyn);
  insistent.client_end().next -= 1;
  insistent.after(kSecondNs).client(kSyn);
  const auto ended = track(insistent.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.side[0].packets, 2U);
  EXPECT_EQ(ended[0].summary.side[0].retransmissions, 1U);
  EXPECT_EQ(ended[0].summary.history.view(), "S");
  EXPECT_EQ(name_of(ended[0].summary.conn_state), "S0");
}

TEST_F(TrackerSequence, PayloadOfARstIsNoPayload) {
  talk.server(kRst | kAck, "go away");
  talk.server_end().next -= 7;
  EXPECT_EQ(summary().side[1].payload_bytes, 0U);
}

// The short path of connections in mid-flow
// ----------------------------------------------------------------------------

/// Talks until the connection is plainly served.
void serve(Conversation& talk) {
  for (int i = 0; i < 8; ++i) talk.exchange("request", std::string(300, 'x'));
}

TEST_F(TrackerSequence, ShortPathCountsPacketsBeyondSixteenBits) {
  serve(talk);
  for (int i = 0; i < 70'000; ++i) talk.after(kMicrosecondNs).client(kAck, "x");
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].packets, 2U + 8U + 70'000U);
  EXPECT_EQ(seen.side[0].payload_bytes, 8U * 7U + 70'000U);
}

TEST_F(TrackerSequence, ShortPathLeavesWrapsToTheDetails) {
  Conversation wrapping;
  wrapping.client_end().next = 0xffffff00;
  wrapping.server_end().next = 0xfffff000;
  wrapping.handshake();
  for (int i = 0; i < 40; ++i) wrapping.exchange("0123456789", std::string(200, 'x'));
  const auto ended = track(wrapping.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.side[0].payload_bytes, 400U);
  EXPECT_EQ(ended[0].summary.side[1].payload_bytes, 8000U);
}

// Of a connection that is served already only its record is touched, but the history wants a letter of each kind.
TEST_F(TrackerSequence, ShortPathWritesLettersThatComeLate) {
  serve(talk);
  EXPECT_EQ(summary().history.view(), "ShADd");
  talk.client(kAck | kPsh, "request");
  talk.server(kAck);
  talk.server(kAck | kPsh, "answer");
  talk.client(kAck);
  EXPECT_EQ(summary().history.view(), "ShADda");
}

TEST_F(TrackerSequence, ShortPathCountsExchangesWhoeverSpeaksAgain) {
  for (int i = 0; i < 5; ++i) {
    talk.client(kAck | kPsh, "one");
    talk.client(kAck | kPsh, "two");
    talk.server(kAck | kPsh, "three");
    talk.server(kAck | kPsh, "four");
  }
  EXPECT_EQ(summary().stage, Stage::established);
  EXPECT_EQ(evidence().exchanges, 5U);
}

TEST_F(TrackerSequence, ShortPathKeepsTheNumbersThatTroubleIsToldBy) {
  serve(talk);
  talk.exchange();
  talk.client(kAck | kPsh, "12345");
  talk.server(kAck);
  talk.client(kRst);
  summary();
  EXPECT_EQ(evidence().of(Side::originator).next_seq, 1U + 9U * 7U + 5U);
  EXPECT_EQ(evidence().of(Side::originator).acked, 1U + 9U * 7U + 5U);
  EXPECT_EQ(evidence().of(Side::responder).acked, 1U + 8U * 300U + 6U);
}

TEST_F(TrackerSequence, ShortPathSeesGapsRetransmissionsAndCopies) {
  serve(talk);
  talk.client(kAck, "lost");
  talk.lose_latest();
  talk.server(kAck | kPsh, "answer");
  talk.client(kAck, "again");
  talk.copy_latest();
  talk.copy_latest(kSecondNs);
  const auto seen = summary();
  EXPECT_EQ(seen.side[0].gap_bytes, 4U);
  EXPECT_EQ(seen.side[0].retransmissions, 1U);
  EXPECT_EQ(seen.duplicates, 1U);
}

// Mirror duplicates ---------------------------------------------------------------------------------------------------

TEST_F(TrackerSequence, CopiesAreDroppedBeforeTheyCount) {
  talk.copy_latest();
  talk.client(kAck | kPsh, "request");
  talk.copy_latest().ttl -= 1;
  talk.server(kAck | kPsh, "answer");
  talk.copy_latest().vlan = 12;
  talk.close();
  talk.copy_latest();
  const auto seen = summary();
  EXPECT_EQ(seen.duplicates, 4U);
  EXPECT_EQ(seen.side[0].packets, 5U);
  EXPECT_EQ(seen.side[0].retransmissions, 0U);
  EXPECT_EQ(seen.history.view(), "ShADdFf");
  EXPECT_EQ(tracked.counters.duplicates, 4U);
}

TEST_F(TrackerSequence, CopiesMayComeAfterTheNextSegments) {
  talk.client(kAck, "one");
  const Segment one = talk.segments().back();
  talk.after(10 * kMicrosecondNs).client(kAck, "two");
  Segment& copy = talk.copy_latest(10 * kMicrosecondNs);
  const TimeNs time = copy.time_ns;
  copy = one;
  copy.time_ns = time;
  EXPECT_EQ(summary().duplicates, 1U);
}

TEST_F(TrackerSequence, WhatComesLaterIsARetransmission) {
  talk.client(kAck | kPsh, "request");
  talk.copy_latest(20 * kMillisecondNs);
  const auto seen = summary();
  EXPECT_EQ(seen.duplicates, 0U);
  EXPECT_EQ(seen.side[0].retransmissions, 1U);
}

TEST_F(TrackerSequence, DuplicateAcknowledgementsAreTheSendersOwn) {
  talk.server(kAck | kPsh, "answer");
  talk.client(kAck);
  talk.after(20 * kMicrosecondNs).client(kAck);  // a new IP identification: the client sent it
  EXPECT_EQ(summary().duplicates, 0U);
}

TEST_F(TrackerSequence, WithoutIdentificationABareAckIsACopyOnlyOnceMirroringIsProven) {
  for (const bool mirrored : {false, true}) {
    Conversation six({address6(1), 40000}, {address6(2), 80});
    six.client(kSyn);
    if (mirrored) six.copy_latest();
    six.server(kSyn | kAck);
    six.client(kAck);
    six.copy_latest();
    const auto ended = track(six.segments()).ended();
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(ended[0].summary.duplicates, mirrored ? 2U : 0U);
  }
}

TEST_F(TrackerSequence, AnAckOfSomethingNewIsNoCopyThoughItsHashCollides) {
  talk.server(kAck | kPsh, "answer");
  const std::uint16_t taken = segment_hash(talk.segments().back());
  Segment& ack = talk.after(10 * kMicrosecondNs).client(kAck);
  ack.window = 0;
  while (segment_hash(ack) != taken) ++ack.options.timestamp_value;
  const auto seen = summary();
  EXPECT_EQ(seen.duplicates, 0U);
  EXPECT_EQ(seen.side[0].packets, 3U);
}

TEST_F(TrackerSequence, MirroredSynAndRstMakeOneConnection) {
  Conversation refused;
  refused.client(kSyn);
  refused.copy_latest();
  refused.server(kRst | kAck);
  refused.copy_latest();
  const auto ended = track(refused.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.history.view(), "Sr");
  EXPECT_EQ(ended[0].summary.duplicates, 2U);
}

/// The capture has the client's SYN, neither the SYN-ACK nor the answer, and then the server's FIN.
TEST_F(TrackerSequence, TheClientsFirstAckTellsWhereALostAnswerBegan) {
  for (const bool acknowledged : {false, true}) {
    Conversation lossy;
    lossy.client(kSyn);
    lossy.server(kSyn | kAck);
    lossy.lose_latest();
    lossy.client(kAck);
    lossy.client(kAck | kPsh, "request");
    lossy.server(kAck | kPsh, "answer");
    lossy.lose_latest();
    if (acknowledged) lossy.client(kAck);
    lossy.server(kFin | kAck);
    lossy.client(kFin | kAck);
    lossy.server(kAck);
    tracked = track(lossy.segments());
    const auto ended = tracked.ended();
    ASSERT_EQ(ended.size(), 1U);
    const SideTotals& server = ended[0].summary.side[1];
    EXPECT_EQ(server.payload_bytes, 6U);
    EXPECT_EQ(server.gap_bytes, 6U);
    std::vector<std::uint32_t> acks;
    tracked.evidence_of(ended[0]).for_each_rung([&](const Rung& rung, std::uint32_t) {
      if (rung.side == Side::originator && rung.ack != 0) acks.push_back(rung.ack);
    });
    const std::vector<std::uint32_t> expected =
        acknowledged ? std::vector<std::uint32_t>{1, 1, 7, 8} : std::vector<std::uint32_t>{1, 1, 8};
    EXPECT_EQ(acks, expected) << "as the capture has them";
  }
}

}  // namespace
}  // namespace doorslam::tcp
