#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "pipeline/diagnose/verdict.h"
#include "tests/unit/diagnose/story.h"

/// Refusals after a completed handshake: what else the server was doing must tell the address list, the limit on
/// sessions and the limit on arrivals apart.
namespace doorslam::diagnose {
namespace {

using namespace test;

/// Nine clients are served, and one is sent away four times in between. What comes after its handshakes, `refuse`
/// does. Returns its last attempt.
template <class Refuse>
Conversation& send_one_away(Story& story, Refuse refuse) {
  for (int i = 0; i < 9; ++i) story.serve(client(10 + i), 1.0 + 2.0 * i, 3.0);
  Conversation* last = nullptr;
  for (int i = 0; i < 4; ++i) {
    last = &story.connect(client(1), 2.5 + 4.0 * i);
    last->handshake();
    refuse(*last);
  }
  return *last;
}

/// One client is refused four times by a FIN without a word, nine others are served before, between and after.
class AddressListStory : public testing::Test {
 protected:
  AddressListStory() {
    for (int i = 0; i < 9; ++i) story_.serve(client(10 + i), 1.0 + 2.0 * i, 3.0);
    for (int i = 0; i < 4; ++i) refused_.push_back(&story_.refuse(client(1), 2.5 + 4.0 * i));
  }

  Story story_;
  std::vector<Conversation*> refused_;
};

TEST_F(AddressListStory, IsReadAsTheClientsAddress) {
  const Readings readings = story_.read();
  for (Conversation* refused : refused_) {
    EXPECT_TRUE(is_read_as(readings.of(*refused), Cause::acl_denied));
    EXPECT_TRUE(argues_for(readings.of(*refused), Cause::acl_denied, "without sending a byte"));
  }
  // Only the last is judged when all four have happened, and nobody else's refusals count.
  const DiagnosedConnection& last = readings.of(*refused_.back());
  EXPECT_TRUE(argues_for(last, Cause::acl_denied, "refused 4 of 4 times, while 9 other clients were served"));
}

TEST_F(AddressListStory, RulesTheOtherHypothesesOut) {
  const Readings readings = story_.read();
  const DiagnosedConnection& last = readings.of(*refused_.back());
  EXPECT_TRUE(argues_against(last, Cause::bad_handshake_ack, "the handshake's numbers fit"));
  EXPECT_TRUE(argues_against(last, Cause::bad_handshake_ack, "a faulty ACK meets a RST, not a FIN"));
  EXPECT_TRUE(argues_against(last, Cause::app_crash, "went on undisturbed"));
  EXPECT_TRUE(argues_against(last, Cause::connection_limit, "served ones were let in at as many or more"));
  EXPECT_TRUE(argues_against(last, Cause::rate_limit, "had arrived in the second before"));
  EXPECT_LT(probability_of(last, Cause::bad_handshake_ack), 0.02);
  EXPECT_LT(probability_of(last, Cause::app_crash), 0.1);
  EXPECT_LT(probability_of(last, Cause::connection_limit), 0.1);
}

TEST_F(AddressListStory, LeavesTheServedServed) {
  for (const DiagnosedConnection& reading : story_.read().all) {
    if (reading.summary.originator.address == client(1)) continue;
    EXPECT_TRUE(is_read_as(reading, Cause::served));
  }
}

TEST_F(AddressListStory, IsTheSameWhenTheServersCloseBecomesAReset) {
  // Linux closes with a RST when the client's first words lie unread.
  Story story;
  Conversation& last = send_one_away(story, [](Conversation& talk) {
    talk.client(kPsh | kAck, "HELLO\r\n");
    talk.server(kRst | kAck);
  });
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(last), Cause::acl_denied));
  EXPECT_TRUE(says(readings.of(last), "a RST alone is no sign of a crash"));
}

/// A server with three seats: whoever comes while three are taken is shown the door.
TEST(LicenceServerStory, NamesTheCeiling) {
  Story story;
  std::vector<Conversation*> refused;
  for (int round = 0; round < 4; ++round) {
    const double at = 20.0 * round;
    for (int seat = 0; seat < 3; ++seat) story.serve(client(10 + seat + round), at + seat, 12.0);
    refused.push_back(&story.refuse(client(10 + (round + 4) % 7), at + 5.0));
    refused.push_back(&story.refuse(client(10 + (round + 5) % 7), at + 8.0));
  }
  const Readings readings = story.read();
  const DiagnosedConnection& last = readings.of(*refused.back());
  for (Conversation* one : refused) EXPECT_TRUE(is_read_as(readings.of(*one), Cause::connection_limit));
  EXPECT_TRUE(argues_for(last, Cause::connection_limit, "3 sessions were open on this port then"));
  EXPECT_TRUE(argues_for(last, Cause::connection_limit, "12 of 12 served came below 3, 8 of 8 refused at 3 or more"));
  EXPECT_TRUE(argues_against(last, Cause::acl_denied, "was served"));
  ASSERT_TRUE(last.diagnosis.limit);
  EXPECT_EQ(last.diagnosis.limit->kind, LimitKind::sessions);
  EXPECT_EQ(last.diagnosis.limit->ceiling, 3U);
  EXPECT_EQ(last.diagnosis.limit->refused_from, 8U);
  EXPECT_EQ(last.diagnosis.limit->served_below, 12U);
}

/// Seats that are taken for hours are taken still when the judgement's window has passed.
TEST(LicenceServerStory, CountsSessionsThatBeganLongBefore) {
  Story story;
  for (int seat = 0; seat < 3; ++seat) {
    Conversation& talk = story.open(client(10 + seat), 1.0 + seat);
    for (int minutes = 0; minutes < 45; ++minutes) {
      talk.after(60 * kSecondNs).client(kPsh | kAck, "NOOP\r\n");
      talk.server(kPsh | kAck, "200 ok\r\n");
    }
  }
  for (int i = 0; i < 4; ++i) {
    story.serve(client(20 + i), 1800.0 + 60 * i, 20.0);  // the fourth seat
    story.refuse(client(30 + i), 1810.0 + 60 * i);
  }
  Conversation& last = story.refuse(client(20), 1990.0);
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(last), Cause::connection_limit));
  EXPECT_TRUE(argues_for(readings.of(last), Cause::connection_limit, "4 sessions were open on this port then"));
}

/// Two sessions an address: the third of the same client is refused, though others still get in.
TEST(LimitPerClientStory, NamesTheClientsOwnSessions) {
  Story story;
  std::vector<Conversation*> refused;
  for (int round = 0; round < 3; ++round) {
    const double at = 30.0 * round;
    story.serve(client(1), at + 1, 15.0);
    story.serve(client(1), at + 2, 15.0);
    refused.push_back(&story.refuse(client(1), at + 5.0));
    refused.push_back(&story.refuse(client(1), at + 9.0));
    for (int i = 0; i < 6; ++i) story.serve(client(20 + i), at + 3 + i, 10.0);
  }
  const Readings readings = story.read();
  const DiagnosedConnection& last = readings.of(*refused.back());
  EXPECT_TRUE(is_read_as(last, Cause::connection_limit));
  EXPECT_TRUE(argues_for(last, Cause::connection_limit, "this client held 2 sessions open already"));
  ASSERT_TRUE(last.diagnosis.limit);
  EXPECT_EQ(last.diagnosis.limit->kind, LimitKind::client_sessions);
  EXPECT_EQ(last.diagnosis.limit->ceiling, 2U);
}

/// Clients of one pace, until `outage_at`: from then on nobody is served, and everybody comes again twice as fast.
std::vector<Conversation*> play_outage(Story& story, double outage_at, double back_at) {
  std::vector<Conversation*> refused;
  for (int who = 0; who < 8; ++who) {
    for (double at = 1.0 + 0.11 * who; at < 20.0;) {
      const bool is_out = at >= outage_at && at < back_at;
      if (is_out) {
        refused.push_back(&story.refuse(client(10 + who), at));
      } else {
        story.serve(client(10 + who), at, 0.05);
      }
      at += is_out ? 0.55 : 0.9 + 0.03 * who;
    }
  }
  return refused;
}

/// "So many in the minute before" grows with a capture's first minute, and is the time in other words.
TEST(OutageStory, IsNoRateLimitHoweverManyHaveComeByThen) {
  for (const double back_at : {15.0, 100.0}) {
    Story story;
    const std::vector<Conversation*> refused = play_outage(story, 8.0, back_at);
    const Readings readings = story.read();
    for (Conversation* talk : refused) {
      const DiagnosedConnection& reading = readings.of(*talk);
      // When hardly anybody is left on the table who was served, time and load part them nearly as well: then nothing
      // is named.
      EXPECT_LT(probability_of(reading, Cause::rate_limit), kLeastConfidence) << in_full(reading.diagnosis);
      EXPECT_LT(probability_of(reading, Cause::connection_limit), 0.2) << in_full(reading.diagnosis);
      EXPECT_TRUE(argues_for(reading, Cause::maintenance, "of 8 clients were refused"));
      EXPECT_LT(reading.diagnosis.confidence, 0.7) << "who is to blame is not seen from here";
    }
  }
}

/// A relay whose other end is gone for some seconds. Two sessions that stand open all the while are no limit: when it
/// is back, the next are served beside them.
TEST(OutageStory, IsNoLimitWhereItEndsWithAsManySessionsOpen) {
  for (const bool ends_by_itself : {true, false}) {
    Story story;
    for (int i = 0; i < 4; ++i) story.serve(client(10 + i), 1.0 + 0.5 * i, 0.1);
    std::vector<Conversation*> standing;
    for (int i = 0; i < 2; ++i) standing.push_back(&story.open(client(20 + i), 3.4 + 0.1 * i));
    std::vector<Conversation*> refused;
    for (int i = 0; i < 5; ++i) refused.push_back(&story.refuse(client(10 + i % 4), 4.0 + 0.45 * i));
    for (Conversation* talk : standing) {
      talk->set_now(kStart + seconds(ends_by_itself ? 12.0 : 6.5));
      talk->client(kPsh | kAck, "QUIT\r\n");
      Story::hang_up(*talk);
    }
    for (int i = 0; i < 4; ++i) story.serve(client(10 + i), 7.0 + 0.5 * i, 0.1);
    const Readings readings = story.read();
    for (Conversation* talk : refused) {
      const DiagnosedConnection& reading = readings.of(*talk);
      EXPECT_EQ(reading.diagnosis.cause == Cause::connection_limit, !ends_by_itself) << in_full(reading.diagnosis);
      EXPECT_EQ(static_cast<bool>(says(reading, "2 sessions were open on this port then: ")), !ends_by_itself);
      EXPECT_EQ(reading.diagnosis.limit.has_value(), !ends_by_itself);
    }
  }
}

/// A load balancer without what is behind it, for a while: one of those whom it refuses then had been served before,
/// the others come for the first time. Few need have been served.
TEST(OutageStory, IsNoListForThoseWhoComeForTheFirstTime) {
  for (const auto& [is_outage, served] : {std::pair(true, 6), {true, 3}, {false, 6}, {false, 3}}) {
    Story story;
    std::vector<Conversation*> newcomers;
    for (int i = 0; i < served; ++i) story.serve(client(10 + i % 3), 1.0 + 0.3 * i, 0.1);
    for (int i = 0; i < 2; ++i) {
      const double at = 5.0 + 2.0 * i;
      is_outage ? story.refuse(client(10), at) : story.serve(client(10), at, 0.1);
      for (int who = 0; who < 3; ++who) newcomers.push_back(&story.refuse(client(20 + who), at + 0.4 + 0.4 * who));
    }
    for (int i = 0; i < served; ++i) story.serve(client(10 + i % 3), 12.0 + 0.3 * i, 0.1);
    const Readings readings = story.read();
    for (Conversation* talk : newcomers) {
      const DiagnosedConnection& reading = readings.of(*talk);
      EXPECT_EQ(reading.diagnosis.cause == Cause::acl_denied, !is_outage) << in_full(reading.diagnosis);
      EXPECT_EQ(static_cast<bool>(argues_for(reading, Cause::acl_denied, "this client was refused 2 of 2 times")),
                !is_outage);
    }
  }
}

/// A list that is tightened while it is in force: three are served until then, the others as before and as often.
TEST(ChangedListStory, RefusesThoseWhoWereServedBefore) {
  Story story;
  std::vector<Conversation*> refused;
  for (int who = 0; who < 10; ++who) {
    for (int i = 0; i < 16; ++i) {
      const double at = 1.0 + 0.07 * who + 0.9 * i;
      if (who < 3 && at >= 7.0) {
        refused.push_back(&story.refuse(client(10 + who), at));
      } else {
        story.serve(client(10 + who), at, 0.05);
      }
    }
  }
  const Readings readings = story.read();
  for (Conversation* talk : refused) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::acl_denied));
    EXPECT_TRUE(argues_for(readings.of(*talk), Cause::acl_denied, "7 other clients were served"));
  }
}

/// Each of them is let in five times a minute, and comes as often as it likes: they are refused from a time on, too,
/// but each from one of its own, and at the same number.
TEST(RateLimitStory, OfEachClientIsNoOutageAndNoChangedList) {
  Story story;
  Conversation* last = nullptr;
  for (int who = 0; who < 4; ++who) {
    for (int i = 0; i < 12; ++i) {
      const double at = 1.0 + 0.3 * who + (1.0 + 0.3 * who) * i;
      if (i >= 5) {
        last = &story.refuse(client(10 + who), at);
      } else {
        story.serve(client(10 + who), at, 0.05);
      }
    }
  }
  for (int i = 0; i < 6; ++i) {
    for (int who = 0; who < 2; ++who) story.serve(client(20 + who), 1.5 + 15.0 * i + who, 0.05);
  }
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(*last), Cause::rate_limit));
  EXPECT_TRUE(argues_for(readings.of(*last), Cause::rate_limit, "in the minute before"));
}

/// Five arrivals a second are taken, the rest refused; sessions are short, so that no limit on them can be meant.
TEST(RateLimitStory, NamesTheArrivals) {
  Story story;
  std::vector<Conversation*> refused;
  for (int burst = 0; burst < 4; ++burst) {
    const double at = 10.0 * burst;
    for (int i = 0; i < 5; ++i) story.serve(client(10 + (i + burst) % 12), at + 0.06 * i, 0.01);
    for (int i = 5; i < 10; ++i) refused.push_back(&story.refuse(client(10 + (i + burst) % 12), at + 0.06 * i));
    for (int i = 0; i < 3; ++i) story.serve(client(10 + i), at + 4 + i, 0.01);
  }
  const Readings readings = story.read();
  const DiagnosedConnection& last = readings.of(*refused.back());
  EXPECT_TRUE(is_read_as(last, Cause::rate_limit));
  EXPECT_TRUE(argues_for(last, Cause::rate_limit, "connections had arrived in the second before"));
  EXPECT_TRUE(argues_against(last, Cause::connection_limit, "no other session was open"));
  ASSERT_TRUE(last.diagnosis.limit);
  EXPECT_EQ(last.diagnosis.limit->kind, LimitKind::arrivals);
  EXPECT_EQ(last.diagnosis.limit->ceiling, 5U);
}

/// daytime, qotd, whois: the server says what it has to say and closes, to everybody.
TEST(OneShotServiceStory, IsServed) {
  Story story;
  std::vector<Conversation*> talks;
  for (int i = 0; i < 6; ++i) {
    Conversation& talk = story.connect(client(10 + i), 1.0 + i);
    talk.handshake();
    talk.server(kPsh | kAck, "01 JAN 2024 12:00:0" + std::to_string(i) + " UTC\r\n");
    Story::hang_up(talk);
    talks.push_back(&talk);
  }
  const Readings readings = story.read();
  for (Conversation* talk : talks) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

/// Words that no signature knows: but they are not those that the served get to hear.
TEST(UnknownWordsStory, AreARefusalWhereTheServedHearOthers) {
  Story story;
  Conversation& last = send_one_away(story, [](Conversation& talk) {
    talk.server(kPsh | kAck, "zutritt verwehrt\r\n");
    Story::hang_up(talk);
  });
  const Readings readings = story.read();
  EXPECT_TRUE(is_read_as(readings.of(last), Cause::acl_denied));
  EXPECT_TRUE(argues_against(readings.of(last), Cause::served, "said something else than to the"));
  EXPECT_EQ(readings.of(last).diagnosis.banner, "zutritt verwehrt\\r\\n");
}

/// The same where the client speaks at once, as Redis' and SSH's do: the server's words are no answer to it.
TEST(UnknownWordsStory, AreARefusalToAClientThatSpokeAtOnce) {
  Story story;
  Conversation& last = send_one_away(story, [](Conversation& talk) {
    talk.client(kPsh | kAck, "HELLO 1\r\n");
    talk.server(kPsh | kAck, "zutritt verwehrt\r\n");
    Story::hang_up(talk);
  });
  const Readings readings = story.read();
  EXPECT_NE(readings.of(last).diagnosis.cause, Cause::served);
  EXPECT_TRUE(argues_against(readings.of(last), Cause::served, "said something else than to the"));
}

/// A service that answers once and closes, where nobody gets more, is one.
TEST(UnknownWordsStory, AreTheServiceWhereNobodyHearsMore) {
  Story story;
  std::vector<Conversation*> talks;
  for (int i = 0; i < 6; ++i) {
    Conversation& talk = story.connect(client(10 + i), 1.0 + i);
    talk.handshake();
    talk.client(kPsh | kAck, "was gibt es?\r\n");
    talk.server(kPsh | kAck, std::string(1, static_cast<char>('a' + i)) + " gibt es\r\n");
    Story::hang_up(talk);
    talks.push_back(&talk);
  }
  const Readings readings = story.read();
  for (Conversation* talk : talks) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::served));
}

/// Whoever is refused twice and served in between is on no address list.
TEST(ServedAtOtherTimesStory, SpeaksAgainstTheAddressList) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(10 + i), 1.0 + 2.0 * i, 1.0);
  story.refuse(client(1), 2.0);
  story.serve(client(1), 6.0, 1.0);
  Conversation& last = story.refuse(client(1), 10.0);
  const Readings readings = story.read();
  EXPECT_TRUE(argues_against(readings.of(last), Cause::acl_denied, "the same client was served 1 time and refused 2"));
  EXPECT_LT(probability_of(readings.of(last), Cause::acl_denied), 0.35);
}

/// One client has no session but the one whose second is refused, and nobody else overlaps: both ceilings fit as well.
TEST(LimitPerClientStory, IsNamedWhereTheFigureOfAllFitsNoBetter) {
  Story story;
  Conversation* last = nullptr;
  for (int round = 0; round < 5; ++round) {
    story.serve(client(1 + round % 2), 20.0 * round, 10.0);
    last = &story.refuse(client(1 + round % 2), 20.0 * round + 4.0);
  }
  const DiagnosedConnection reading = story.read().of(*last);
  EXPECT_TRUE(is_read_as(reading, Cause::connection_limit));
  ASSERT_TRUE(reading.diagnosis.limit);
  EXPECT_EQ(reading.diagnosis.limit->kind, LimitKind::client_sessions);
  EXPECT_DOUBLE_EQ(reading.diagnosis.limit->fit(), 1.0);
}

/// One of several refusals happens to meet an open session: that is no limit, and not told as one.
TEST(LimitStory, IsNoneWhereMostOfTheRefusedDidNotMeetIt) {
  Story story;
  for (int i = 0; i < 8; ++i) story.serve(client(10 + i), 1.0 + 4.0 * i, 2.0);
  for (int i = 0; i < 7; ++i) story.refuse(client(1), 3.5 + 4.0 * i);
  Conversation& beside_a_session = story.refuse(client(1), 30.5);
  const DiagnosedConnection reading = story.read().of(beside_a_session);
  EXPECT_TRUE(is_read_as(reading, Cause::acl_denied));
  EXPECT_FALSE(says(reading, "refused at 1 or more"));
}

/// The sentences count one as one.
/// Half of this client's refusals met one session, which is chance: it is refused without one as well.
TEST(LimitStory, IsNoneForAClientThatIsRefusedBelowItAsWell) {
  Story story;
  for (int i = 0; i < 6; ++i) story.serve(client(20 + i), 1.0 + 4.0 * i, 1.0);
  std::vector<Conversation*> refused;
  for (int i = 0; i < 6; ++i) refused.push_back(&story.refuse(client(9), (i % 2 == 0 ? 1.5 : 3.5) + 4.0 * i));
  const Readings readings = story.read();
  for (Conversation* talk : refused) EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::acl_denied));
}

/// Whoever asks is sent away: an address has nothing to do with it, as far as anybody can tell.
TEST(NobodyServedStory, IsNoAddressList) {
  Story story;
  std::vector<Conversation*> talks;
  for (int i = 0; i < 5; ++i) {
    Conversation& talk = story.connect(client(10 + i), 1.0 + 2.0 * i);
    talk.handshake();
    talk.client(kPsh | kAck, "HELLO\r\n");
    Story::hang_up(talk);
    talks.push_back(&talk);
  }
  const Readings readings = story.read();
  for (Conversation* talk : talks) {
    EXPECT_TRUE(is_read_as(readings.of(*talk), Cause::unknown));
    EXPECT_NE(hypothesis_of(readings.of(*talk), Cause::acl_denied), nullptr) << "the candidates are listed";
  }
}

TEST(SentenceStory, SaysWasOfOne) {
  Story story;
  story.serve(client(10), 1.0);
  story.refuse(client(11), 5.0);
  story.serve(client(11), 7.0);
  story.refuse(client(1), 9.0);
  Conversation& last = story.refuse(client(1), 12.0);
  const DiagnosedConnection reading = story.read().of(last);
  EXPECT_TRUE(says(reading, "while 2 other clients were served"));
  EXPECT_TRUE(says(reading, "the only other client that was refused here was served at other times"));
  EXPECT_TRUE(says(reading, "no other connection had arrived in the second before, and 1 connection of this client"));

  Story lonely;
  lonely.serve(client(10), 1.0);
  Conversation& refused = lonely.refuse(client(1), 5.0);
  EXPECT_TRUE(says(lonely.read().of(refused), "while 1 other client was served"));
}

/// A capture that begins too late shows a request and a close: service or refusal, nobody can tell.
TEST(LateCaptureStory, ACloseOfWhichTheBeginningIsMissingIsNotCalledServed) {
  Story story;
  Conversation& talk = story.connect(client(1), 1.0);
  talk.handshake();
  for (int i = 0; i < 3; ++i) talk.lose_latest();
  talk.client(kPsh | kAck, "hello");
  talk.server(kRst | kAck);
  for (int i = 0; i < 3; ++i) story.serve(client(10 + i), 5.0 + i);
  const DiagnosedConnection reading = story.read().of(talk);
  EXPECT_TRUE(is_read_as(reading, Cause::unknown));
  EXPECT_GT(probability_of(reading, Cause::served), 0.3) << "it remains the first of the candidates";
  EXPECT_GT(probability_of(reading, Cause::connection_limit), 0.02);
}

/// A scan over more endpoints than the ledger remembers must not take away what it knows of the servers.
TEST(ScanStory, TakesNoServersHistory) {
  const auto confidence_beside = [](const std::function<void(Conversation&)>& probe) {
    Story story;
    for (int i = 0; i < 12; ++i) story.serve(client(10 + i), 1.0 + i, 0.5);
    for (int i = 0; i < 3; ++i) story.refuse(client(1), 2.5 + 3.0 * i);
    for (int i = 0; probe && i < 200; ++i) {
      probe(story.connect(client(99), 20.0 + 0.01 * i, {address4(static_cast<std::uint8_t>(i), 7), 80}));
    }
    Conversation& last = story.refuse(client(1), 40.0);
    story.serve(client(9), 60.0);
    AnalysisOptions few;
    few.ledger.capacity_servers = 8;
    const Readings readings = story.read({.analysis = few});
    EXPECT_TRUE(is_read_as(readings.of(last), Cause::acl_denied));
    return readings.of(last).diagnosis.confidence;
  };
  const double alone = confidence_beside(nullptr);
  const auto meets_reset = [](std::uint8_t flags) {
    return [flags](Conversation& talk) {
      talk.client(flags);
      talk.server(kRst | kAck);
    };
  };
  EXPECT_EQ(confidence_beside(meets_reset(kSyn)), alone);
  EXPECT_EQ(confidence_beside(meets_reset(kAck)), alone);
  EXPECT_EQ(confidence_beside(meets_reset(kFin)), alone);
  EXPECT_EQ(confidence_beside(meets_reset(kFin | kPsh)), alone);
  EXPECT_EQ(confidence_beside([](Conversation& talk) { talk.client(kAck); }), alone) << "filtered";
}

}  // namespace
}  // namespace doorslam::diagnose
