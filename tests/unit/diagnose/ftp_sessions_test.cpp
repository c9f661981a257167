#include "pipeline/diagnose/ledger/ftp_sessions.h"

#include <gtest/gtest.h>

#include "tests/unit/diagnose/story.h"

/// Which connections are data connections of an FTP session.
namespace doorslam::diagnose {
namespace {

using namespace test;

const IpAddress kServer = address4(200);

tcp::ConnectionSummary connection(Endpoint from, Endpoint to, double begin, double end = 0.0) {
  tcp::ConnectionSummary summary;
  summary.originator = from;
  summary.responder = to;
  summary.start_ns = kStart + seconds(begin);
  summary.end_ns = kStart + seconds(end);
  summary.end_reason = tcp::EndReason::closed;
  return summary;
}

class FtpSession : public testing::Test {
 protected:
  FtpSession() { sessions_.accepted(control_, control_.start_ns); }

  /// The client tries a port of the server that lets nobody in.
  void tried(int port, double at, tcp::Stage stage = tcp::Stage::syn, tcp::ConnState state = tcp::ConnState::OTH) {
    auto failed = connection({client(1), 41000}, {kServer, static_cast<std::uint16_t>(port)}, at, at);
    failed.stage = stage;
    failed.conn_state = state;
    sessions_.ended(failed, failed.start_ns);
  }
  bool is_data(Endpoint from, Endpoint to, double at) const {
    return sessions_.control_of(connection(from, to, at)) == Endpoint{kServer, 21};
  }

  FtpSessions sessions_{flowtable::HashKey::fixed()};
  tcp::ConnectionSummary control_ = connection({client(1), 40000}, {kServer, 21}, 10.0, 20.0);
};

TEST_F(FtpSession, HasItsDataConnectionsInBothDirections) {
  EXPECT_TRUE(is_data({client(1), 40001}, {kServer, 50000}, 11.0)) << "passive";
  EXPECT_TRUE(is_data({kServer, 20}, {client(1), 50000}, 11.0)) << "active, from port 20";
}

/// A session agrees on one port after another; whoever tries dozens at once looks for what is open.
TEST_F(FtpSession, HasNothingToDoWithPortsThatAreProbedMeanwhile) {
  for (int i = 0; i < 20; ++i) tried(50000 + 7 * i, 11.0 + 0.01 * i);
  EXPECT_TRUE(is_data({client(1), 40001}, {kServer, 50000}, 11.0)) << "as many as a client may try";
  tried(50140, 11.5);
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 50000}, 11.0)) << "the first of them likewise";
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 50140}, 11.5));
  EXPECT_TRUE(is_data({client(1), 40001}, {kServer, 50000}, 12.0)) << "after the probes";
  EXPECT_TRUE(is_data({kServer, 20}, {client(1), 50000}, 11.2)) << "active, from port 20";
}

/// Half of them closed by RST, half filtered, for longer than probes are counted together.
TEST_F(FtpSession, HasNothingToDoWithALongScan) {
  for (int i = 0; i < 6000; ++i) {
    const double at = 11.0 + 0.01 * i;
    i % 2 == 0 ? tried(50000 + i, at) : tried(50000 + i, at, tcp::Stage::handshake, tcp::ConnState::REJ);
    if (i < 1000) continue;
    const int before = i - 700;  // judged seven seconds later
    EXPECT_FALSE(is_data({client(1), 41000}, {kServer, static_cast<std::uint16_t>(50000 + before)}, at - 7.0));
  }
}

TEST_F(FtpSession, HasNothingToDoWithClosedPortsThatAreProbed) {
  for (int i = 0; i < 40; ++i) tried(50000 + i, 11.0 + 0.01 * i, tcp::Stage::handshake, tcp::ConnState::REJ);
  EXPECT_FALSE(is_data({client(1), 41000}, {kServer, 50003}, 11.03));
}

/// The same port, or one every few seconds, is what a client does whose data ports a filter closes.
TEST_F(FtpSession, HasTheDataConnectionsThatAreTriedAgainAndAgain) {
  for (int i = 0; i < 60; ++i) {
    tried(50000 + i, 11.0 + 2.0 * i);
    EXPECT_TRUE(is_data({client(1), 41000}, {kServer, static_cast<std::uint16_t>(50000 + i)}, 11.0 + 2.0 * i));
  }
}

TEST(FtpSessions, CountThePairsThatTheyForget) {
  FtpSessions sessions(flowtable::HashKey::fixed());
  for (int i = 0; i < 4100; ++i) {
    const auto control = connection({address4(static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(i >> 8)), 40000},
                                    {kServer, 21}, 10.0);
    sessions.accepted(control, control.start_ns);
  }
  EXPECT_EQ(sessions.forgotten(), 4U);
}

TEST_F(FtpSession, HasNothingToDoWithOthers) {
  EXPECT_FALSE(is_data({client(2), 40001}, {kServer, 50000}, 11.0)) << "another client";
  EXPECT_FALSE(is_data({client(1), 40001}, {address4(201), 50000}, 11.0)) << "another server";
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 443}, 11.0)) << "a service";
  EXPECT_FALSE(is_data({kServer, 33000}, {client(1), 50000}, 11.0)) << "the other way, but not from port 20";
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 50000}, 9.0)) << "before the session";
}

TEST_F(FtpSession, EndsWithTheLastOfItsControlConnections) {
  const auto second = connection({client(1), 40002}, {kServer, 21}, 15.0, 40.0);
  sessions_.accepted(second, second.start_ns);
  sessions_.ended(control_, control_.end_ns);
  EXPECT_TRUE(is_data({client(1), 40001}, {kServer, 50000}, 30.0)) << "the second is still open";
  sessions_.ended(second, second.end_ns);
  EXPECT_TRUE(is_data({client(1), 40001}, {kServer, 50000}, 39.0)) << "judged later, when all is over";
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 50000}, 41.0));
}

TEST_F(FtpSession, LastsUntilItIsLetGoOfWhereNobodyHasClosedIt) {
  auto quiet = control_;
  quiet.end_reason = tcp::EndReason::expired;
  sessions_.ended(quiet, kStart + seconds(300.0));
  EXPECT_TRUE(is_data({client(1), 40001}, {kServer, 50000}, 250.0));
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 50000}, 301.0));
}

TEST_F(FtpSession, HasNoDataOnAPortThatIsKnownForSomethingElse) {
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 27017}, 11.0));
  EXPECT_FALSE(is_data({client(1), 40001}, {kServer, 8080}, 11.0));
}

/// A client that logs in: the session stays open.
Conversation& log_in(Story& story, IpAddress who, double at) {
  Conversation& control = story.connect(who, at, {kServer, 21});
  Story::open_session(control);
  return control;
}

TEST(FtpStory, NamesTheSessionOfARefusedDataConnection) {
  Story story;
  Conversation& control = log_in(story, client(1), 1.0);
  Conversation& data = story.connect(client(1), 2.0, {kServer, 50123});
  data.client(kSyn);
  data.server(kRst | kAck);
  Conversation& of_another = story.connect(client(2), 2.5, {kServer, 50123});
  of_another.client(kSyn);
  of_another.server(kRst | kAck);
  control.after(seconds(20.0)).client(kPsh | kAck, "QUIT\r\n");
  control.close();
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(data), Cause::port_closed));
  EXPECT_EQ(readings.of(data).diagnosis.ftp_control, (Endpoint{kServer, 21}));
  EXPECT_FALSE(readings.of(of_another).diagnosis.ftp_control);
}

/// A listing of an empty folder: a FIN and no octet. Elsewhere that is a refusal.
TEST(FtpStory, TakesAnEmptyTransferForService) {
  Story story;
  log_in(story, client(1), 1.0);
  Conversation* last = nullptr;
  for (int i = 0; i < 4; ++i) {
    last = &story.connect(client(1), 2.0 + i, {kServer, static_cast<std::uint16_t>(50000 + i)});
    last->handshake();
    Story::hang_up(*last);
  }
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(*last), Cause::served));
  EXPECT_TRUE(says(readings.of(*last), "nothing to transfer"));
}

}  // namespace
}  // namespace doorslam::diagnose
