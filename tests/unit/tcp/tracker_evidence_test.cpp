#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "tests/support/segment_scenario.h"

/// What is kept for the analyst: times, ladder, first and last words, fingerprints; and who gets Evidence.
namespace doorslam::tcp {
namespace {

using namespace test;

/// Connections that say so themselves.
std::uint64_t went_without(const Tracked& tracked) {
  const auto ended = tracked.ended();
  return static_cast<std::uint64_t>(
      std::ranges::count_if(ended, [](const ConnectionEvent& event) { return event.summary.evidence_missing; }));
}

std::string_view text_of(const PayloadHead& head) {
  return {reinterpret_cast<const char*>(head.bytes.data()), head.length};
}

std::string_view latest_words_of(const SideEvidence& side) {
  const packet::ByteView words = side.latest_words();
  return {reinterpret_cast<const char*>(words.data()), words.size()};
}

struct Observed {
  Tracked tracked;
  ConnectionEvent end;

  explicit Observed(const Conversation& talk, const TrackerOptions& options = small_options())
      : tracked(track(talk.segments(), options)), end(tracked.ended().at(0)) {}
  const Evidence& evidence() const { return tracked.evidence_of(end); }
};

TEST(Evidence, TimesOfTheHandshake) {
  Conversation talk;
  talk.client(kSyn);
  const TimeNs first_syn = talk.now();
  talk.after(kSecondNs).client(kSyn).seq = 1000;
  talk.client_end().next = 1001;
  const TimeNs last_syn = talk.now();
  talk.server(kSyn | kAck);
  const TimeNs syn_ack = talk.now();
  talk.after(kSecondNs).server(kSyn | kAck).seq = 900000;
  talk.server_end().next = 900001;
  const TimeNs last_syn_ack = talk.now();
  talk.client(kAck);
  const Observed seen(talk);
  EXPECT_EQ(seen.evidence().syn_ns, first_syn);
  EXPECT_EQ(seen.evidence().last_syn_ns, last_syn);
  EXPECT_EQ(seen.evidence().syns, 2U);
  EXPECT_EQ(seen.evidence().syn_ack_ns, syn_ack);
  EXPECT_EQ(seen.evidence().last_syn_ack_ns, last_syn_ack);
  EXPECT_EQ(seen.evidence().syn_acks, 2U);
  EXPECT_EQ(seen.evidence().handshake_ns, talk.now());
  EXPECT_EQ(seen.evidence().first_rungs[1].note, RungNote::retransmission);
}

TEST(Evidence, WrongHandshakeAck) {
  for (const std::int32_t error : {1, 4711, -2000, 65536}) {
    Conversation talk;
    talk.client(kSyn);
    talk.server(kSyn | kAck);
    Segment& ack = talk.client(kAck);
    ack.ack += static_cast<std::uint32_t>(error);
    talk.server(kRst).seq = ack.ack;
    const Observed seen(talk);
    EXPECT_TRUE(seen.evidence().handshake_ack_wrong) << error;
    EXPECT_EQ(seen.evidence().handshake_ns, flowtable::kNoTime);
    EXPECT_EQ(seen.evidence().first_rungs[2].note, RungNote::bad_handshake_ack);
    EXPECT_EQ(name_of(seen.end.summary.stage), "handshake");
    EXPECT_EQ(seen.end.summary.side[1].payload_bytes, 0U) << error;
  }
}

TEST(Evidence, AckAheadBecauseTheCaptureLostTheGreetingIsNotWrong) {
  Conversation talk;
  talk.handshake();
  talk.lose_latest();
  talk.server(kAck | kPsh, "220 ready");
  talk.lose_latest();
  talk.client(kAck);
  talk.server(kAck | kPsh, "more");
  const Observed seen(talk);
  EXPECT_FALSE(seen.evidence().handshake_ack_wrong);
  EXPECT_EQ(name_of(seen.end.summary.stage), "greeting");
}

TEST(Evidence, TimesOfTheEnd) {
  Conversation talk;
  talk.handshake();
  talk.server(kFin | kAck);
  const TimeNs fin = talk.now();
  talk.client(kAck | kPsh, "too late");
  const TimeNs said = talk.now();
  talk.server(kRst).ttl = 250;
  const TimeNs rst = talk.now();
  const Observed seen(talk);
  const SideEvidence& server = seen.evidence().of(Side::responder);
  EXPECT_EQ(server.fin_ns, fin);
  EXPECT_EQ(server.rst_ns, rst);
  EXPECT_EQ(server.resets, 1U);
  EXPECT_FALSE(server.rst_with_ack);
  EXPECT_EQ(server.rst_seq, 2U);
  EXPECT_EQ(server.rst.ttl, 250U);
  EXPECT_EQ(server.first.ttl, 63U);
  EXPECT_EQ(server.last.ttl, 63U);
  EXPECT_EQ(seen.evidence().of(Side::originator).first_payload_ns, said);
  EXPECT_EQ(seen.evidence().of(Side::originator).next_seq, 9U);
  EXPECT_EQ(seen.evidence().of(Side::originator).acked, 1U);
  EXPECT_EQ(seen.evidence().first_rungs[5].note, RungNote::foreign_ttl);
  EXPECT_EQ(seen.end.summary.end_ns, rst);
}

TEST(Evidence, FirstWordsInStreamOrder) {
  Conversation talk;
  talk.handshake();
  talk.server(kAck | kPsh, "220 hello\r\n");
  talk.client(kAck | kPsh, "USER x\r\n");
  talk.server(kAck | kPsh, "331 who\r\n");
  const Observed seen(talk);
  const PayloadHead& head = seen.evidence().of(Side::responder).head;
  EXPECT_EQ(text_of(head), "220 hello\r\n331 who\r\n");
  EXPECT_EQ(head.segments, 2U);
  EXPECT_EQ(head.segment_start[1], 11U);
  EXPECT_FALSE(head.incomplete);
  EXPECT_EQ(text_of(seen.evidence().of(Side::originator).head), "USER x\r\n");
  const SideEvidence& server = seen.evidence().of(Side::responder);
  EXPECT_EQ(latest_words_of(server), "331 who\r\n");
  EXPECT_EQ(server.words_apart(), 0U) << "they lie in the head, and are not kept twice";
  EXPECT_EQ(seen.evidence().exchanges, 1U);
}

/// The head has the beginning of the latest segment, and not all that is kept of it.
TEST(Evidence, LatestWordsThatBeginAtTheEndOfTheHead) {
  Conversation talk;
  talk.handshake();
  talk.server(kAck, std::string(250, 'a'));
  talk.server(kAck, "goodbye");
  const Observed seen(talk);
  EXPECT_EQ(latest_words_of(seen.evidence().of(Side::responder)), "goodbye");
}

TEST(Evidence, LatestWordsBeyondTheHead) {
  Conversation talk;
  talk.handshake();
  talk.server(kAck, std::string(300, 'a'));
  talk.server(kAck, std::string(200, 'b'));
  const Observed seen(talk);
  EXPECT_EQ(latest_words_of(seen.evidence().of(Side::responder)), std::string(160, 'b'));
}

/// The head has the words of more segments than it knows the beginnings of.
TEST(Evidence, LatestWordsOfMoreSegmentsThanTheHeadCounts) {
  Conversation talk;
  talk.handshake();
  for (std::size_t i = 0; i <= PayloadHead::kMaxSegments; ++i) {
    talk.server(kAck | kPsh, "line " + std::to_string(i) + "\n");
  }
  const Observed seen(talk);
  const SideEvidence& server = seen.evidence().of(Side::responder);
  EXPECT_EQ(server.head.segments, PayloadHead::kMaxSegments);
  EXPECT_EQ(latest_words_of(server), "line 12\n");
}

/// What fills a hole is said before, and becomes the head's last segment.
TEST(Evidence, LatestWordsStayWhenAHoleBeforeThemIsFilled) {
  Conversation talk;
  talk.handshake();
  talk.server(kAck | kPsh, "first\n");
  const Segment first = talk.segments().back();
  talk.lose_latest();
  talk.server(kAck | kPsh, "second\n");
  talk.server(kAck | kPsh, "first\n").seq = first.seq;
  const Observed seen(talk);
  const SideEvidence& server = seen.evidence().of(Side::responder);
  EXPECT_EQ(text_of(server.head), "first\nsecond\n");
  EXPECT_EQ(latest_words_of(server), "second\n");
}

TEST(Evidence, FirstWordsAreCutAtTheirCapacity) {
  Conversation talk;
  talk.handshake();
  talk.server(kAck, std::string(200, 'a'));
  talk.server(kAck, std::string(200, 'b'));
  const Observed seen(talk);
  const PayloadHead& head = seen.evidence().of(Side::responder).head;
  EXPECT_EQ(text_of(head), std::string(200, 'a') + std::string(56, 'b'));
  EXPECT_FALSE(head.incomplete);
}

TEST(Evidence, FirstWordsThatFillTheirCapacityAreWhole) {
  Conversation talk;
  talk.handshake();
  for (int i = 0; i < 4; ++i) talk.server(kAck, std::string(200, 'a'));
  const Observed seen(talk);
  EXPECT_EQ(seen.evidence().of(Side::responder).head.length, PayloadHead::kCapacity);
  EXPECT_FALSE(seen.evidence().of(Side::responder).head.incomplete);

  Conversation lossy;
  lossy.handshake();
  lossy.server(kAck, std::string(200, 'a'));
  lossy.server(kAck, std::string(200, 'a'));
  lossy.lose_latest();
  lossy.server(kAck, std::string(200, 'a'));
  EXPECT_TRUE(Observed(lossy).evidence().of(Side::responder).head.incomplete);
}

TEST(Evidence, WhatTheCaptureLacksIsSaid) {
  Conversation snapped;
  snapped.handshake();
  Segment& cut = snapped.server(kAck, "220 hello");
  cut.payload = cut.payload.first(4);
  EXPECT_TRUE(Observed(snapped).evidence().of(Side::responder).head.incomplete);
  EXPECT_EQ(text_of(Observed(snapped).evidence().of(Side::responder).head), "220 ");

  Conversation lossy;
  lossy.handshake();
  lossy.server(kAck, "lost");
  lossy.lose_latest();
  lossy.server(kAck, "seen");
  EXPECT_TRUE(Observed(lossy).evidence().of(Side::responder).head.incomplete);
}

TEST(Evidence, LadderKeepsTheFirstAndTheLast) {
  Conversation talk;
  talk.handshake();
  for (int i = 0; i < 30; ++i) talk.client(kAck | kPsh, "x");
  const Observed seen(talk);
  const Evidence& evidence = seen.evidence();
  EXPECT_EQ(evidence.rung_count, 33U);
  EXPECT_EQ(evidence.first_rungs[0].flags, kSyn);
  EXPECT_EQ(evidence.first_rungs[13].seq, 11U);
  EXPECT_EQ(evidence.last_rungs[33 % Evidence::kLastRungs].seq, 21U);  // the oldest of the last ten
  EXPECT_EQ(evidence.last_rungs[32 % Evidence::kLastRungs].seq, 30U);
  EXPECT_EQ(evidence.last_rungs[32 % Evidence::kLastRungs].ack, 1U);
}

TEST(Evidence, SegmentFarOutsideIsNoted) {
  Conversation talk;
  talk.handshake();
  talk.server(kRst).seq += 500'000;
  EXPECT_EQ(Observed(talk).evidence().first_rungs[3].note, RungNote::out_of_window);
}

// Who gets Evidence ---------------------------------------------------------------------------------------------------

/// A pool so small that one connection has used half of it.
TrackerOptions tiny_pool() {
  TrackerOptions options = small_options();
  options.evidence_capacity = 1;
  return options;
}

TEST(EvidencePolicy, PlainlyServedConnectionsGoWithoutEvidence) {
  Conversation talk;
  talk.handshake();
  for (int i = 0; i < 3; ++i) talk.exchange("request", std::string(600, 'x'));
  talk.close();
  const Observed seen(talk);
  EXPECT_TRUE(seen.end.summary.plainly_served);
  EXPECT_EQ(seen.end.evidence, -1);
  EXPECT_EQ(seen.tracked.left_over, 0U);
}

TEST(EvidencePolicy, PlainlyServedConnectionsGiveItBackWhenThePoolIsHalfUsed) {
  Conversation talk;
  talk.handshake();
  for (int i = 0; i < 3; ++i) talk.exchange("request", std::string(600, 'x'));
  EXPECT_EQ(Observed(talk).tracked.counters.evidence.returned, 0U);
  EXPECT_EQ(Observed(talk, tiny_pool()).tracked.counters.evidence.returned, 1U);
}

TEST(EvidencePolicy, AShortDialogueIsNotServedYet) {
  Conversation login;
  login.handshake();
  login.server(kAck | kPsh, "220 ready\r\n");
  for (int i = 0; i < 4; ++i) login.exchange("LINE\r\n", "334 go on\r\n");
  login.server(kAck | kPsh, "535 no\r\n");
  login.server(kFin | kAck);
  login.client(kFin | kAck);
  const Observed seen(login);
  EXPECT_FALSE(seen.end.summary.plainly_served);
  ASSERT_GE(seen.end.evidence, 0);
  EXPECT_NE(text_of(seen.evidence().of(Side::responder).head).find("535 no"), std::string_view::npos);
}

TEST(EvidencePolicy, ADownloadIsServed) {
  Conversation talk;
  talk.handshake();
  talk.client(kAck | kPsh, "GET /large");
  for (int i = 0; i < 50; ++i) {
    talk.server(kAck, std::string(1460, 'x'));
    talk.client(kAck);
  }
  EXPECT_TRUE(Observed(talk).end.summary.plainly_served);
}

TEST(EvidencePolicy, TroubleOfAServedConnectionIsRecordedAgain) {
  Conversation talk;
  talk.handshake();
  for (int i = 0; i < 20; ++i) talk.exchange("request", std::string(600, 'x'));
  const TimeNs last_word = talk.now();
  talk.server(kRst);
  const Observed seen(talk);
  EXPECT_TRUE(seen.end.summary.plainly_served);
  ASSERT_GE(seen.end.evidence, 0);
  const SideEvidence& server = seen.evidence().of(Side::responder);
  EXPECT_EQ(server.rst_ns, talk.now());
  EXPECT_EQ(server.last_payload_ns, last_word);  // although that went by unrecorded
  EXPECT_EQ(server.head.length, PayloadHead::kCapacity);
  EXPECT_FALSE(server.head.incomplete);
  EXPECT_FALSE(seen.evidence().begins_late);
  const Evidence& evidence = seen.evidence();
  EXPECT_EQ(evidence.first_rungs[0].flags, kSyn);
  // Every packet is either recorded, or counted as skipped where it was.
  EXPECT_EQ(evidence.first_rungs[0].skipped, 0U);
  const Rung& last = evidence.place_of(evidence.rung_count - 1);
  EXPECT_EQ(last.flags, kRst);
  EXPECT_EQ(last.skipped + evidence.rung_count, seen.end.summary.side[0].packets + seen.end.summary.side[1].packets);
  EXPECT_GT(last.skipped, 30U);
}

TEST(EvidencePolicy, TroubleAfterTheEvidenceWasGivenBackHasNoBeginning) {
  Conversation talk;
  talk.handshake();
  for (int i = 0; i < 20; ++i) talk.exchange("request", std::string(600, 'x'));
  talk.server(kRst);
  const Observed seen(talk, tiny_pool());
  ASSERT_GE(seen.end.evidence, 0);
  EXPECT_EQ(seen.evidence().rung_count, 1U);
  EXPECT_EQ(seen.evidence().of(Side::responder).rst_ns, talk.now());
  EXPECT_TRUE(seen.evidence().of(Side::responder).head.incomplete);
  EXPECT_TRUE(seen.evidence().begins_late);
  EXPECT_EQ(seen.evidence().first_rungs[0].skipped, 3U + 40U);
}

TEST(EvidencePolicy, TroubleThatGoesByIsForgotten) {
  for (const TrackerOptions& options : {small_options(), tiny_pool()}) {
    Conversation talk;
    talk.handshake();
    for (int i = 0; i < 8; ++i) talk.exchange();
    talk.client_end().window = 0;
    talk.client(kAck);
    talk.client_end().window = 1000;
    for (int i = 0; i < 100; ++i) talk.exchange();
    const Observed seen(talk, options);
    EXPECT_EQ(seen.end.evidence, -1);
    EXPECT_EQ(seen.end.summary.side[0].packets, 2U + 108U + 1U);
  }
}

TEST(EvidencePolicy, SynFloodLeavesAQuarterToThoseThatAreAnswered) {
  TrackerOptions options = small_options();
  options.evidence_capacity = 40;
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < 200; ++i) {
    Conversation& flood = all.emplace_back(flowtable::Endpoint{address4(9), static_cast<std::uint16_t>(20000 + i)});
    flood.client(kSyn);
  }
  Conversation& refused = all.emplace_back();
  refused.after(kSecondNs).client(kSyn);
  refused.server(kSyn | kAck);
  refused.client(kAck);
  refused.server(kFin | kAck);
  const std::vector<Segment> segments = merge(all);
  const Tracked tracked = track(segments, options);
  for (const auto& event : tracked.ended()) {
    if (event.summary.originator.port == 40000) {
      EXPECT_GE(event.evidence, 0);
    }
  }
  EXPECT_EQ(tracked.counters.evidence.exhausted, went_without(tracked));
}

/// The server answers the flood, nobody completes: as long as there is little room, that is not enough.
TEST(EvidencePolicy, AnAnsweredSynFloodLeavesAQuarterToThoseThatAreOpen) {
  TrackerOptions options = small_options();
  options.evidence_capacity = 40;
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < 200; ++i) {
    Conversation& flood = all.emplace_back(flowtable::Endpoint{address4(9), static_cast<std::uint16_t>(20000 + i)});
    flood.client(kSyn);
    flood.server(kSyn | kAck);
  }
  Conversation& refused = all.emplace_back();
  refused.after(kSecondNs).client(kSyn);
  refused.server(kSyn | kAck);
  refused.client(kAck);
  refused.server(kAck | kPsh, "421 too many");
  refused.server(kFin | kAck);
  const Tracked tracked = track(merge(all), options);
  for (const auto& event : tracked.ended()) {
    EXPECT_EQ(event.summary.evidence_missing, event.evidence < 0);
    if (event.summary.originator.port != 40000) continue;
    ASSERT_GE(event.evidence, 0);
    EXPECT_EQ(text_of(tracked.evidence_of(event).of(Side::responder).head), "421 too many");
  }
  EXPECT_EQ(tracked.counters.evidence.exhausted, went_without(tracked));
}

/// Without its SYN-ACK the reset of a handshake would look like that of a SYN: the states tell it better.
TEST(EvidencePolicy, AResetAfterAnUnrecordedAnswerIsNotRecordedEither) {
  TrackerOptions options = small_options();
  options.evidence_capacity = 40;
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < 40; ++i) {
    all.emplace_back(flowtable::Endpoint{address4(9), static_cast<std::uint16_t>(20000 + i)}).client(kSyn);
  }
  Conversation& refused = all.emplace_back();
  refused.after(kSecondNs).client(kSyn);
  refused.server(kSyn | kAck);
  refused.after(15 * kSecondNs).server(kRst);
  const Tracked tracked = track(merge(all), options, 1);
  std::size_t found = 0;
  for (const auto& event : tracked.ended()) {
    if (event.summary.originator.port != 40000) continue;
    ++found;
    EXPECT_EQ(event.evidence, -1);
    EXPECT_TRUE(event.summary.evidence_missing);
    EXPECT_EQ(event.summary.history.view(), "Shr");
  }
  EXPECT_EQ(found, 1U);
}

/// Anybody can send data, or a RST, out of the blue; a handshake takes an answer that reaches the sender.
TEST(EvidencePolicy, TheLastEighthIsForThoseWhoShookHands) {
  for (const int flags : {int{kRst}, kAck | kPsh}) {
    TrackerOptions options = small_options();
    options.evidence_capacity = 40;
    std::vector<Conversation> all;
    for (std::uint16_t i = 0; i < 200; ++i) {
      Conversation& stray = all.emplace_back(flowtable::Endpoint{address4(9), static_cast<std::uint16_t>(20000 + i)});
      stray.client(static_cast<std::uint8_t>(flags), flags == kRst ? "" : "stray");
    }
    Conversation& refused = all.emplace_back();
    refused.after(kSecondNs).handshake();
    refused.server(kFin | kAck);
    const Tracked tracked = track(merge(all), options);
    for (const auto& event : tracked.ended()) {
      if (event.summary.originator.port != 40000) continue;
      EXPECT_GE(event.evidence, 0) << flags;
    }
    EXPECT_EQ(tracked.counters.evidence.exhausted, went_without(tracked));
  }
}

TEST(EvidencePolicy, WhoWentWithoutIsTriedAgainWhenTroubleStarts) {
  TrackerOptions options = small_options();
  options.evidence_capacity = 2;
  for (const bool served : {false, true}) {
    for (const int trouble : {kFin | kAck, kRst | kAck}) {
      std::vector<Conversation> all;
      for (std::uint16_t i = 0; i < 2; ++i) {
        Conversation& early = all.emplace_back(flowtable::Endpoint{address4(9), static_cast<std::uint16_t>(20000 + i)});
        early.handshake();
        early.client(kRst);
      }
      Conversation& late = all.emplace_back();
      late.handshake();
      if (served) {
        for (int i = 0; i < 20; ++i) late.exchange("request", std::string(600, 'x'));
      }
      late.after(20 * kSecondNs).server(static_cast<std::uint8_t>(trouble));
      const Tracked tracked = track(merge(all), options, 1);  // so that the early ones are over when trouble starts
      EXPECT_EQ(tracked.counters.evidence.exhausted, 1U);
      for (const auto& event : tracked.ended()) {
        if (event.summary.originator.port != 40000) continue;
        EXPECT_FALSE(event.summary.evidence_missing);
        ASSERT_GE(event.evidence, 0);
        const Evidence& evidence = tracked.evidence_of(event);
        EXPECT_TRUE(evidence.begins_late);
        EXPECT_EQ(evidence.rung_count, 1U);
        EXPECT_EQ(evidence.first_rungs[0].skipped, served ? 43U : 3U);
        EXPECT_EQ(evidence.of(Side::responder).rst_ns != flowtable::kNoTime, trouble == (kRst | kAck));
      }
    }
  }
}

TEST(EvidencePolicy, AnExhaustedPoolIsSaid) {
  TrackerOptions options = small_options();
  options.evidence_capacity = 2;
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < 5; ++i) {
    all.emplace_back(flowtable::Endpoint{address4(9), static_cast<std::uint16_t>(20000 + i)}).handshake();
  }
  const Tracked tracked = track(merge(all), options);
  std::size_t missing = 0;
  for (const auto& event : tracked.ended()) missing += event.summary.evidence_missing ? 1U : 0U;
  EXPECT_EQ(missing, 3U);
  EXPECT_EQ(tracked.counters.evidence.exhausted, 3U);
}

}  // namespace
}  // namespace doorslam::tcp
