#include "pipeline/port/event_rings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <thread>

namespace doorslam::port {
namespace {

using tcp::ConnectionEvent;
using tcp::EventBatch;
using tcp::EventKind;

ConnectionEvent accepted(std::uint64_t id) {
  ConnectionEvent event;
  event.kind = EventKind::established;
  event.summary.id = id;
  event.time_ns = event.summary.start_ns = static_cast<flowtable::TimeNs>(id);
  event.summary.stage = tcp::Stage::accepted;
  return event;
}

ConnectionEvent served(std::uint64_t id) {
  ConnectionEvent event = accepted(id);
  event.kind = EventKind::ended;
  event.summary.plainly_served = true;
  return event;
}

/// With evidence whose handshake was at `handshake_ns`.
ConnectionEvent refused(std::uint64_t id, EventBatch& batch, flowtable::TimeNs handshake_ns) {
  ConnectionEvent event = accepted(id);
  event.kind = EventKind::ended;
  event.evidence = static_cast<std::int32_t>(batch.evidence.size());
  batch.evidence.emplace_back().handshake_ns = handshake_ns;
  return event;
}

EventBatch drained(EventRings& rings) {
  EventBatch all;
  while (drain(rings, 64, all) > 0) {
  }
  return all;
}

TEST(EventRings, EventsKeepTheirEvidence) {
  EventRings rings({.refusals = 16, .evidence = 16, .served = 16});
  EventOutlet outlet(rings, false);
  EventBatch batch;
  batch.events.push_back(accepted(1));
  batch.events.push_back(refused(2, batch, 20));
  batch.events.push_back(served(3));
  batch.events.push_back(refused(4, batch, 40));
  outlet.hand_over(batch);
  EXPECT_TRUE(batch.events.empty());
  const EventBatch all = drained(rings);
  ASSERT_EQ(all.events.size(), 4U);
  for (const ConnectionEvent& event : all.events) {
    if (event.evidence < 0) continue;
    EXPECT_EQ(all.evidence[static_cast<std::size_t>(event.evidence)].handshake_ns,
              static_cast<flowtable::TimeNs>(event.summary.id * 10));
  }
  EXPECT_EQ(outlet.counters().refusals, 2U);
  EXPECT_EQ(outlet.counters().served, 2U);
}

/// As long as `octets`, and told apart by their length.
void add_frames(EventBatch& batch, std::size_t octets) {
  batch.frame_octets.insert(batch.frame_octets.end(), octets, static_cast<std::uint8_t>(octets));
  batch.frames_end.push_back(batch.frame_octets.size());
}

TEST(EventRings, EventsKeepTheirFrames) {
  EventRings rings({.refusals = 16, .evidence = 16, .served = 16, .frames = 64});
  EventOutlet outlet(rings, false);
  const std::vector<std::size_t> lengths = {0, 1, 251, 252, 253, 508, 509, 5000};
  EventBatch all;
  for (int round = 0; round < 5; ++round) {
    EventBatch batch;
    for (const std::size_t length : lengths) {
      batch.events.push_back(refused(length + 1, batch, 1));
      add_frames(batch, length);
    }
    outlet.hand_over(batch);
    all.clear();
    while (drain(rings, 64, all) > 0) {
    }
    ASSERT_EQ(all.events.size(), lengths.size());
    for (const ConnectionEvent& event : all.events) {
      const std::vector<std::uint8_t> expected(event.summary.id - 1, static_cast<std::uint8_t>(event.summary.id - 1));
      const packet::ByteView frames = all.frames_of(static_cast<std::size_t>(event.evidence));
      EXPECT_TRUE(std::equal(frames.begin(), frames.end(), expected.begin(), expected.end())) << expected.size();
    }
  }
  EXPECT_EQ(outlet.counters().frames_lost, 0U);
}

TEST(EventRings, FramesWithoutRoomAreLostAndCountedAndTheirEventsAreNot) {
  EventRings rings({.refusals = 16, .evidence = 16, .served = 16, .frames = 4});
  EventOutlet outlet(rings, false);
  EventBatch batch;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    batch.events.push_back(refused(id, batch, 1));
    add_frames(batch, 500);
  }
  outlet.hand_over(batch);
  EXPECT_EQ(outlet.counters().frames_lost, 1U);
  EXPECT_EQ(outlet.counters().evidence_lost, 0U);
  const EventBatch all = drained(rings);
  ASSERT_EQ(all.events.size(), 3U);
  EXPECT_EQ(all.frames_of(1).size(), 500U);
  EXPECT_TRUE(all.frames_of(2).empty());
}

TEST(EventRings, AFloodOfServedConnectionsPushesOutNoRefusal) {
  // Room for the refusals and for as many acceptances that have to be announced late.
  EventRings rings({.refusals = 128, .evidence = 64, .served = 64});
  EventOutlet outlet(rings, false);
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    EventBatch batch;
    batch.events.push_back(served(2 * id));
    if (id % 20 == 0) batch.events.push_back(refused(2 * id + 1, batch, 1));
    outlet.hand_over(batch);
  }
  const EventCounters& counters = outlet.counters();
  EXPECT_EQ(counters.lost, 0U);
  EXPECT_EQ(counters.evidence_lost, 0U);
  EXPECT_EQ(counters.served + counters.sampled_out + counters.served_lost, 1000U) << "an event went uncounted";
  EXPECT_GT(counters.sampled_out, 0U);
  const EventBatch all = drained(rings);
  EXPECT_EQ(all.events.size(), counters.refusals + counters.served);
  EXPECT_EQ(all.evidence.size(), 50U) << "a refusal is missing";
}

/// A table that is too small lets go of a connection for each that begins.
TEST(EventRings, WhatAFullTableLetsGoOfPushesOutNoRefusal) {
  EventRings rings({.refusals = 128, .evidence = 64, .served = 64});
  EventOutlet outlet(rings, false);
  for (std::uint64_t id = 1; id <= 1000; ++id) {
    EventBatch batch;
    ConnectionEvent let_go = accepted(2 * id);
    let_go.kind = EventKind::ended;
    let_go.summary.end_reason = tcp::EndReason::evicted;
    let_go.summary.history = {.letters = {'S', 'h', 'A', 'D'}, .length = 4};
    batch.events.push_back(let_go);
    if (id % 20 == 0) {
      batch.events.push_back(let_go);
      batch.events.back().summary.id = 2 * id + 1;
      batch.events.back().summary.history = {.letters = {'S', 'h', 'A', 'f'},
                                             .length = 4};  // hung up on, then let go of
    }
    outlet.hand_over(batch);
  }
  const EventCounters& counters = outlet.counters();
  EXPECT_EQ(counters.lost, 0U);
  EXPECT_EQ(counters.served + counters.sampled_out + counters.served_lost, 1000U) << "an event went uncounted";
  const EventBatch all = drained(rings);
  const auto hung_up_on = std::ranges::count_if(all.events, [](const ConnectionEvent& event) {
    return event.kind == EventKind::ended && event.summary.history.letters[3] == 'f';
  });
  EXPECT_EQ(hung_up_on, 50) << "a refusal is missing";
}

TEST(EventRings, WhatFindsNoRoomIsCounted) {
  EventRings rings({.refusals = 8, .evidence = 4, .served = 8});
  EventOutlet outlet(rings, false);
  EventBatch batch;
  for (std::uint64_t id = 1; id <= 20; ++id) batch.events.push_back(refused(id, batch, 1));
  outlet.hand_over(batch);
  EXPECT_EQ(outlet.counters().refusals, 8U);
  EXPECT_EQ(outlet.counters().evidence_lost, 4U);
  EXPECT_EQ(outlet.counters().lost, 12U);
  const EventBatch all = drained(rings);
  ASSERT_EQ(all.events.size(), 8U);
  EXPECT_TRUE(all.events.back().summary.evidence_missing) << "a connection without its evidence must say so";
}

TEST(EventRings, AWaitingWorkerLosesNothing) {
  EventRings rings({.refusals = 8, .evidence = 8, .served = 8});
  std::thread worker([&rings] {
    EventOutlet outlet(rings, true);
    for (std::uint64_t id = 1; id <= 400; ++id) {
      EventBatch batch;
      batch.events.push_back(accepted(2 * id));
      batch.events.push_back(refused(2 * id, batch, static_cast<flowtable::TimeNs>(id)));
      outlet.hand_over(batch);
    }
  });
  EventBatch all;
  while (all.events.size() < 800) drain(rings, 4, all);
  worker.join();
  EXPECT_EQ(all.evidence.size(), 400U);
}

TEST(EventRings, AConnectionThatWasLeftOutIsAnnouncedWhenItComesToMatter) {
  EventRings rings({.refusals = 1024, .evidence = 1024, .served = 16});
  EventOutlet outlet(rings, false);
  // Full enough for sampling to begin, with connections that start after the change.
  for (std::uint64_t id = 1; id <= 200; ++id) {
    EventBatch batch;
    batch.events.push_back(accepted(id));
    outlet.hand_over(batch);
  }
  drained(rings);
  ASSERT_GT(outlet.counters().sampled_out, 0U);
  EventBatch batch;
  for (std::uint64_t id = 300; id < 332; ++id) batch.events.push_back(refused(id, batch, 777));
  outlet.hand_over(batch);
  const EventBatch all = drained(rings);
  std::set<std::uint64_t> announced;
  std::size_t ended = 0;
  for (const ConnectionEvent& event : all.events) {
    if (event.kind == EventKind::established) {
      EXPECT_EQ(event.time_ns, 777);
      announced.insert(event.summary.id);
    } else {
      ++ended;
    }
  }
  EXPECT_EQ(ended, 32U);
  EXPECT_FALSE(announced.empty());
}

// Each polling thread numbers what begins with its packets; one that gets ten times as many is far ahead.
TEST(EventRings, ConnectionsOfEveryPollingThreadAreSampled) {
  constexpr std::uint64_t kOfEach = 4096;
  constexpr std::uint64_t kFarAhead = 1'000'000;
  EventRings rings({.refusals = 16, .evidence = 16, .served = 4096});
  EventOutlet outlet(rings, false);
  std::array<std::set<std::uint64_t>, 2> kept;  // by thread: accepted
  std::array<std::set<std::uint64_t>, 2> ended;
  const auto hand_over = [&](auto make, std::uint64_t number, flowtable::TimeNs now) {
    EventBatch batch;
    for (const std::uint64_t id : {number, kFarAhead + number}) {
      ConnectionEvent event = make(id);
      event.summary.start_ns = static_cast<flowtable::TimeNs>(number);
      event.time_ns = now;
      batch.events.push_back(event);
    }
    outlet.hand_over(batch);
  };
  const auto take = [&](std::array<std::set<std::uint64_t>, 2>& seen) {
    for (const ConnectionEvent& event : drained(rings).events)
      seen[event.summary.id > kFarAhead].insert(event.summary.id);
  };
  // Nobody takes anything until the ring is half full and a level is set; then somebody keeps up just so.
  std::uint64_t number = 1;
  while (outlet.counters().sampled_out == 0 && number < kOfEach) {
    hand_over(accepted, number, static_cast<flowtable::TimeNs>(number));
    ++number;
  }
  ASSERT_GT(outlet.counters().sampled_out, 0U)
      << "the ring is full, and all of it is of connections that none leaves out";
  take(kept);
  kept = {};
  const std::uint64_t first = number;
  for (; number < first + 100; ++number) hand_over(accepted, number, static_cast<flowtable::TimeNs>(number));
  take(kept);
  for (const auto& of_thread : kept) {
    EXPECT_GT(of_thread.size(), 20U);
    EXPECT_LT(of_thread.size(), 80U);
  }
  for (std::uint64_t i = first; i < first + 100; ++i) hand_over(served, i, static_cast<flowtable::TimeNs>(number));
  take(ended);
  EXPECT_EQ(ended, kept) << "an acceptance and its end do not share one fate";
}

TEST(Sampling, AcceptanceAndEndShareOneFateAcrossChanges) {
  Sampling sampling;
  std::vector<unsigned> at_acceptance;
  for (std::uint64_t id = 0; id < 1000; ++id) {
    const auto start_ns = static_cast<flowtable::TimeNs>(id);
    if (id == 300) sampling.set_level(1, start_ns);
    if (id == 600) sampling.set_level(3, start_ns);
    if (id == 900) sampling.set_level(0, start_ns);
    at_acceptance.push_back(sampling.weight_of(id, start_ns));
  }
  for (std::uint64_t id = 0; id < 1000; ++id) {
    EXPECT_EQ(sampling.weight_of(id, static_cast<flowtable::TimeNs>(id)), at_acceptance[id]) << id;
  }
}

TEST(Sampling, TheSampleStandsForAll) {
  Sampling sampling;
  sampling.set_level(3, 0);
  unsigned represented = 0;
  for (std::uint64_t id = 0; id < 80'000; ++id) represented += sampling.weight_of(id, 1);
  EXPECT_NEAR(represented, 80'000, 4'000);
}

TEST(Sampling, OldChangesAreForgottenAndTheirConnectionsKept) {
  Sampling sampling;
  sampling.set_level(6, 10);
  for (flowtable::TimeNs i = 1; i <= 100; ++i) sampling.set_level(i % 2 == 0 ? 6 : 0, i * 1000);
  EXPECT_EQ(sampling.weight_of(20, 20), 1U);
}

}  // namespace
}  // namespace doorslam::port
