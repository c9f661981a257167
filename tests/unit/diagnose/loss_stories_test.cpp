#include <gmock/gmock.h>

#include "pipeline/diagnose/hole_count.h"
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

/// Browsers keep connections in reserve, which the server closes when its timer runs out.
Conversation& be_timed_out(Story& story, IpAddress who, double at, bool third_segment_lost) {
  Conversation& talk = story.connect(who, at);
  talk.handshake();
  if (third_segment_lost) talk.lose_latest();
  talk.after(6 * kSecondNs);
  Story::hang_up(talk);
  return talk;
}

Conversation& ask(Story& story, IpAddress who, double at) {
  Conversation& talk = story.connect(who, at);
  talk.handshake();
  talk.client(kPsh | kAck, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  talk.server(kPsh | kAck, "HTTP/1.1 200 OK\r\n\r\n");
  talk.client(kAck);
  talk.close();
  return talk;
}

TEST(LossStory, ALostThirdSegmentMakesNoCloseSudden) {
  Story story;
  for (int i = 0; i < 6; ++i) ask(story, client(1 + i % 3), 1.0 + i);
  Conversation& talk = be_timed_out(story, client(1), 8.0, true);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::served));
  EXPECT_TRUE(argues_for(reading, Cause::served, "the client said nothing for 6.0 s, then the server closed"));
  EXPECT_FALSE(says(reading, "0 µs"));
}

/// A port scan, of which the capture has lost the FINs.
TEST(LossStory, ALostFinOfTheClientsIsNoRefusal) {
  Story story;
  for (int i = 0; i < 6; ++i) ask(story, client(10 + i % 3), 1.0 + i);
  for (int i = 0; i < 3; ++i) {
    Conversation& talk = story.connect(client(1), 1.5 + i);
    talk.handshake();
    talk.client(kFin | kAck);
    talk.lose_latest();
    talk.server(kFin | kAck);
    talk.client(kAck);
    const Readings readings = story.read();
    EXPECT_FALSE(is_refusal(readings.of(talk).diagnosis.cause)) << in_full(readings.of(talk).diagnosis);
  }
}

TEST(HoleCount, RemembersTheLatest) {
  HoleCount holes;
  for (int i = 0; i < 10; ++i) holes.note(i % 2 == 0);
  EXPECT_EQ(holes.with_holes(), 5U);
  EXPECT_EQ(holes.connections(), 10U);
  for (std::size_t i = 0; i < HoleCount::kRemembered; ++i) holes.note(i == 3);
  EXPECT_EQ(holes.with_holes(), 1U);
  EXPECT_EQ(holes.connections(), HoleCount::kRemembered);
}

/// The same scene, refused by address to all appearance; with holes in the capture, appearance counts for less.
TEST(LossStory, ACaptureWithHolesIsLessSure) {
  const auto refused_among = [](bool holes) {
    Story story;
    for (int i = 0; i < 12; ++i) {
      Conversation& talk = story.connect(client(10 + i), 1.0 + i);
      Story::open_session(talk);
      if (holes && i % 2 == 0) {
        talk.server(kPsh | kAck, "150 more\r\n");
        talk.lose_latest();
        talk.client(kAck);
      }
      talk.close();
    }
    Conversation& refused = story.refuse(client(1), 14.0);
    return story.read().of(refused);
  };
  const DiagnosedConnection sure = refused_among(false);
  const DiagnosedConnection unsure = refused_among(true);
  EXPECT_LT(probability_of(unsure, Cause::acl_denied), probability_of(sure, Cause::acl_denied));
  EXPECT_TRUE(says(unsure, "lack octets that were acknowledged: the capture has holes"));
  EXPECT_FALSE(says(sure, "the capture has holes"));
}

}  // namespace
}  // namespace doorslam::diagnose::test
