#include <gmock/gmock.h>

#include "pipeline/diagnose/loss_log.h"
#include "tests/unit/diagnose/story.h"

namespace doorslam::diagnose::test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const TimeNs kFrom = 100 * kSecondNs;

TEST(LossLog, CountsWhatTouchesTheStretch) {
  LossLog log;
  log.note({kFrom, kFrom + 10, 3});
  log.note({kFrom + 2 * kSecondNs, kFrom + 2 * kSecondNs + 10, 4});
  EXPECT_EQ(log.packets_between(kFrom + 10, kFrom + kSecondNs), 3U);
  EXPECT_EQ(log.packets_between(kFrom + 11, kFrom + kSecondNs), 0U);
  EXPECT_EQ(log.packets_between(kFrom - 5, kFrom + 3 * kSecondNs), 7U);
  EXPECT_EQ(log.packets_between(0, kFrom - 1), 0U);
}

TEST(LossLog, JoinsNeighboursButNotWithoutEnd) {
  LossLog log;
  for (int i = 0; i < 100; ++i) {
    log.note({kFrom + i * (kSecondNs / 10), kFrom + (i + 1) * (kSecondNs / 10), 1});
  }
  EXPECT_EQ(log.packets_between(kFrom, kFrom + 10 * kSecondNs), 100U);
  EXPECT_LE(log.packets_between(kFrom + 5 * kSecondNs, kFrom + 5 * kSecondNs), 21U);
}

TEST(LossLog, ForgetsTheOldestBeyondItsBound) {
  LossLog log;
  for (std::size_t i = 0; i <= LossLog::kMost; ++i) {
    const TimeNs at = kFrom + static_cast<TimeNs>(i) * 2 * kSecondNs;
    log.note({at, at, 1});
  }
  EXPECT_EQ(log.packets_between(0, kFrom), 0U);
  EXPECT_EQ(log.packets_between(0, std::numeric_limits<TimeNs>::max()), LossLog::kMost);
}

/// A SYN that nobody answers, tried three times.
Conversation& knock(Story& story) {
  Conversation& talk = story.connect(client(1), 5.0);
  talk.client(kSyn);
  talk.after(seconds(1)).client(kSyn);
  talk.after(seconds(2)).client(kSyn);
  return talk;
}

ReadOptions losing_between(double from, double to) {
  ReadOptions options;
  options.losses.push_back({kStart + seconds(from), kStart + seconds(to), 700});
  return options;
}

TEST(LossStory, SilenceProvesLessWhileThePortLosesPackets) {
  Story story;
  for (int i = 0; i < 5; ++i) story.serve(client(10 + i), 20.0 + i);
  Conversation& knocking = knock(story);
  const Readings sure = story.read();
  const Readings unsure = story.read(losing_between(5.5, 6));
  const DiagnosedConnection& before = sure.of(knocking);
  const DiagnosedConnection& after = unsure.of(knocking);
  ASSERT_EQ(before.diagnosis.cause, Cause::silent_drop);
  EXPECT_THAT(after.diagnosis.caveats, Contains(HasSubstr("lost 700 packets")));
  const auto probability = [](const DiagnosedConnection& reading) {
    for (const Hypothesis& hypothesis : reading.diagnosis.hypotheses) {
      if (hypothesis.cause == Cause::silent_drop) return hypothesis.probability;
    }
    return 0.0;
  };
  EXPECT_LT(probability(after), probability(before) - 0.2);
}

TEST(LossStory, ALossAtAnotherTimeDoesNotMatter) {
  Story story;
  for (int i = 0; i < 5; ++i) story.serve(client(10 + i), 20.0 + i);
  Conversation& knocking = knock(story);
  const Readings sure = story.read();
  const Readings other = story.read(losing_between(15, 16));
  EXPECT_EQ(other.of(knocking).diagnosis.confidence, sure.of(knocking).diagnosis.confidence);
  EXPECT_THAT(other.of(knocking).diagnosis.caveats, Not(Contains(HasSubstr("lost"))));
}

}  // namespace
}  // namespace doorslam::diagnose::test
