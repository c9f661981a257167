#include <gtest/gtest.h>

#include <array>

#include "pipeline/tcp/patience.h"
#include "tests/support/segment_scenario.h"

/// When connections begin and end: timeouts, lingering, reuse of tuples, eviction, the end of the capture.
namespace doorslam::tcp {
namespace {

using namespace test;

constexpr flowtable::DurationNs kTick = flowtable::Deadlines::kTickNs;

/// Lets time pass after a conversation; gives the event of its end.
ConnectionEvent end_of(const Conversation& talk, flowtable::DurationNs wait) {
  Tracker tracker(small_options());
  EventBatch batch;
  for (const Segment& segment : talk.segments()) tracker.process({&segment, 1}, batch);
  for (flowtable::DurationNs passed = 0; passed <= wait; passed += 50 * kMillisecondNs) {
    tracker.advance(talk.now() + passed, batch);
  }
  for (const auto& event : batch.events) {
    if (event.kind == EventKind::ended) return event;
  }
  return {};
}

void expect_ended_after(const Conversation& talk, flowtable::DurationNs patience, EndReason reason) {
  const ConnectionEvent end = end_of(talk, patience + kSecondNs);
  ASSERT_EQ(end.kind, EventKind::ended);
  EXPECT_GE(end.time_ns, talk.now() + patience);
  EXPECT_LT(end.time_ns, talk.now() + patience + 2 * kTick);
  EXPECT_EQ(end.time_ns % kTick, 0);
  EXPECT_EQ(end.number, end.summary.id);
  EXPECT_EQ(end.summary.end_reason, reason);
  EXPECT_EQ(end.summary.end_ns, talk.now());
}

TEST(Lifetime, EachStateHasItsPatience) {
  const Timeouts timeouts;
  Conversation syn;
  syn.client(kSyn);
  expect_ended_after(syn, timeouts.embryonic_ns, EndReason::expired);
  Conversation half_open;
  half_open.client(kSyn);
  half_open.server(kSyn | kAck);
  expect_ended_after(half_open, timeouts.half_open_ns, EndReason::expired);
  Conversation open;
  open.handshake();
  expect_ended_after(open, timeouts.established_ns, EndReason::expired);
  Conversation closed;
  closed.handshake();
  closed.client(kFin | kAck);
  closed.server(kFin | kAck);
  expect_ended_after(closed, timeouts.linger_ns, EndReason::closed);
  Conversation reset;
  reset.handshake();
  reset.server(kRst);
  expect_ended_after(reset, timeouts.linger_ns, EndReason::closed);
}

/// As a worker has it that is idle, or whose packets were none of TCP.
TEST(Lifetime, NothingHappensInABurstOfNoSegments) {
  Conversation talk;
  talk.handshake();
  Tracker tracker(small_options());
  EventBatch batch;
  for (const Segment& segment : talk.segments()) {
    tracker.process(std::span<const Segment>(), batch);
    tracker.process({&segment, 1}, batch);
  }
  batch.clear();
  tracker.process(std::span<const Segment>(), batch);
  EXPECT_TRUE(batch.events.empty());
  EXPECT_EQ(tracker.open_connections(), 1u);
  tracker.advance(talk.now() + Timeouts{}.established_ns + 2 * kTick, batch);
  EXPECT_EQ(tracker.open_connections(), 0u);
}

TEST(Lifetime, TheTickOfACloseIsToldFromHalfOfItsNumber) {
  // Of a close shortly before its number's lower half wraps, and seen from either side of it.
  constexpr TimeNs kWrap = TimeNs{1} << (32 + flowtable::Deadlines::kTickShift);
  for (const TimeNs tick : {kStart / kTick * kTick, 13 * kWrap - kTick, 13 * kWrap, 13 * kWrap + kTick, -kTick}) {
    for (const flowtable::DurationNs apart : {-3600 * kSecondNs, TimeNs{-1}, TimeNs{0}, 3600 * kSecondNs}) {
      EXPECT_EQ(time_of_tick(tick_number(tick), tick + apart), tick) << tick << ' ' << apart;
    }
  }
}

TEST(Lifetime, RoomForIrregularitiesIsHeldByThoseThatHaveSome) {
  Tracker tracker(small_options());
  EventBatch batch;
  const auto follow = [&](const Conversation& talk) {
    for (const Segment& segment : talk.segments()) tracker.process({&segment, 1}, batch);
  };
  Conversation smooth;
  smooth.handshake();
  for (int i = 0; i < 10; ++i) smooth.exchange();
  smooth.close();
  follow(smooth);
  EXPECT_EQ(tracker.open_connections(), 1U);
  EXPECT_EQ(tracker.irregular_connections(), 0U);

  Conversation repeats({address4(3), 40000});
  repeats.handshake();
  repeats.client(kAck, "request");
  repeats.client(kAck, "again").seq -= 7;
  follow(repeats);
  EXPECT_EQ(tracker.irregular_connections(), 1U);
  tracker.finish(repeats.now(), batch);
  EXPECT_EQ(tracker.irregular_connections(), 0U);
}

TEST(Lifetime, PatienceMayShrink) {
  Conversation talk;
  // Stray ACKs in mid-stream: waited for as long as for an established connection.
  for (int i = 0; i < 3; ++i) talk.after(9 * kSecondNs).client(kAck);
  talk.server(kSyn | kAck);
  expect_ended_after(talk, Timeouts{}.half_open_ns, EndReason::expired);
}

TEST(Lifetime, PacketsPutTheEndOff) {
  Conversation talk;
  talk.handshake();
  for (int i = 0; i < 5; ++i) talk.after(200 * kSecondNs).client(kAck, "alive");
  EXPECT_EQ(track(talk.segments()).ended().size(), 1U);
  expect_ended_after(talk, Timeouts{}.established_ns, EndReason::expired);
}

TEST(Lifetime, LatePacketsBelongToTheOldConnectionWhileItLingers) {
  Conversation talk;
  talk.handshake();
  talk.client(kFin | kAck);
  talk.server(kFin | kAck);
  talk.after(4 * kSecondNs).client(kAck);
  talk.client(kRst);
  auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 1U);
  EXPECT_EQ(ended[0].summary.history.view(), "ShAFfR");
  talk.after(4 * kSecondNs).client(kRst);  // the linger time counts from the close, not from the latest packet
  ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[1].summary.history.view(), "R");
}

TEST(Lifetime, WhoComesAfterTheDeadlineIsANewConnectionEvenIfNobodyLooked) {
  Conversation talk;
  talk.client(kSyn);
  talk.after(20 * kSecondNs).client(kSyn);
  Tracker tracker(small_options());
  EventBatch batch;
  tracker.process(talk.segments(), batch);  // one burst, no advance() between
  tracker.finish(talk.now(), batch);
  std::vector<ConnectionEvent> ended;
  for (const auto& event : batch.events) {
    if (event.kind == EventKind::ended) ended.push_back(event);
  }
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[0].time_ns, round_up_to_tick(kStart + kMillisecondNs + Timeouts{}.embryonic_ns));
  EXPECT_EQ(ended[0].summary.end_reason, EndReason::expired);
}

TEST(Lifetime, NewSynAfterTheCloseBeginsAnew) {
  Conversation talk;
  talk.handshake();
  talk.close();
  talk.client(kSyn).seq = 77777;
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[0].summary.end_reason, EndReason::reused);
  EXPECT_EQ(ended[0].time_ns, talk.now());
  EXPECT_EQ(ended[0].number, talk.segments().size());
  EXPECT_EQ(ended[1].summary.history.view(), "S");
  EXPECT_EQ(ended[1].summary.id, talk.segments().size());
}

TEST(Lifetime, EveryRefusedSynIsAConnectionOfItsOwn) {
  Conversation talk;
  for (int i = 0; i < 3; ++i) {
    talk.after(500 * kMillisecondNs).client(kSyn).seq = 1000;
    talk.client_end().next = 1001;
    talk.server(kRst | kAck);
  }
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 3U);
  for (const auto& end : ended) EXPECT_EQ(end.summary.history.view(), "Sr");
}

TEST(Lifetime, SynWithAnotherNumberTakesTheTuple) {
  Conversation talk;
  talk.handshake();
  talk.exchange();
  talk.client_end().next = 5'000'000;
  talk.handshake();
  const auto ended = track(talk.segments()).ended();
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[0].summary.end_reason, EndReason::reused);
  EXPECT_EQ(ended[1].summary.history.view(), "ShA");
}

TEST(Lifetime, RetransmittedSynTakesNothing) {
  Conversation talk;
  talk.handshake();
  talk.client(kSyn).seq = 1000;
  EXPECT_EQ(track(talk.segments()).ended().size(), 1U);
}

TEST(Lifetime, TheServerMayBeTheClientNextTime) {
  Conversation talk;
  talk.handshake();
  talk.close();
  Conversation back(talk.server_end().endpoint, talk.client_end().endpoint);
  back.set_now(talk.now());
  back.handshake();
  const std::array<Conversation, 2> both = {talk, back};
  const auto ended = track(merge(both)).ended();
  ASSERT_EQ(ended.size(), 2U);
  EXPECT_EQ(ended[1].summary.originator.port, 80);
  EXPECT_EQ(ended[1].summary.history.view(), "ShA");
}

TEST(Lifetime, VlansAreToldApartOnRequestOnly) {
  Conversation one;
  one.client(kSyn).vlan = 1;
  Conversation two;
  two.after(2 * kMillisecondNs).client(kSyn).vlan = 2;
  const std::array<Conversation, 2> both = {one, two};
  TrackerOptions options = small_options();
  EXPECT_EQ(track(merge(both), options).ended().size(), 1U);
  options.vlan_aware = true;
  EXPECT_EQ(track(merge(both), options).ended().size(), 2U);
}

TEST(Lifetime, AFullTableGivesUpHalfOpenConnectionsFirst) {
  TrackerOptions options = small_options();
  options.capacity_flows = 16;
  Tracker tracker(options);
  EventBatch batch;
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < 8; ++i) {
    all.emplace_back(flowtable::Endpoint{address4(5), static_cast<std::uint16_t>(30000 + i)}).handshake();
  }
  for (std::uint16_t i = 0; i < 100; ++i) {
    auto& flood = all.emplace_back(flowtable::Endpoint{address4(6), static_cast<std::uint16_t>(30000 + i)});
    flood.after((i + 10) * kMillisecondNs).client(kSyn);
  }
  const auto segments = merge(all);
  tracker.process(segments, batch);
  std::size_t evicted = 0;
  for (const auto& event : batch.events) {
    if (event.kind != EventKind::ended) continue;
    ++evicted;
    EXPECT_EQ(event.summary.end_reason, EndReason::evicted);
    EXPECT_EQ(event.summary.history.view(), "S");
  }
  EXPECT_EQ(evicted, 108U - tracker.open_connections());
  EXPECT_EQ(tracker.counters().ended[static_cast<std::size_t>(EndReason::evicted)], evicted);
}

TEST(Lifetime, FinishEndsEverythingInOrderAndInParts) {
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < 100; ++i) {
    all.emplace_back(flowtable::Endpoint{address4(5), static_cast<std::uint16_t>(30000 + i)}).handshake();
  }
  all.emplace_back(flowtable::Endpoint{address6(5), 1234}, flowtable::Endpoint{address6(6), 80}).handshake();
  const auto segments = merge(all);
  const TimeNs end = segments.back().time_ns + kSecondNs;
  Tracker tracker(small_options());
  EventBatch batch;
  tracker.process(segments, batch);
  batch.clear();
  std::uint64_t last_id = 0;
  std::size_t parts = 0;
  std::size_t ended = 0;
  bool more = true;
  while (more) {
    more = tracker.finish(end, 40, batch);
    ++parts;
    EXPECT_LE(batch.events.size(), 40U);
    for (const auto& event : batch.events) {
      EXPECT_EQ(event.time_ns, end);
      EXPECT_EQ(event.summary.end_reason, EndReason::capture_end);
      EXPECT_GT(event.number, last_id);
      last_id = event.number;
      ++ended;
    }
    batch.clear();
  }
  EXPECT_EQ(ended, 101U);
  EXPECT_EQ(parts, 3U);
  EXPECT_EQ(tracker.open_connections(), 0U);
}

// A sensor's bursts must not wait for all that is due at a tick, and the watermark must wait for it.
TEST(Lifetime, StepsBoundWhatACallEndsAndHoldTheWatermarkBack) {
  constexpr std::size_t kConnections = 100;
  constexpr std::size_t kStep = 8;
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < kConnections; ++i) {
    all.emplace_back(flowtable::Endpoint{address4(5), static_cast<std::uint16_t>(30000 + i)}).client(kSyn);
  }
  const auto segments = merge(all);
  TrackerOptions options = small_options();
  options.expiry_step = kStep;
  Tracker tracker(options);
  EventBatch batch;
  tracker.process(segments, batch);
  tracker.advance(segments.back().time_ns, batch);
  const TimeNs due = round_up_to_tick(segments.back().time_ns + options.timeouts.embryonic_ns);
  ASSERT_EQ(due, round_up_to_tick(segments.front().time_ns + options.timeouts.embryonic_ns));

  for (std::size_t ended = 0; ended < kConnections; ended = batch.events.size()) {
    tracker.advance(due, batch);
    ASSERT_GT(batch.events.size(), ended);
    ASSERT_LE(batch.events.size() - ended, kStep);
    EXPECT_LE(tracker.covered(due), due);
  }
  for (int i = 0; i < 4; ++i) tracker.advance(due + 1, batch);
  EXPECT_EQ(batch.events.size(), kConnections);
  EXPECT_EQ(tracker.covered(due + 1), due + 1);
}

TEST(Lifetime, StepsGrowWhenTheyFallBehind) {
  constexpr std::size_t kConnections = 600;
  std::vector<Conversation> all;
  for (std::uint16_t i = 0; i < kConnections; ++i) {
    all.emplace_back(flowtable::Endpoint{address4(5), static_cast<std::uint16_t>(30000 + i)}).client(kSyn);
  }
  TrackerOptions options = small_options();
  options.expiry_step = 1;
  Tracker tracker(options);
  EventBatch batch;
  tracker.process(merge(all), batch);
  const TimeNs much_later = kStart + 60 * kSecondNs;
  std::size_t calls = 0;
  for (; tracker.open_connections() != 0 && calls < kConnections; ++calls) {
    tracker.advance(much_later + static_cast<TimeNs>(calls) * kTick, batch);
  }
  EXPECT_EQ(tracker.open_connections(), 0U);
  EXPECT_LT(calls, kConnections / 10);
}

TEST(TrackerOptions, OfAllWorkersTogetherAreThoseOfOne) {
  TrackerOptions whole;
  whole.capacity_flows = 80'000;
  whole.capacity_flows6 = 40'000;
  whole.evidence_capacity = 800;
  const TrackerOptions share = whole.share_of(8);
  EXPECT_EQ(share.capacity_flows, 10'000U);
  EXPECT_EQ(share.capacity_flows6, 5'000U);
  EXPECT_EQ(share.evidence_capacity, 100U);
  EXPECT_EQ(share.server_ports, whole.server_ports);
  EXPECT_GT(whole.share_of(1'000'000).capacity_flows6, 0U) << "none goes without";
  EXPECT_GT(whole.share_of(1'000'000).evidence_capacity, 0U);
}

}  // namespace
}  // namespace doorslam::tcp
