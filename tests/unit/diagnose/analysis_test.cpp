#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/unit/diagnose/story.h"

/// When connections are judged, and that nothing but the packets matters for how.
namespace doorslam::diagnose {
namespace {

using namespace test;

/// Nine clients served, one refused again and again, a scan, a crash: something of everything.
Story varied_story() {
  Story story;
  for (int i = 0; i < 9; ++i) story.serve(client(10 + i), 1.0 + 2.0 * i, 3.0);
  for (int i = 0; i < 4; ++i) story.refuse(client(1), 2.5 + 4.0 * i);
  for (int i = 0; i < 3; ++i) {
    Conversation& scan = story.connect(client(40 + i), 3.0 + i);
    scan.handshake();
    scan.close();
  }
  for (int i = 0; i < 4; ++i) {
    Conversation& talk = story.open(client(50 + i), 5.0 + i);
    talk.set_now(kStart + seconds(30));
    Story::hang_up(talk);
  }
  for (int i = 0; i < 3; ++i) story.find_closed(client(60 + i), 31.0 + i);
  return story;
}

AnalysisOptions few_may_wait(std::size_t count) {
  AnalysisOptions options;
  options.capacity_pending = count;
  return options;
}

AnalysisOptions settling_for(DurationNs settle_ns) {
  AnalysisOptions options;
  options.settle_ns = settle_ns;
  return options;
}

std::string in_full(const Readings& readings) {
  std::string text;
  for (const DiagnosedConnection& reading : readings.all) {
    text += std::to_string(reading.summary.id) + " " + std::to_string(reading.judged_ns) + " " +
            test::in_full(reading.diagnosis);
  }
  return text;
}

TEST(Analysis, ReadsTheSameHoweverTheEventsComeInBatches) {
  const Story story = varied_story();
  const std::string whole = in_full(story.read({.analysis = {}, .burst = 100'000}));
  for (const std::size_t burst : {1, 2, 7, 64}) EXPECT_EQ(in_full(story.read({.analysis = {}, .burst = burst})), whole);
}

TEST(Analysis, ReadsTheSameHoweverTheConnectionsAreSharded) {
  const Story story = varied_story();
  const std::string alone = in_full(story.read());
  for (const std::size_t shards : {2, 3, 8}) {
    EXPECT_EQ(in_full(story.read({.analysis = {}, .burst = 64, .shards = shards})), alone);
    EXPECT_EQ(in_full(story.read({.analysis = {}, .burst = 64, .shards = shards, .last_first = true})), alone);
  }
}

TEST(Analysis, ReadsTheSameWhereEventsWaitForTheWatermark) {
  const Story story = varied_story();
  const std::vector<Segment> segments = story.segments();
  Tracked tracked = track(segments);
  Analysis analysis({}, nullptr);
  analysis.collect(tracked.batch);
  EXPECT_TRUE(tracked.batch.events.empty()) << "they are the analysis's now";
  Readings readings;
  for (TimeNs now = kStart; now < segments.back().time_ns; now += 700 * kMillisecondNs) {
    analysis.advance(now, readings.all);
    for (const DiagnosedConnection& reading : readings.all) EXPECT_LE(reading.judged_ns, now);
  }
  analysis.finish(readings.all);
  EXPECT_EQ(in_full(readings), in_full(story.read()));
}

/// Step by step, so that others can be answered in between.
TEST(Analysis, ReadsTheSameInSmallSteps) {
  const Story story = varied_story();
  const std::vector<Segment> segments = story.segments();
  for (const std::size_t most : {1, 3, 1000}) {
    Tracked tracked = track(segments);
    Analysis analysis({}, nullptr);
    analysis.collect(tracked.batch);
    Readings readings;
    for (TimeNs now = kStart; now < segments.back().time_ns; now += 7 * kSecondNs) {
      bool more = true;
      while (more) {
        const std::size_t before = readings.all.size();
        more = analysis.advance_some(most, now, readings.all);
        EXPECT_LE(readings.all.size() - before, most);
      }
    }
    analysis.finish(readings.all);
    EXPECT_EQ(in_full(readings), in_full(story.read()));
  }
}

TEST(Analysis, ReadsTheSameWithTooManyWaitingHoweverTheEventsCome) {
  const Story story = varied_story();
  const AnalysisOptions few = few_may_wait(3);
  const std::string alone = in_full(story.read({.analysis = few}));
  EXPECT_EQ(in_full(story.read({.analysis = few, .burst = 1})), alone);
  EXPECT_EQ(in_full(story.read({.analysis = few, .burst = 5, .shards = 4, .last_first = true})), alone);
}

TEST(Analysis, GivesEveryConnectionOneReading) {
  const Readings readings = varied_story().read();
  EXPECT_EQ(readings.counters.connections, 9U + 4 + 3 + 4 + 3);
  EXPECT_EQ(readings.all.size(), readings.counters.connections);
  std::vector<std::uint64_t> ids;
  for (const DiagnosedConnection& reading : readings.all) ids.push_back(reading.summary.id);
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST(Analysis, PassesThePlainlyServedOnAtOnce) {
  Story story;
  Conversation& served = story.serve(client(1), 1.0, 1.0);
  story.refuse(client(2), 100.0);
  const Readings readings = story.read();
  const DiagnosedConnection& reading = readings.of(served);
  EXPECT_TRUE(is_read_as(reading, Cause::served));
  EXPECT_TRUE(reading.diagnosis.hypotheses.empty());
  EXPECT_FALSE(reading.evidence);
  EXPECT_EQ(readings.counters.judged, 1U) << "the refusal alone is weighed";
}

/// A full table lets go of so many that they would take the places of refused connections, which wait to be judged.
TEST(Analysis, WhatAFullTableLetGoOfTakesNobodysPlace) {
  Analysis analysis(few_may_wait(1), nullptr);
  tcp::EventBatch batch;
  for (std::uint64_t id = 1; id <= 10; ++id) {
    tcp::ConnectionEvent& event = batch.events.emplace_back();
    event.kind = tcp::EventKind::ended;
    event.time_ns = kStart + static_cast<TimeNs>(id) * kMillisecondNs;
    event.summary.id = event.number = id;
    event.summary.stage = tcp::Stage::request;
    event.summary.history = {.letters = {'S', 'h', 'A', 'D'}, .length = 4};
    if (id != 3) event.summary.end_reason = tcp::EndReason::evicted;
    if (id == 3) event.summary.conn_state = tcp::ConnState::S0;  // nobody answered: to be judged with hindsight
  }
  analysis.collect(batch);
  Readings readings;
  analysis.advance(kStart + 20 * kMillisecondNs, readings.all);
  EXPECT_EQ(readings.all.size(), 9U);
  for (const DiagnosedConnection& reading : readings.all) {
    EXPECT_EQ(reading.judged_ns, kStart + static_cast<TimeNs>(reading.summary.id) * kMillisecondNs);
    EXPECT_FALSE(is_refusal(reading.diagnosis.cause));
  }
  EXPECT_EQ(analysis.counters().judged_early, 0U);
  analysis.finish(readings.all);
  EXPECT_EQ(readings.all.size(), 10U);
}

TEST(Analysis, OnlyCountsTheServedWhereNobodyReadsOfThem) {
  const Story story = varied_story();
  AnalysisOptions options;
  options.tells_served = false;
  const Readings all = story.read();
  const Readings told = story.read({.analysis = options});
  EXPECT_EQ(told.counters.connections, all.counters.connections);
  EXPECT_EQ(told.all.size(), told.counters.judged);
  Readings judged = all;
  std::erase_if(judged.all, [](const DiagnosedConnection& reading) { return reading.diagnosis.hypotheses.empty(); });
  EXPECT_EQ(in_full(told), in_full(judged)) << "who is judged is judged alike";
}

TEST(Analysis, CountsWhatFollowsWithinTheSettleTimeOnly) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& first = story.refuse(client(1), 2.0);
  Conversation& soon = story.refuse(client(1), 6.0);
  story.refuse(client(1), 60.0);
  const Readings readings = story.read();
  EXPECT_TRUE(argues_for(readings.of(first), Cause::acl_denied, "refused 2 of 2 times"));
  EXPECT_TRUE(argues_for(readings.of(soon), Cause::acl_denied, "refused 2 of 2 times"));
}

TEST(Analysis, WaitsForTheSettleTimeAndNoLonger) {
  for (const double settle : {6.0, 10.0, 40.0}) {
    Story story;
    Conversation& refused = story.refuse(client(1), 2.0);
    Conversation& closed = story.find_closed(client(3), 2.5);
    for (int i = 0; i < 100; ++i) story.serve(client(2), 3.0 + i, 0.1);
    const Readings readings = story.read({.analysis = settling_for(seconds(settle))});
    // From the close on: the time in which late packets still belong to the connection lies within.
    for (Conversation* talk : {&refused, &closed}) {
      const DurationNs waited = readings.of(*talk).judged_ns - readings.of(*talk).summary.end_ns;
      EXPECT_GT(waited, seconds(settle - 0.1));
      EXPECT_LT(waited, seconds(settle + 0.2));  // the tracker's ticks
    }
  }
}

TEST(Analysis, DoesNotJudgeBeforeLatePacketsHaveHadTheirTime) {
  Story story;
  Conversation& refused = story.refuse(client(1), 2.0);
  for (int i = 0; i < 100; ++i) story.serve(client(2), 3.0 + i, 0.1);
  const Readings readings = story.read({.analysis = settling_for(seconds(1.0))});
  const DurationNs waited = readings.of(refused).judged_ns - readings.of(refused).summary.end_ns;
  EXPECT_GE(waited, tcp::Timeouts{}.linger_ns);
  EXPECT_LT(waited, tcp::Timeouts{}.linger_ns + seconds(2.0));
}

TEST(Analysis, CountsTheSettleTimeOfSilenceFromWhenItHasLastedLongEnough) {
  Story story;
  Conversation& unanswered = story.connect(client(1), 2.0);
  unanswered.client(kSyn);
  for (int i = 0; i < 100; ++i) story.serve(client(2), 3.0 + i, 0.1);
  const Readings readings = story.read({.analysis = settling_for(seconds(10.0))});
  const DurationNs waited = readings.of(unanswered).judged_ns - readings.of(unanswered).summary.end_ns;
  EXPECT_GE(waited, tcp::Timeouts{}.embryonic_ns + seconds(10.0));
  EXPECT_LT(waited, tcp::Timeouts{}.embryonic_ns + seconds(12.0));
}

TEST(Analysis, JudgesTheOldestEarlyAndCountsItWhenTooManyWait) {
  Story story;
  std::vector<Conversation*> refused;
  for (int i = 0; i < 6; ++i) refused.push_back(&story.refuse(client(1 + i), 2.0 + 0.1 * i));
  story.serve(client(20), 30.0, 1.0);
  const Readings readings = story.read({.analysis = few_may_wait(2)});
  EXPECT_EQ(readings.counters.judged, 6U);
  EXPECT_EQ(readings.counters.judged_early, 4U);
  const auto waited = [&](Conversation* talk) {
    return readings.of(*talk).judged_ns - readings.of(*talk).summary.end_ns;
  };
  EXPECT_LT(waited(refused.front()), seconds(8.0));
  EXPECT_GE(waited(refused.back()), seconds(10.0));
}

/// A flood of SYNs must not take the hindsight from those whom a server had accepted.
TEST(Analysis, JudgesWhatNoServerAcceptedEarlyFirst) {
  Story story;
  Conversation& refused = story.refuse(client(1), 2.0);
  std::vector<Conversation*> flood;
  for (int i = 0; i < 30; ++i) {
    Conversation& talk = *flood.emplace_back(&story.connect(client(10 + i), 2.1 + 0.01 * i));
    if (i % 3 == 2) {  // a stray that meets a RST
      talk.client(kAck);
    } else {
      talk.client(kSyn);
    }
    if (i % 3 == 1) {
      talk.server(kSyn | kAck);
      talk.client(kRst);
    } else if (i % 2 == 0) {
      talk.server(kRst);
    }
  }
  story.serve(client(9), 60.0, 1.0);
  const Readings readings = story.read({.analysis = few_may_wait(3)});
  EXPECT_GE(readings.counters.judged_early, 25U);
  EXPECT_GE(readings.of(refused).judged_ns - readings.of(refused).summary.end_ns, seconds(10.0));
}

TEST(Analysis, JudgesWhatWaitsWhenTheSourceEnds) {
  Story story;
  Conversation& refused = story.refuse(client(1), 2.0);
  EXPECT_EQ(story.read({.analysis = settling_for(3600 * kSecondNs)}).of(refused).summary.originator.address, client(1));
}

/// Closed connections have waited longer by then than those that the end of the source ends.
TEST(Analysis, JudgesWhatWaitsAtTheEndInOrder) {
  Story story;
  std::vector<Conversation*> talks;
  for (int i = 0; i < 3; ++i) {
    talks.push_back(&story.connect(client(1), 1.0 + i));
    talks.back()->client(kSyn);
    talks.push_back(&story.refuse(client(1), 1.5 + i));
  }
  const Readings readings = story.read();
  ASSERT_EQ(readings.all.size(), talks.size());
  for (std::size_t i = 0; i < talks.size(); ++i) {
    EXPECT_EQ(readings.all[i].summary.originator, talks[i]->client_end().endpoint);
  }
  EXPECT_TRUE(std::ranges::is_sorted(readings.all, {}, &DiagnosedConnection::judged_ns));
}

TEST(Analysis, KeepsThePacketsOfWhatItWeighed) {
  Story story;
  Conversation& refused = story.refuse(client(1), 2.0);
  const DiagnosedConnection reading = story.read().of(refused);
  ASSERT_TRUE(reading.evidence);
  EXPECT_EQ(reading.evidence->rung_count, refused.segments().size());
}

TEST(Analysis, HypothesesSumToOneAndStandInOrder) {
  for (const DiagnosedConnection& reading : varied_story().read().all) {
    const std::vector<Hypothesis>& all = reading.diagnosis.hypotheses;
    if (all.empty()) continue;
    const double sum = std::accumulate(all.begin(), all.end(), 0.0,
                                       [](double so_far, const Hypothesis& one) { return so_far + one.probability; });
    EXPECT_NEAR(sum, 1.0, 1e-9);
    EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const Hypothesis& a, const Hypothesis& b) {
      return a.probability > b.probability;
    })) << test::in_full(reading.diagnosis);
    const Hypothesis* named = hypothesis_of(reading, reading.diagnosis.cause);
    EXPECT_TRUE(named != nullptr && named->probability == reading.diagnosis.confidence);
  }
}

/// A connection on which the server hung up, with frames.
tcp::EventBatch hung_up_with_frames(std::uint64_t id, std::size_t octets) {
  tcp::EventBatch batch;
  tcp::ConnectionEvent& event = batch.events.emplace_back();
  event.kind = tcp::EventKind::ended;
  event.number = event.summary.id = id;
  event.time_ns = event.summary.start_ns = event.summary.end_ns = kStart + static_cast<TimeNs>(id);
  event.summary.originator = {client(static_cast<int>(id)), 40000};
  event.summary.stage = tcp::Stage::accepted;
  event.summary.conn_state = tcp::ConnState::SF;
  event.evidence = 0;
  tcp::Evidence& evidence = batch.evidence.emplace_back();
  evidence.handshake_ns = event.time_ns;
  evidence.of(tcp::Side::responder).fin_ns = event.time_ns;
  batch.frame_octets.assign(octets, static_cast<std::uint8_t>(id));
  batch.frames_end.push_back(octets);
  return batch;
}

TEST(Analysis, HandsFramesOnWithTheirReading) {
  Analysis analysis({}, nullptr);
  std::vector<DiagnosedConnection> readings;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    tcp::EventBatch batch = hung_up_with_frames(id, 100 * id);
    analysis.collect(batch);
    // After the watermark: the frames have to wait with their event.
    analysis.advance(kStart + static_cast<TimeNs>(id) - 1, readings);
  }
  analysis.finish(readings);
  ASSERT_EQ(readings.size(), 3U);
  for (const DiagnosedConnection& reading : readings) {
    const std::uint64_t id = reading.summary.id;
    ASSERT_NE(reading.frames, nullptr) << id;
    EXPECT_EQ(reading.frames->packed, std::vector<std::uint8_t>(100 * id, static_cast<std::uint8_t>(id)));
  }
  EXPECT_EQ(analysis.counters().frame_octets, 600U);
  EXPECT_EQ(analysis.counters().frames_dropped, 0U);
  readings.clear();
  EXPECT_EQ(analysis.counters().frame_octets, 0U) << "memory of readings that nobody has any more";
}

TEST(Analysis, HoldsNoMoreFramesThanItsMemoryAllows) {
  AnalysisOptions options;
  options.frame_memory = 1000;
  Analysis analysis(options, nullptr);
  std::vector<DiagnosedConnection> readings;
  for (std::uint64_t id = 1; id <= 10; ++id) {
    tcp::EventBatch batch = hung_up_with_frames(id, 300);
    analysis.collect(batch);
    EXPECT_LE(analysis.counters().frame_octets, options.frame_memory);
    analysis.advance(kStart + static_cast<TimeNs>(id) + 1, readings);
    EXPECT_LE(analysis.counters().frame_octets, options.frame_memory);
  }
  analysis.finish(readings);
  ASSERT_EQ(readings.size(), 10U) << "the connections themselves are all judged";
  const auto with_frames = std::count_if(readings.begin(), readings.end(), [](const auto& one) { return one.frames; });
  EXPECT_EQ(with_frames, 3);
  EXPECT_EQ(analysis.counters().frames_dropped, 7U);
}

}  // namespace
}  // namespace doorslam::diagnose
