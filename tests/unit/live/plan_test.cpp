#include "pipeline/port/ethdev/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

namespace doorslam::ethdev {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PortTraits port(std::uint16_t number, unsigned group, std::uint16_t queues, bool spreads) {
  return {.port = number,
          .name = "port" + std::to_string(number),
          .group = group,
          .queues = queues,
          .own_queues = 1,
          .spreads_evenly = spreads};
}

TEST(LcorePlan, WorkersHaveCpusOfTheirOwnAndLeaveTheFirstToTheRest) {
  const LcorePlan plan = plan_lcores({.workers = 2, .receivers = 0, .allowed = {0, 1, 2, 3}, .wanted = {}});
  EXPECT_THAT(plan.workers[0].cpus, ElementsAre(1));
  EXPECT_THAT(plan.workers[1].cpus, ElementsAre(2));
  EXPECT_THAT(plan.control.cpus, ElementsAre(0, 3));
  EXPECT_FALSE(plan.shared);
  EXPECT_THAT(plan.notes, IsEmpty());
}

TEST(LcorePlan, TheCpusAskedForAreTaken) {
  const LcorePlan plan =
      plan_lcores({.workers = 2, .receivers = 1, .allowed = {0, 1, 2, 3, 4, 5}, .wanted = {5, 3, 2}});
  EXPECT_THAT(plan.workers[0].cpus, ElementsAre(5));
  EXPECT_THAT(plan.workers[1].cpus, ElementsAre(3));
  EXPECT_THAT(plan.receivers[0].cpus, ElementsAre(2));
  EXPECT_THAT(plan.control.cpus, ElementsAre(0, 1, 4));
  EXPECT_FALSE(plan.shared);
}

TEST(LcorePlan, WithoutCpusEnoughThreadsShareAndItSaysSo) {
  const LcorePlan plan = plan_lcores({.workers = 4, .receivers = 1, .allowed = {0, 1}, .wanted = {}});
  EXPECT_EQ(plan.workers.size(), 4U);
  for (const LcoreCpus& worker : plan.workers) EXPECT_EQ(worker.cpus.size(), 1U);
  EXPECT_TRUE(plan.shared);
  ASSERT_EQ(plan.notes.size(), 1U);
  EXPECT_THAT(plan.notes[0], HasSubstr("4 workers share 2 CPUs"));
}

TEST(LcorePlan, EveryThreadHasAnLcoreNumberOfItsOwn) {
  const LcorePlan plan = plan_lcores({.workers = 3, .receivers = 2, .allowed = {7}, .wanted = {}});
  std::vector<unsigned> lcores{plan.control.lcore};
  for (const LcoreCpus& lcore : plan.workers) lcores.push_back(lcore.lcore);
  for (const LcoreCpus& lcore : plan.receivers) lcores.push_back(lcore.lcore);
  EXPECT_THAT(lcores, ElementsAre(0, 1, 2, 3, 4, 5));
}

TEST(PollPlan, OneWorkerPollsEverything) {
  const PollPlan plan = plan_polling({port(0, 0, 1, false), port(1, 0, 16, false), port(2, 1, 1, false)}, 1);
  EXPECT_FALSE(plan.steered);
  EXPECT_THAT(plan.workers[0], ElementsAre(QueueRef{0, 0}, QueueRef{1, 0}, QueueRef{2, 0}));
  EXPECT_THAT(plan.queues, ElementsAre(1, 1, 1));
  EXPECT_THAT(plan.notes, IsEmpty());
}

TEST(PollPlan, QueueIOfEveryPortGoesToWorkerI) {
  const PollPlan plan = plan_polling({port(0, 0, 8, true), port(1, 0, 4, true)}, 2);
  EXPECT_FALSE(plan.steered);
  EXPECT_THAT(plan.queues, ElementsAre(2, 2));
  EXPECT_THAT(plan.workers[0], ElementsAre(QueueRef{0, 0}, QueueRef{1, 0}));
  EXPECT_THAT(plan.workers[1], ElementsAre(QueueRef{0, 1}, QueueRef{1, 1}));
}

TEST(PollPlan, OnePortThatCannotSpreadIsEnoughToSteer) {
  const PollPlan plan = plan_polling({port(0, 0, 8, true), port(1, 0, 8, false)}, 2);
  EXPECT_TRUE(plan.steered);
  EXPECT_THAT(plan.receivers, ElementsAre(ElementsAre(QueueRef{0, 0}, QueueRef{1, 0})));
  EXPECT_THAT(plan.workers, ElementsAre(IsEmpty(), IsEmpty()));
  EXPECT_THAT(plan.notes[0], HasSubstr("port1 cannot bring both directions"));
}

TEST(PollPlan, EachGroupHasItsReceiver) {
  const PollPlan plan = plan_polling({port(0, 0, 1, true), port(1, 1, 1, true), port(2, 1, 1, true)}, 4);
  EXPECT_TRUE(plan.steered);
  ASSERT_EQ(plan.receivers.size(), 2U);
  EXPECT_THAT(plan.receivers[1], ElementsAre(QueueRef{1, 0}, QueueRef{2, 0}));
  EXPECT_THAT(plan.notes[0], HasSubstr("port0 has 1 queues for 4 workers"));
}

TEST(PollPlan, FilesOfAReplayAreAllPolled) {
  PortTraits replay = port(0, 0, 3, false);
  replay.own_queues = 3;
  EXPECT_EQ(plan_polling({replay}, 1).workers[0].size(), 3U);
  EXPECT_EQ(plan_polling({replay}, 2).receivers[0].size(), 3U);
}

TEST(PoolPlan, SufficesForEveryPlaceWhereABufferCanBe) {
  const PoolNeeds needs{.queues = 4, .descriptors = 2048, .pollers = 4, .held = 64, .in_rings = 16'384, .users = 4};
  const PoolPlan plan = plan_pool(needs);
  EXPECT_GE(plan.buffers, 4U * 2048 + 16'384 + 4 * (64 + 64) + 8 * plan.cache * 3 / 2);
  EXPECT_TRUE(std::has_single_bit(plan.buffers + 1));
  EXPECT_GE(plan.octets, plan.buffers * needs.data_octets);
}

}  // namespace
}  // namespace doorslam::ethdev
