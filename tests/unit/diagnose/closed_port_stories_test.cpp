#include <gtest/gtest.h>

#include "tests/unit/diagnose/story.h"

/// SYNs that meet a RST: a port without a listener is closed for everybody, and for longer than a moment.
namespace doorslam::diagnose {
namespace {

using namespace test;

Conversation& knock(Story& story, IpAddress who, double at) {
  Conversation& talk = story.connect(who, at);
  talk.client(kSyn);
  talk.server(kRst | kAck).seq = 0;
  return talk;
}

TEST(ClosedPortStory, AClientThatAloneIsResetMeetsAFilter) {
  Story story;
  story.serve(client(1), 0.5);
  std::vector<Conversation*> refused;
  for (int i = 0; i < 3; ++i) {
    refused.push_back(&knock(story, client(1), 3.0 + 4.0 * i));
    story.serve(client(2), 4.0 + 4.0 * i);
    story.serve(client(3), 5.0 + 4.0 * i);
  }
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(*refused[1]), Cause::acl_denied));
  EXPECT_TRUE(argues_against(readings.of(*refused[1]), Cause::port_closed,
                             "this client's SYN was reset 3 of 3 times, while the same port accepted 4 connections of "
                             "others in between"));
  EXPECT_FALSE(says(readings.of(*refused[1]), "this port accepted connections until"));
}

/// The same client, the same resets: but others met them as well, and nobody got in meanwhile.
TEST(ClosedPortStory, ARestartResetsEverybodyForAWhile) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(1 + i), 0.5 + 0.1 * i, 0.2);
  std::vector<Conversation*> refused;
  for (int i = 0; i < 6; ++i) refused.push_back(&knock(story, client(1 + i % 3), 2.0 + 0.1 * i));
  for (int i = 0; i < 6; ++i) story.serve(client(1 + i), 3.5 + 0.1 * i, 0.2);
  const Readings readings = story.read();
  for (Conversation* talk : refused) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::port_closed));
  EXPECT_TRUE(
      argues_for(readings.of(*refused[2]), Cause::port_closed, "until 1.2 s before, and none until 1.3 s after"));
}

TEST(ClosedPortStory, ByTurnsItIsNoClosedPort) {
  Story story;
  std::vector<Conversation*> refused;
  for (int i = 0; i < 12; ++i) {
    story.serve(client(1 + (i * 5) % 7), 1.0 + 1.0 * i, 0.2);
    story.serve(client(1 + (i * 3) % 7), 1.3 + 1.0 * i, 0.2);
    refused.push_back(&knock(story, client(1 + i % 7), 1.6 + 1.0 * i));
  }
  story.serve(client(1), 13.0);
  const Readings readings = story.read();
  for (Conversation* talk : refused) {
    EXPECT_LT(probability_of(readings.of(*talk), Cause::port_closed), 0.5) << in_full(readings.of(*talk).diagnosis);
    EXPECT_GT(probability_of(readings.of(*talk), Cause::rate_limit), 0.2);
  }
  EXPECT_TRUE(argues_against(readings.of(*refused[5]), Cause::port_closed, "refused and accepted by turns"));
}

/// A service that is gone for good stays one.
TEST(ClosedPortStory, APortThatStaysClosedIsClosed) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(1 + i), 0.5 + 0.1 * i, 0.2);
  std::vector<Conversation*> refused;
  for (int i = 0; i < 9; ++i) refused.push_back(&knock(story, client(1 + i % 3), 3.0 + 1.0 * i));
  const Readings readings = story.read();
  for (Conversation* talk : refused) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::port_closed));
    EXPECT_GT(readings.of(*talk).diagnosis.confidence, 0.8);
  }
}

}  // namespace
}  // namespace doorslam::diagnose
