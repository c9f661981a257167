#include <gtest/gtest.h>

#include "pipeline/diagnose/evidence/servers.h"
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

/// What the clock of a host shows to a client: begun at a secret place for the two, a tick in a millisecond.
std::uint32_t clock_of(int host, int who, TimeNs now) {
  const std::uint32_t begin = 2'654'435'761U * static_cast<std::uint32_t>(host * 1000 + who);
  return begin + static_cast<std::uint32_t>(now / kMillisecondNs);
}

/// A handshake with a host whose SYN-ACKs look like those of any other; then it serves or hangs up.
Conversation& meet(Story& story, int host, int who, double at, bool serves) {
  Conversation& talk = story.connect(client(who), at);
  talk.client(kSyn).options = {.present = packet::TcpOptions::kTimestamps, .timestamp_value = 5};
  const std::uint32_t clock = clock_of(host, who, talk.now());
  talk.server(kSyn | kAck).options = {
      .present = packet::TcpOptions::kTimestamps, .timestamp_value = clock, .timestamp_echo = 5};
  talk.client(kAck).options = {
      .present = packet::TcpOptions::kTimestamps, .timestamp_value = 6, .timestamp_echo = clock};
  if (serves) {
    talk.client(kPsh | kAck, "USER x\r\n");
    talk.server(kPsh | kAck, "230 welcome\r\n");
    talk.close();
  } else {
    Story::hang_up(talk);
  }
  return talk;
}

/// Two hosts of the same make: their clocks alone tell them apart, for each client by itself.
TEST(ServersBehindOneAddressStory, TellsTwoOfTheSameMakeByTheirClocks) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 12; ++i) {
    meet(story, 1, 10 + i % 3, 1.0 + 2.0 * i, true);
    last = &meet(story, 2, 10 + i % 3, 2.0 + 2.0 * i, false);
  }
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(*last), Cause::acl_denied));
  EXPECT_TRUE(argues_for(readings.of(*last), Cause::acl_denied,
                         "12 of 12 refusals came from one of 2 servers behind this address, which served 0 of 12: the "
                         "clocks in the SYN-ACKs (TSval) tell them apart for 3 clients that met both"));
  ASSERT_TRUE(readings.of(*last).diagnosis.one_server);
  const OneOfServers& one = *readings.of(*last).diagnosis.one_server;
  EXPECT_TRUE(one.by_clocks);
  EXPECT_EQ(one.others, 1U);
  EXPECT_EQ(one.clients_of_both, 3U);
}

/// One host that serves and refuses by turns: its clock is one line, whatever it does.
TEST(ServersBehindOneAddressStory, TakesOneClockForOneHost) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 12; ++i) {
    meet(story, 1, 10 + i % 3, 1.0 + 2.0 * i, true);
    last = &meet(story, 1, 10 + i % 3, 2.0 + 2.0 * i, false);
  }
  EXPECT_FALSE(story.read().of(*last).diagnosis.one_server);
}

/// It was started anew in between, and its clock with it.
TEST(ServersBehindOneAddressStory, TakesANewStartForNoOtherHost) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 12; ++i) meet(story, 1, 10 + i % 3, 1.0 + 2.0 * i, true);
  for (int i = 0; i < 12; ++i) last = &meet(story, 2, 10 + i % 3, 30.0 + 2.0 * i, false);
  EXPECT_FALSE(story.read().of(*last).diagnosis.one_server);
}

/// Which SYN-ACK the client has echoed is not known where there were two.
TEST(ServersBehindOneAddressStory, ReadsNoClockOfASynAckThatWasSentAgain) {
  Story story;
  Conversation* last = nullptr;
  for (int i = 0; i < 12; ++i) {
    meet(story, 1, 10 + i % 3, 1.0 + 2.0 * i, true);
    Conversation& talk = story.connect(client(10 + i % 3), 2.0 + 2.0 * i);
    const std::uint32_t clock = clock_of(2, 10 + i % 3, talk.now());
    talk.client(kSyn).options = {.present = packet::TcpOptions::kTimestamps, .timestamp_value = 5};
    for (int again = 0; again < 2; ++again) {
      if (again == 1) --talk.server_end().next;
      talk.server(kSyn | kAck).options = {
          .present = packet::TcpOptions::kTimestamps, .timestamp_value = clock, .timestamp_echo = 5};
    }
    talk.client(kAck).options = {
        .present = packet::TcpOptions::kTimestamps, .timestamp_value = 6, .timestamp_echo = clock};
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
