#include <gtest/gtest.h>

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/segment_scenario.h"

/// ICMP errors: whose they are, how long they make a connection wait, and which are not believed.
namespace doorslam::tcp {
namespace {

using namespace test;

/// A SYN of which a router says that it was not delivered, and what comes all the same.
class NotDelivered {
 public:
  explicit NotDelivered(flowtable::DurationNs linger_ns) : tracker_(options(linger_ns)) {
    talk.client(kSyn);
    tracker_.process(talk.segments(), batch_);
    tracker_.process(unreachable(talk), batch_);
    taken_ = talk.segments().size();
  }

  /// Tracks what `talk` has gone on with.
  Tracker& go_on() {
    tracker_.process(std::span(talk.segments()).subspan(taken_), batch_);
    taken_ = talk.segments().size();
    return tracker_;
  }
  EventBatch& events() { return batch_; }

  Conversation talk;

 private:
  static TrackerOptions options(flowtable::DurationNs linger_ns) {
    TrackerOptions options = small_options();
    options.timeouts.linger_ns = linger_ns;
    return options;
  }

  Tracker tracker_;
  EventBatch batch_;
  std::size_t taken_ = 0;
};

TEST(Icmp, IsJoinedToItsConnectionAndShortensTheWait) {
  Conversation talk;
  talk.client(kSyn);
  Tracker tracker(small_options());
  EventBatch batch;
  tracker.process(talk.segments(), batch);
  tracker.process(unreachable(talk), batch);
  EXPECT_TRUE(batch.events.empty());
  tracker.advance(talk.now() + Timeouts{}.linger_ns + kSecondNs, batch);
  ASSERT_EQ(batch.events.size(), 1U);
  EXPECT_EQ(name_of(batch.events[0].summary.conn_state), "S0");
  const IcmpNote& note = batch.evidence.at(0).icmp;
  EXPECT_EQ(note.time_ns, talk.now() + kMillisecondNs);
  EXPECT_EQ(note.reporter, address4(254));
  EXPECT_EQ(note.type, 3U);
  EXPECT_EQ(note.code, 13U);
  EXPECT_EQ(note.ttl, 61U);
  EXPECT_EQ(note.about, Side::originator);
  EXPECT_EQ(tracker.counters().icmp_joined, 1U);
}

/// A router that reports to the server must not read as one that reports to the client, whichever way the key lies.
TEST(Icmp, TellsWhoseMessageWasNotDelivered) {
  for (const auto& [client, server] : {std::pair(address4(1), address4(200)), std::pair(address4(200), address4(1))}) {
    Conversation talk({client, 40'000}, {server, 443});
    talk.client(kSyn);
    talk.server(kSyn | kAck);
    packet::IcmpError error = unreachable(talk);
    std::swap(error.source, error.destination);
    error.seq = talk.segments().back().seq;
    Tracker tracker(small_options());
    EventBatch batch;
    tracker.process(talk.segments(), batch);
    tracker.process(error, batch);
    tracker.advance(talk.now() + 120 * kSecondNs, batch);
    ASSERT_EQ(batch.evidence.size(), 1U);
    EXPECT_EQ(batch.evidence[0].icmp.time_ns, error.time_ns);
    EXPECT_EQ(batch.evidence[0].icmp.about, Side::responder);
  }
}

TEST(Icmp, DoesNotShortenAnOpenConnection) {
  Conversation talk;
  talk.handshake();
  Tracker tracker(small_options());
  EventBatch batch;
  tracker.process(talk.segments(), batch);
  tracker.process(unreachable(talk), batch);
  batch.clear();
  tracker.advance(talk.now() + 60 * kSecondNs, batch);
  EXPECT_TRUE(batch.events.empty());
}

/// An ARP request that went unanswered at first, say: whoever answers is there.
TEST(Icmp, IsForgottenWhenTheServerAnswersAfterAll) {
  for (const flowtable::DurationNs linger : {Timeouts{}.linger_ns, 40 * kSecondNs}) {
    NotDelivered scene(linger);
    Conversation& talk = scene.talk;
    talk.after(kSecondNs).client(kSyn).seq = 1000;
    talk.client_end().next = 1001;
    talk.server(kSyn | kAck);
    talk.client(kAck);
    for (int i = 0; i < 8; ++i) {
      talk.after(50 * kSecondNs);
      talk.exchange("request", std::string(300, 'x'));
    }
    talk.close();
    scene.go_on().finish(talk.now(), scene.events());
    std::vector<ConnectionEvent> ended;
    for (const auto& event : scene.events().events) {
      if (event.kind == EventKind::ended) ended.push_back(event);
    }
    ASSERT_EQ(ended.size(), 1U);
    EXPECT_EQ(name_of(ended[0].summary.conn_state), "SF");
    EXPECT_TRUE(ended[0].summary.plainly_served);
  }
}

/// The wait is that of an unanswered handshake again, though an error has made it longer.
TEST(Icmp, IsForgottenEvenIfItsWaitWasTheLonger) {
  NotDelivered scene(120 * kSecondNs);
  scene.talk.after(kSecondNs).server(kSyn | kAck);
  scene.go_on().advance(scene.talk.now() + 31 * kSecondNs, scene.events());
  EXPECT_EQ(scene.events().events.size(), 1U);
}

TEST(Icmp, IsNotBelievedIfItQuotesWhatWasNotSent) {
  const auto joined = [](const Conversation& talk, std::uint32_t seq) {
    Tracker tracker(small_options());
    EventBatch batch;
    tracker.process(talk.segments(), batch);
    packet::IcmpError error = unreachable(talk);
    error.seq = seq;
    tracker.process(error, batch);
    tracker.finish(error.time_ns, batch);
    EXPECT_EQ(tracker.counters().icmp_joined + tracker.counters().icmp_out_of_window, 1U);
    EXPECT_EQ(batch.evidence.at(0).icmp.time_ns != flowtable::kNoTime, tracker.counters().icmp_joined == 1);
    return tracker.counters().icmp_joined == 1;
  };
  Conversation attempt;
  attempt.client(kSyn);
  EXPECT_TRUE(joined(attempt, 1000));
  for (const std::uint32_t seq : {999U, 1001U, 0U, 0xdeadbeefU}) EXPECT_FALSE(joined(attempt, seq)) << seq;

  // Nothing of the server was seen that an error could be held against.
  {
    Tracker tracker(small_options());
    EventBatch batch;
    tracker.process(attempt.segments(), batch);
    packet::IcmpError error = unreachable(attempt);
    std::swap(error.source, error.destination);
    tracker.process(error, batch);
    EXPECT_EQ(tracker.counters().icmp_out_of_window, 1U);
  }

  Conversation open;
  open.handshake();
  open.client(kAck, "request");
  EXPECT_TRUE(joined(open, 1000));
  EXPECT_TRUE(joined(open, 1001));
  EXPECT_TRUE(joined(open, 1008));  // what comes next may be lost to the capture
  EXPECT_FALSE(joined(open, 999));
  EXPECT_FALSE(joined(open, 0xdeadbeef));

  Conversation picked_up;
  picked_up.client_end().next = 5'000'000;
  picked_up.client(kAck, "request");
  EXPECT_TRUE(joined(picked_up, 4'000'000));
  EXPECT_TRUE(joined(picked_up, 6'000'000));
  EXPECT_FALSE(joined(picked_up, 0xdeadbeef));
}

TEST(Icmp, AboutNobodyIsCounted) {
  Conversation talk;
  talk.client(kSyn);
  Tracker tracker(small_options());
  EventBatch batch;
  tracker.process(unreachable(talk), batch);
  EXPECT_TRUE(batch.events.empty());
  EXPECT_EQ(tracker.counters().icmp_unmatched, 1U);
  EXPECT_EQ(tracker.open_connections(), 0U);
}

}  // namespace
}  // namespace doorslam::tcp
