#include <gtest/gtest.h>

#include "tests/unit/diagnose/story.h"

/// What the first packets tell: who really sent the RST, whether the handshake's numbers fit, what answered a SYN.
namespace doorslam::diagnose {
namespace {

using namespace test;

constexpr std::uint8_t kServerTtl = 63;

// --- resets in the server's name ------------------------------------------------------------------------------------

Conversation& reset_after_handshake(Story& story, std::uint8_t ttl) {
  Conversation& talk = story.connect(client(1), 2.0);
  talk.handshake();
  talk.client(kPsh | kAck, "HELLO\r\n");
  talk.server(kRst | kAck).ttl = ttl;
  return talk;
}

TEST(ForgedResetStory, AnotherTtlIsAnotherHosts) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& reset = reset_after_handshake(story, 58);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(reset), Cause::middlebox_reset));
  EXPECT_TRUE(argues_for(readings.of(reset), Cause::middlebox_reset,
                         "the RST arrives with TTL 58, the server's own packets with 63"));
}

TEST(ForgedResetStory, TheSameTtlIsTheServers) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& reset = reset_after_handshake(story, kServerTtl);
  const Readings readings = story.read();
  EXPECT_NE(readings.of(reset).diagnosis.cause, Cause::middlebox_reset);
  EXPECT_TRUE(argues_against(readings.of(reset), Cause::middlebox_reset, "TTL 63, as do the server's own packets"));
}

TEST(ForgedResetStory, TheServersOtherInitialTtlIsStillTheServers) {
  // A stack may send RSTs with an initial TTL of 255 and data with 64: the hops are the same.
  Story story;
  Conversation& reset = reset_after_handshake(story, 254);
  const Readings readings = story.read();
  EXPECT_NE(readings.of(reset).diagnosis.cause, Cause::middlebox_reset);
}

TEST(ForgedResetStory, ASynsResetIsHeldAgainstTheHostsOtherPorts) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& reset = story.connect(client(1), 6.0, {address4(200), 5001});
  reset.client(kSyn);
  reset.server(kRst | kAck).ttl = 40;
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(reset), Cause::middlebox_reset));
}

TEST(ForgedResetStory, ResetsBothWays) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& talk = story.connect(client(1), 2.0);
  Story::open_session(talk);
  talk.client(kRst | kAck).ttl = 50;
  talk.after(100 * kMicrosecondNs).server(kRst | kAck).ttl = 50;
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::middlebox_reset));
  EXPECT_TRUE(argues_for(readings.of(talk), Cause::middlebox_reset, "a RST in the client's name arrives with TTL 50"));
}

/// It is no kernel of the server's that answers the final ACK from elsewhere.
TEST(ForgedResetStory, IsNoAnswerOfTheServersKernel) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 1.0);
  Conversation& talk = story.connect(client(1), 6.0);
  talk.handshake();
  talk.server(kRst).ttl = 119;
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::middlebox_reset));
  EXPECT_FALSE(says(readings.of(talk), "the kernel, not the application"));
}

// --- the handshake's own numbers ------------------------------------------------------------------------------------

TEST(FaultyAckStory, AWrongFinalAckIsTheReason) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 10.0);
  Conversation& talk = story.connect(client(1), 6.0);
  talk.client(kSyn);
  talk.server(kSyn | kAck);
  Segment& ack = talk.client(kAck);
  ack.ack += 12345;
  const std::uint32_t wrong = ack.ack;
  talk.server(kRst).seq = wrong;  // RFC 9293, 3.10.7.3: <SEQ=SEG.ACK><CTL=RST>
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::bad_handshake_ack));
  EXPECT_TRUE(argues_for(readings.of(talk), Cause::bad_handshake_ack, "that the SYN-ACK did not offer"));
}

/// Such a connection was never accepted: the ledger has nothing of its own to say about its moment.
TEST(FaultyAckStory, ClaimsNothingOfTheServersLoad) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 10.0);
  Conversation& talk = story.connect(client(1), 6.0);
  talk.client(kSyn);
  talk.server(kSyn | kAck);
  Segment& ack = talk.client(kAck);
  ack.ack += 12345;
  const std::uint32_t wrong = ack.ack;
  talk.server(kRst).seq = wrong;
  const Readings readings = story.read();
  EXPECT_FALSE(says(readings.of(talk), "no other session was open"));
  EXPECT_FALSE(says(readings.of(talk), "0 connections had arrived"));
}

/// The server's FIN and the third segment were lost by the capture: the client's FIN acknowledges both.
TEST(FaultyAckStory, AFinThatAcknowledgesALostFinIsNone) {
  Story story;
  for (int i = 0; i < 4; ++i) story.serve(client(20 + i), 1.0 + i, 10.0);
  Conversation& talk = story.connect(client(1), 6.0);
  talk.handshake();
  talk.lose_latest();
  talk.after(6 * kSecondNs).server(kFin | kAck);
  talk.lose_latest();
  talk.client(kFin | kAck);
  talk.server(kAck);
  const Readings readings = story.read();
  EXPECT_FALSE(is_refusal(readings.of(talk).diagnosis.cause)) << in_full(readings.of(talk).diagnosis);
  EXPECT_FALSE(says(readings.of(talk), "did not offer"));
  EXPECT_FALSE(says(readings.of(talk), "ignored a completed handshake"));
}

// --- the accept queue -----------------------------------------------------------------------------------------------

TEST(AcceptQueueStory, TheSynAckComesAgainAfterItWasAcknowledged) {
  Story story;
  Conversation& talk = story.connect(client(1), 2.0);
  talk.handshake();
  for (int i = 0; i < 3; ++i) {
    Segment& again = talk.after(kSecondNs << i).server(kSyn | kAck);
    again.seq = 900000;
    talk.server_end().next = 900001;
    talk.client(kAck);
  }
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::accept_queue_overflow));
  EXPECT_TRUE(argues_for(readings.of(talk), Cause::accept_queue_overflow, "the SYN-ACK came 4 times"));
}

TEST(AcceptQueueStory, TheClientsDataIsNeverAcknowledged) {
  Story story;
  Conversation& talk = story.connect(client(1), 2.0);
  talk.handshake();
  talk.client(kPsh | kAck, "HELLO\r\n");
  for (int i = 0; i < 4; ++i) {
    talk.client_end().next -= 7;
    talk.after((200 * kMillisecondNs) << i).client(kPsh | kAck, "HELLO\r\n");
  }
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::accept_queue_overflow));
  EXPECT_TRUE(argues_for(readings.of(talk), Cause::accept_queue_overflow, "sent 5 times after the handshake"));
}

TEST(AcceptQueueStory, AbortOnOverflowAnswersTheAckWithABareReset) {
  Story story;
  Conversation& talk = story.connect(client(1), 2.0);
  talk.handshake();
  talk.after(200 * kMicrosecondNs).server(kRst);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::accept_queue_overflow));
  EXPECT_TRUE(argues_for(readings.of(talk), Cause::accept_queue_overflow, "a RST without ACK answers the final ACK"));
}

TEST(AcceptQueueStory, ASilentDropNextToAnOverflowIsSuspectedOfIt) {
  Story story;
  Conversation& ignored = story.connect(client(1), 2.0);
  ignored.handshake();
  for (int i = 0; i < 3; ++i) {
    ignored.after(kSecondNs << i).server(kSyn | kAck).seq = 900000;
    ignored.server_end().next = 900001;
  }
  Conversation& silent = story.connect(client(2), 5.0);
  for (int i = 0; i < 3; ++i) silent.after(kSecondNs << i).client(kSyn).seq = 1000;
  const Readings readings = story.read();
  EXPECT_TRUE(argues_for(readings.of(silent), Cause::accept_queue_overflow, "ignored a completed handshake"));
}

/// listen(2) with a backlog of nearly nothing, and nobody who takes connections from it.
TEST(AcceptQueueStory, SynsAreDroppedWhereTheFirstOneWasTakenAndNeverAnswered) {
  const auto syns_after = [](bool answered) {
    Story story;
    Conversation& first = story.connect(client(1), 1.0);
    first.handshake();
    first.client(kPsh | kAck, "HELLO\r\n");
    answered ? first.server(kPsh | kAck, "WELCOME\r\n") : first.server(kAck);
    first.after(3 * kSecondNs).client(kFin | kAck);
    first.server(kAck);
    Conversation& dropped = story.connect(client(2), 2.0);
    for (int i = 0; i < 4; ++i) dropped.after(kSecondNs << i).client(kSyn).seq = 1000;
    return story.read().of(dropped);
  };
  EXPECT_TRUE(is_read_as(syns_after(false), Cause::accept_queue_overflow));
  EXPECT_TRUE(argues_for(syns_after(false), Cause::accept_queue_overflow, "nobody who asked was answered"));
  EXPECT_TRUE(is_read_as(syns_after(true), Cause::silent_drop)) << "the program did take connections";
}

// --- the answer to a SYN --------------------------------------------------------------------------------------------

TEST(SynStory, WithoutAnAnswerWasDroppedInSilence) {
  Story story;
  Conversation& talk = story.connect(client(1), 2.0);
  for (int i = 0; i < 4; ++i) talk.after(kSecondNs << i).client(kSyn).seq = 1000;
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), Cause::silent_drop));
  EXPECT_TRUE(argues_for(readings.of(talk), Cause::silent_drop, "4 SYNs over 14.0 s went unanswered"));
}

TEST(SynStory, AResetMeansAClosedPort) {
  Story story;
  Conversation& talk = story.find_closed(client(1), 2.0);
  EXPECT_TRUE(is_read_as(story.read().of(talk), Cause::port_closed));
}

struct IcmpCase {
  const char* name;
  bool six;
  std::uint8_t type;
  std::uint8_t code;
  Cause cause;
};

class IcmpStory : public testing::TestWithParam<IcmpCase> {};

TEST_P(IcmpStory, IsReadByItsCode) {
  const IcmpCase& icmp = GetParam();
  Story story;
  const auto address = [&](std::uint8_t last) { return icmp.six ? address6(last) : address4(last); };
  Conversation& talk = story.connect(address(1), 2.0, {address(9), 443});
  talk.client(kSyn);
  story.report(talk, address(254), icmp.type, icmp.code);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(talk), icmp.cause));
  EXPECT_TRUE(
      argues_for(readings.of(talk), icmp.cause, icmp.six ? "fd00::fe answers with" : "10.0.0.254 answers with"));
}

/// A packet filter on the server's host, or a router: whom to ask depends on it.
TEST(IcmpReporterStory, TellsTheServersOwnHostFromOthers) {
  for (const bool own : {true, false}) {
    Story story;
    Conversation& talk = story.connect(client(1), 2.0, {address4(9), 443});
    talk.client(kSyn);
    story.report(talk, own ? address4(9) : address4(254), 3, 3);
    EXPECT_TRUE(argues_for(story.read().of(talk), Cause::icmp_unreachable,
                           own ? "the server's own host answers with ICMP 3/3: port unreachable"
                               : "10.0.0.254 answers with ICMP 3/3: port unreachable, in the server's place"));
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, IcmpStory,
                         testing::Values(IcmpCase{"Prohibited", false, 3, 13, Cause::icmp_admin_prohibited},
                                         IcmpCase{"NetworkProhibited", false, 3, 9, Cause::icmp_admin_prohibited},
                                         IcmpCase{"HostProhibited", false, 3, 10, Cause::icmp_admin_prohibited},
                                         IcmpCase{"HostUnreachable", false, 3, 1, Cause::icmp_unreachable},
                                         IcmpCase{"PortUnreachable", false, 3, 3, Cause::icmp_unreachable},
                                         IcmpCase{"SixProhibited", true, 1, 1, Cause::icmp_admin_prohibited},
                                         IcmpCase{"SixNoRoute", true, 1, 0, Cause::icmp_unreachable}),
                         [](const auto& one) { return one.param.name; });

/// A probe that asks the routers to tell of themselves.
TEST(IcmpStory, ATraceOfTheRouteIsNoRefusal) {
  for (const bool six : {false, true}) {
    Story story;
    const auto address = [&](std::uint8_t last) { return six ? address6(last) : address4(last); };
    Conversation& talk = story.connect(address(1), 2.0, {address(9), 443});
    talk.client(kSyn).ttl = 1;
    story.report(talk, address(254), six ? 3 : 11, 0);
    const DiagnosedConnection reading = story.read().of(talk);
    EXPECT_TRUE(is_read_as(reading, Cause::client_abort));
    EXPECT_TRUE(argues_for(reading, Cause::client_abort, "had a hop limit of 1"));
  }
}

TEST(IcmpStory, ALoopOfRoutesIsNobodysWord) {
  Story story;
  Conversation& talk = story.connect(client(1), 2.0, {address4(9), 443});
  talk.client(kSyn).ttl = 58;
  story.report(talk, address4(254), 11, 0);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::unknown));
  EXPECT_TRUE(says(reading, "ICMP 11/0: time to live exceeded in transit, in the server's place: a loop of routes"));
}

TEST(IcmpStory, TooBigAndTimeExceededAreNoRefusal) {
  Story story;
  Conversation& talk = story.connect(client(1), 2.0);
  talk.client(kSyn);
  story.report(talk, address4(254), 11, 0);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_FALSE(says(reading, "destination unreachable"));
  EXPECT_FALSE(says(reading, "administratively prohibited"));
}

}  // namespace
}  // namespace doorslam::diagnose
