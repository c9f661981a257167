#include <gtest/gtest.h>

#include "pipeline/diagnose/evidence_servers.h"
#include "tests/unit/diagnose/story.h"

/// Several servers behind one address, of which one refuses.
namespace doorslam::diagnose {
namespace {

using namespace test;

/// What the second server's packets look like.
using Disguise = void (*)(Conversation&);

void come_from_farther_away(Conversation& talk) { talk.server_end().ttl = 57; }
void have_another_window(Conversation& talk) { talk.server_end().window = 65535; }

/// Refused by the second server.
Conversation& refuse(Story& story, IpAddress who, double at, Disguise disguise) {
  Conversation& talk = story.connect(who, at);
  disguise(talk);
  talk.handshake();
  Story::hang_up(talk);
  return talk;
}

/// Every client meets both servers by turns: the first serves, the second refuses. The last refused one.
Conversation& refuse_by_turns(Story& story, int times, Disguise disguise) {
  Conversation* last = nullptr;
  for (int i = 0; i < times; ++i) {
    story.serve(client(10 + i % 4), 1.0 + 2.0 * i, 0.5);
    last = &refuse(story, client(10 + (i + 1) % 4), 2.0 + 2.0 * i, disguise);
  }
  return *last;
}

/// One of them has an outdated list.
TEST(ServersBehindOneAddressStory, NamesTheOneThatRefuses) {
  Story story;
  Conversation& last = refuse_by_turns(story, 8, come_from_farther_away);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(last), Cause::acl_denied));
  EXPECT_TRUE(
      argues_for(readings.of(last), Cause::acl_denied,
                 "8 of 8 refusals came from the one of 2 servers behind this address whose SYN-ACKs have TTL 57, "
                 "which served 0 of 8"));
  ASSERT_TRUE(readings.of(last).diagnosis.one_server);
  const OneOfServers& one = *readings.of(last).diagnosis.one_server;
  EXPECT_EQ(one.refusing.ttl, 57);
  EXPECT_EQ(one.serving.ttl, 63);
  EXPECT_EQ(one.others, 1U);
  EXPECT_EQ(one.refused, 8U);
  EXPECT_EQ(one.served, 0U);
  EXPECT_EQ(one.refused_elsewhere, 0U);
  EXPECT_EQ(one.served_elsewhere, 8U);
  EXPECT_EQ(habits_in_words(one.refusing, one.serving), "TTL 57");
}

TEST(ServersBehindOneAddressStory, TellsThemByTheWindowToo) {
  Story story;
  Conversation& last = refuse_by_turns(story, 8, have_another_window);
  const Readings readings = story.read();
  ASSERT_TRUE(readings.of(last).diagnosis.one_server);
  const OneOfServers& one = *readings.of(last).diagnosis.one_server;
  EXPECT_EQ(habits_in_words(one.refusing, one.serving), "window 65535");
  EXPECT_EQ(habits_in_words(one.serving, one.refusing), "window 64240");
}

/// Both refuse now and then: a limit, or chance.
TEST(ServersBehindOneAddressStory, AccusesNoneWhereBothRefuse) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 24; ++i) {
    Conversation& talk =
        i % 3 == 0 ? story.refuse(client(10 + i % 4), 1.0 + i) : story.serve(client(10 + i % 4), 1.0 + i);
    last = &refuse(story, client(10 + i % 4), 1.5 + i, come_from_farther_away);
    static_cast<void>(talk);
  }
  EXPECT_FALSE(story.read().of(*last).diagnosis.one_server);
}

TEST(ServersBehindOneAddressStory, AccusesNoneOnFewWitnesses) {
  Story story;
  Conversation& last = refuse_by_turns(story, 4, come_from_farther_away);
  EXPECT_FALSE(story.read().of(last).diagnosis.one_server) << "1 of 70 by chance";
}

/// Packets to the refused clients take another way: the difference is not the server's.
TEST(ServersBehindOneAddressStory, KnowsThatWaysDifferAsWell) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 12; ++i) {
    story.serve(client(10 + i % 4), 1.0 + 2.0 * i, 0.5);
    last = &refuse(story, client(30 + i % 4), 2.0 + 2.0 * i, come_from_farther_away);
  }
  const Readings readings = story.read();
  EXPECT_FALSE(readings.of(*last).diagnosis.one_server);
  EXPECT_TRUE(is_read_as(readings.of(*last), Cause::acl_denied));
}

/// The way changed once, and so did the server's mind.
TEST(ServersBehindOneAddressStory, NeedsThemByTurns) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 12; ++i) story.serve(client(10 + i % 4), 1.0 + i, 0.5);
  for (int i = 0; i < 12; ++i) last = &refuse(story, client(10 + i % 4), 20.0 + i, come_from_farther_away);
  EXPECT_FALSE(story.read().of(*last).diagnosis.one_server);
}

/// A client with other options gets another window from the same server.
TEST(ServersBehindOneAddressStory, TakesWhatAClientAskedForForNoServer) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 12; ++i) {
    story.serve(client(10 + i % 4), 1.0 + 2.0 * i, 0.5);
    Conversation& talk = story.connect(client(10 + i % 4), 2.0 + 2.0 * i);
    talk.server_end().window = 65160;
    talk.client(kSyn).options.present = packet::TcpOptions::kTimestamps;
    talk.server(kSyn | kAck).options.present = packet::TcpOptions::kTimestamps;
    talk.client(kAck);
    Story::hang_up(talk);
    last = &talk;
  }
  EXPECT_FALSE(story.read().of(*last).diagnosis.one_server);
}

/// One of two servers is down: its kernel's RST has its own TTL, and comes from no device in between.
TEST(ServersBehindOneAddressStory, KnowsTheResetOfEither) {
  Story story;
  for (int i = 0; i < 4; ++i) {
    Conversation& far = story.connect(client(10 + i), 1.0 + 2.0 * i);
    come_from_farther_away(far);
    Story::open_session(far);
    far.close();
    story.serve(client(10 + i), 2.0 + 2.0 * i, 0.5);
  }
  Conversation& closed = story.connect(client(10), 20.0);
  come_from_farther_away(closed);
  closed.client(kSyn);
  closed.server(kRst | kAck);
  EXPECT_TRUE(is_read_as(story.read().of(closed), Cause::port_closed));
}

}  // namespace
}  // namespace doorslam::diagnose
