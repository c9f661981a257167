#include "pipeline/port/ethdev/device_check.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace doorslam::ethdev {
namespace {

PortFacts good_card() {
  PortFacts facts;
  facts.most_queues = 64;
  facts.least_descriptors = 64;
  facts.most_descriptors = 4096;
  facts.descriptors_multiple_of = 32;
  facts.hash_functions = tcp_hash_functions();
  facts.most_frame_octets = 9728;
  facts.stamps_time = true;
  return facts;
}

constexpr DeviceWishes kWishes{.workers = 4, .descriptors = 1024, .frame_octets = 9018};

/// What is wanting, one advice a line.
std::string wanting(const PortFacts& facts, const DeviceWishes& wishes = kWishes) {
  std::string advice;
  for (const DeviceRemark& remark : remarks_on(facts, wishes)) {
    EXPECT_EQ(remark.wanting, !remark.advice.empty()) << remark.text;
    if (remark.wanting) advice += remark.advice + "\n";
  }
  return advice;
}

TEST(DeviceCheck, AGoodCardWantsNothing) { EXPECT_EQ(wanting(good_card()), ""); }

TEST(DeviceCheck, TellsWhenPacketsMustBeSteered) {
  PortFacts few = good_card();
  few.most_queues = 2;
  EXPECT_EQ(wanting(few), "--set workers=2, or a card with more queues\n");
  EXPECT_EQ(wanting(few, {.workers = 1}), "") << "one worker needs no spreading";
  PortFacts no_ipv6 = good_card();
  no_ipv6.hash_functions &= ~(tcp_hash_functions() & (tcp_hash_functions() - 1));
  EXPECT_EQ(wanting(no_ipv6), "--set workers=1, or a card with RSS\n") << "both IP versions must be spread";
}

TEST(DeviceCheck, TellsTheDescriptorsThatFit) {
  EXPECT_EQ(wanting(good_card(), {.descriptors = 8192}), "--set run.descriptors=4096\n");
  EXPECT_EQ(wanting(good_card(), {.descriptors = 1000}), "--set run.descriptors=1024\n") << "a multiple of 32";
}

TEST(DeviceCheck, TellsFramesThatAreTooLong) {
  PortFacts small = good_card();
  small.most_frame_octets = 1518;
  EXPECT_EQ(wanting(small), "--set run.frame_octets=1518 where the link has no longer ones\n");
}

TEST(DeviceCounters, LossesNeverBecomeFewer) {
  DeviceCounters before;
  before.received = 100;
  before.missed = 7;
  before.errors = 2;
  before.no_buffer = 1;
  const DeviceCounters forgotten = with_losses_kept({}, before);
  EXPECT_EQ(forgotten.received, 0U);
  EXPECT_EQ(forgotten.missed + forgotten.errors + forgotten.no_buffer, 10U);
  DeviceCounters more = before;
  more.missed = 9;
  EXPECT_EQ(with_losses_kept(more, before).missed, 9U);
}

}  // namespace
}  // namespace doorslam::ethdev
