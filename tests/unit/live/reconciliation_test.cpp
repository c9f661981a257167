#include "pipeline/port/reconciliation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace doorslam::port {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// A receiver and a worker, every packet of whose is accounted for.
LiveCounters balanced() {
  LiveCounters counters;
  PortSnapshot& port = counters.ports.emplace_back();
  port.name = "tap0";
  port.received = port.polled = 100;
  port.missed = 7;
  LaneSnapshot& receiver = counters.lanes.emplace_back();
  receiver.counters.polled = 100;
  receiver.counters.decode.packets[packet::index_of(packet::DecodeOutcome::tcp)] = 80;
  receiver.counters.decode.packets[packet::index_of(packet::DecodeOutcome::icmp_error)] = 3;
  receiver.counters.decode.packets[packet::index_of(packet::DecodeOutcome::udp)] = 15;
  receiver.counters.held = 2;
  receiver.counters.steering_lost = 1;
  LaneSnapshot& worker = counters.lanes.emplace_back();
  worker.counters.taken_segments = 79;
  worker.counters.taken_errors = 3;
  worker.counters.tracker.connections = 9;
  worker.counters.tracker.ended[static_cast<std::size_t>(tcp::EndReason::closed)] = 5;
  worker.counters.open_connections = 4;
  worker.counters.events.refusals = 2;
  worker.counters.events.served = 10;
  counters.analysis.events = 11;
  counters.analysis.waiting_events = 1;
  return counters;
}

bool exact(const LiveCounters& counters) {
  const auto balances = reconcile(counters);
  return std::all_of(balances.begin(), balances.end(), [](const Balance& balance) { return balance.holds(); });
}

TEST(Reconciliation, HoldsWhereEveryPacketIsAccountedFor) {
  EXPECT_TRUE(exact(balanced()));
  EXPECT_THAT(status_line(balanced()), HasSubstr("every packet is accounted for"));
  EXPECT_THAT(status_line(balanced()), HasSubstr("lost 7 at the ports"));
  EXPECT_THAT(reconciliation_text(reconcile(balanced())), Not(HasSubstr("off by")));
}

TEST(Reconciliation, WhatTheFilterLeavesOutHasAName) {
  LiveCounters counters = balanced();
  counters.ports[0].received += 9;
  counters.ports[0].polled += 9;
  counters.lanes[0].counters.polled += 9;
  EXPECT_FALSE(exact(counters)) << "nine have vanished";
  counters.lanes[0].counters.filtered_out = 9;
  EXPECT_TRUE(exact(counters));
  EXPECT_THAT(reconciliation_text(reconcile(counters)), HasSubstr("9 left out by the filter"));
  EXPECT_THAT(status_line(counters), HasSubstr("; 9 left out by the filter;"));
}

TEST(Reconciliation, WhatIsLeftInTheQueuesHasAName) {
  LiveCounters counters = balanced();
  counters.ports[0].received += 5;
  counters.ports[0].left = 3;
  EXPECT_FALSE(exact(counters)) << "two have vanished";
  counters.ports[0].left_uncounted = 2;
  EXPECT_TRUE(exact(counters));
  EXPECT_THAT(reconciliation_text(reconcile(counters)),
              HasSubstr("3 left in the queue at the end + 2 came after these, by the port's own count"));
  EXPECT_THAT(status_line(counters), HasSubstr("; 5 left in the queues at the end;"));
}

TEST(Reconciliation, OneLostPacketAtAnyStageShows) {
  const auto breaks = [](auto change) {
    LiveCounters counters = balanced();
    change(counters);
    return !exact(counters);
  };
  EXPECT_TRUE(breaks([](LiveCounters& c) { --c.ports[0].polled; }));
  EXPECT_TRUE(breaks([](LiveCounters& c) { ++c.ports[0].received; }));
  EXPECT_TRUE(breaks([](LiveCounters& c) { --c.lanes[0].counters.held; }));
  EXPECT_TRUE(breaks([](LiveCounters& c) { --c.lanes[0].counters.decode.packets[0]; }));
  EXPECT_TRUE(breaks([](LiveCounters& c) { --c.lanes[0].counters.steering_lost; }));
  EXPECT_TRUE(breaks([](LiveCounters& c) { --c.lanes[1].counters.taken_segments; }));
  EXPECT_TRUE(breaks([](LiveCounters& c) { ++c.lanes[1].counters.open_connections; }));
  EXPECT_TRUE(breaks([](LiveCounters& c) { --c.analysis.events; }));
}

TEST(Reconciliation, DoesNotClaimAllWhereAPortCannotTellItsLosses) {
  LiveCounters counters = balanced();
  counters.ports[0].tells_losses = false;
  EXPECT_THAT(status_line(counters), Not(HasSubstr("every packet is accounted for")));
  EXPECT_THAT(status_line(counters), HasSubstr("cannot be told"));
}

TEST(Reconciliation, SaysByHowMuchItIsOff) {
  LiveCounters counters = balanced();
  counters.lanes[1].counters.taken_segments -= 5;
  EXPECT_THAT(reconciliation_text(reconcile(counters)), HasSubstr("off by 5"));
  counters.at_rest = true;
  EXPECT_THAT(status_line(counters), HasSubstr("do not add up"));
}

TEST(Reconciliation, ABurstOnItsWayIsNotMissing) {
  LiveCounters counters = balanced();
  counters.ports[0].received += 64;
  EXPECT_THAT(status_line(counters), HasSubstr("64 packets or events were on their way"));
  EXPECT_THAT(status_line(counters), Not(HasSubstr("do not add up")));
}

}  // namespace
}  // namespace doorslam::port
