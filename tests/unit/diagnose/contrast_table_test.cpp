#include "pipeline/diagnose/ledger/contrast_table.h"

#include <gtest/gtest.h>

#include "tests/unit/diagnose/ledger_book.h"

/// What the other connections of a server say beside a refusal: who was served, under what load, and what else ended.
namespace doorslam::diagnose {
namespace {

using namespace test;

class ContrastTest : public LedgerBook {};

TEST_F(ContrastTest, CountsConnectionsAndClientsBesideTheSubject) {
  serve(1, 1);
  serve(1, 2);
  serve(2, 3);
  refuse(2, 4);
  refuse(3, 5);
  refuse(9, 6);
  const Contrast k = contrast(refuse(9, 7), 7);
  EXPECT_TRUE(k.subject_accepted);
  EXPECT_EQ(k.served, 3U);
  EXPECT_EQ(k.refused, 3U) << "the subject is not counted";
  EXPECT_EQ(k.same_client.served, 0U);
  EXPECT_EQ(k.same_client.refused, 1U);
  EXPECT_EQ(k.clients.served, 2U);
  EXPECT_EQ(k.clients.refused, 2U);
  EXPECT_EQ(k.clients.both, 1U);
}

TEST_F(ContrastTest, CountsTheSubjectAsRefusedAmongThoseWhoWereBoth) {
  serve(1, 1);
  EXPECT_EQ(contrast(refuse(1, 2), 2).clients.both, 1U);
}

// --- load and ceilings ----------------------------------------------------------------------------------------------

TEST_F(ContrastTest, MeasuresTheLoadAtTheMomentOfAcceptance) {
  serve(1, 1, 10);
  serve(2, 2, 3);  // over before
  accept(9, 3);    // never ends
  accept(3, 9.5);
  const Contrast k = contrast(refuse(9, 10), 10);
  EXPECT_EQ(k.load.open_total.subject, 3U);
  EXPECT_EQ(k.load.open_client.subject, 1U);
  EXPECT_EQ(k.load.arrivals_total.subject, 1U);
  EXPECT_EQ(k.load.arrivals_client.subject, 1U);
}

TEST_F(ContrastTest, ThoseTurnedAwayHoldNoPlace) {
  refuse(1, 1);
  end(accept(2, 1.5), Outcome::left, 30);
  EXPECT_EQ(contrast(refuse(9, 2), 2).load.open_total.subject, 0U);
}

/// Youden's J: the figure at which the shares of the served and the refused from there on differ most.
TEST_F(ContrastTest, FindsTheCeilingWhereServedAndRefusedPart) {
  for (int round = 0; round < 3; ++round) {
    const double begin = 100.0 * round;
    for (int seat = 0; seat < 4; ++seat) serve(10 + seat, begin + seat, 50);  // met 0, 1, 2, 3
    refuse(20, begin + 10);                                                   // met 4
    refuse(21, begin + 12);
  }
  const Contrast k = contrast(refuse(22, 220), 220);
  EXPECT_EQ(k.load.open_total.subject, 4U);
  EXPECT_EQ(k.load.open_total.ceiling, 4U);
  EXPECT_TRUE(k.load.open_total.at_ceiling());
  EXPECT_EQ(k.load.open_total.served_below, 12U);
  EXPECT_EQ(k.load.open_total.served_from, 0U);
  EXPECT_EQ(k.load.open_total.refused_from, 7U) << "the subject included";
  EXPECT_EQ(k.load.open_total.refused_below, 0U);
  EXPECT_EQ(k.load.open_total.served_as_high, 0U);
}

TEST_F(ContrastTest, OfSeveralPossibleCeilingsTakesTheLowest) {
  // Accepted and never answered: they hold places, but are neither served nor refused.
  for (int i = 0; i < 4; ++i) end(accept(10 + i, 1 + i), Outcome::unanswered, 20);
  serve(1, 0.5, 0.1);                              // met 0
  const Contrast k = contrast(refuse(9, 10), 10);  // met 4
  EXPECT_EQ(k.load.open_total.ceiling, 1U);
}

TEST_F(ContrastTest, SessionsThatOutliveTheSubjectAreServed) {
  for (int i = 0; i < 4; ++i) accept(10 + i, 1 + i);  // met 0, 1, 2, 3; open still
  const Contrast k = contrast(refuse(9, 10), 10);     // met 4
  EXPECT_EQ(k.served, 4U);
  EXPECT_EQ(k.load.open_total.ceiling, 4U);
}

TEST_F(ContrastTest, AnOutlierDoesNotMoveTheCeiling) {
  for (int round = 0; round < 3; ++round) {
    const double begin = 100.0 * round;
    for (int seat = 0; seat < 4; ++seat) serve(10 + seat, begin + seat, 50);
    refuse(20, begin + 10);
  }
  refuse(30, 290);  // for a reason of its own: no session was open
  const Contrast k = contrast(refuse(22, 220), 220);
  EXPECT_EQ(k.load.open_total.ceiling, 4U);
  EXPECT_EQ(k.load.open_total.refused_below, 1U);
}

TEST_F(ContrastTest, HasNoCeilingWhereNobodyWasServed) {
  refuse(1, 1);
  const Contrast k = contrast(refuse(9, 2), 2);
  EXPECT_EQ(k.load.open_total.ceiling, 0U);
  EXPECT_FALSE(k.load.open_total.at_ceiling());
}

TEST_F(ContrastTest, CountsArrivalsOfASecondAndOfAMinute) {
  for (int i = 0; i < 5; ++i) refuse(9, 0.2 * i);           // 0 to 0.8 s
  for (int i = 0; i < 3; ++i) refuse(1 + i, 30 + 0.1 * i);  // 30 to 30.2 s
  const Contrast k = contrast(refuse(9, 30.5), 30.5);
  EXPECT_EQ(k.load.arrivals_total.subject, 3U);
  EXPECT_EQ(k.load.arrivals_client.subject, 5U);
}

/// Sessions that a crash ended, and those whom a server that shuts down sends away, tell nothing of a ceiling.
TEST_F(ContrastTest, LeavesTheServersOwnEndOutOfTheCeilings) {
  for (int i = 0; i < 4; ++i) serve(10 + i, 1.0 + 3 * i);
  end(accept(30, 19.0), Outcome::served, 40);
  for (int i = 0; i < 3; ++i) {
    const tcp::ConnectionSummary& one = accept(20 + i, 20.0);
    ledger_->ended(one,
                   EndedNote{.outcome = Outcome::refused_in_words, .closed_ns = at(30), .own_end = OwnEnd::crashed});
  }
  const LoadFigure sessions = contrast(refuse(9, 29), 30.5).load.open_total;
  EXPECT_EQ(sessions.refused_from + sessions.refused_below, 1U) << "the subject alone";
}

// --- what happened at the end ---------------------------------------------------------------------------------------

TEST_F(ContrastTest, TellsWhoWasCutInTheSameInstantAndWhoWentOn) {
  for (int i = 0; i < 3; ++i) end(accept(1 + i, 1), Outcome::served, 10 + 0.005 * i, true);
  end(accept(5, 1), Outcome::served, 10.005);     // left by itself at that moment
  end(accept(6, 1), Outcome::served, 9.5, true);  // cut, but before
  end(accept(7, 1), Outcome::served, 20);         // went on
  accept(8, 1);                                   // is open still
  end(accept(10, 11), Outcome::served, 12);       // came afterwards
  tcp::ConnectionSummary& subject = accept(9, 2);
  end(subject, Outcome::served, 10, true);
  const Contrast k = contrast(subject, 10);
  EXPECT_EQ(k.endings.cut_short, 3U);
  EXPECT_EQ(k.endings.went_on, 2U);
  EXPECT_EQ(k.served_again_ns, at(11));
}

TEST_F(ContrastTest, AnIdleTimerThatClosesSeveralSessionsIsNoDeath) {
  for (int i = 0; i < 5; ++i) {
    ledger_->ended(accept(10 + i, 1), EndedNote{.outcome = Outcome::served,
                                                .closed_ns = at(6.0),
                                                .cut = Cut::in_midst,
                                                .idle_ns = 5 * kSecondNs - i * 1'000'000});
  }
  Subject subject{
      .server = kServer, .client = address4(9, 1), .connection_id = 99, .accepted_ns = at(1), .closed_ns = at(6)};
  subject.idle_ns = 5 * kSecondNs;
  EXPECT_EQ(ledger_->contrast(subject).endings.cut_short, 0U) << "all were idle equally long";
  subject.idle_ns = 2 * kSecondNs;
  EXPECT_EQ(ledger_->contrast(subject).endings.cut_short, 5U) << "their idle times differ from the subject's";
}

/// Idle timers and clients' farewells are ordinary by themselves, and told apart from what was cut; where nothing
/// listens afterwards they count as well.
TEST_F(ContrastTest, CountsWhoStoppedInTheSameInstantForWhateverReason) {
  const auto idle_for = [&](int client, double idle_s) {
    ledger_->ended(accept(client, 1), EndedNote{.outcome = Outcome::served,
                                                .closed_ns = at(10),
                                                .cut = Cut::in_midst,
                                                .idle_ns = static_cast<flowtable::DurationNs>(idle_s * kSecondNs)});
  };
  for (int i = 0; i < 3; ++i) idle_for(1 + i, 5.0);
  idle_for(4, 7.0);
  ledger_->ended(accept(5, 1),
                 EndedNote{.outcome = Outcome::served, .closed_ns = at(10.001), .cut = Cut::on_last_words});
  end(accept(6, 1), Outcome::served, 10.001);  // answered, or left by its client
  Subject subject{
      .server = kServer, .client = address4(9, 1), .connection_id = 99, .accepted_ns = at(1), .closed_ns = at(10)};
  subject.idle_ns = 5 * kSecondNs;
  const Contrast k = ledger_->contrast(subject);
  EXPECT_EQ(k.endings.cut_short, 1U);
  EXPECT_EQ(k.endings.stopped, 5U);
}

// --- what was said ---------------------------------------------------------------------------------------------------

TEST_F(ContrastTest, ComparesTheFirstWords) {
  end(accept(1, 1), Outcome::served, 2, false, kWords);
  end(accept(2, 1), Outcome::served, 2, false, kWords);
  end(accept(3, 1), Outcome::served, 2, false, 5);
  end(accept(4, 1), Outcome::served, 2, false, 0);  // not known
  tcp::ConnectionSummary& subject = accept(9, 3);
  EXPECT_EQ(contrast(subject, 3, kWords).greetings.served_same, 2U);
  EXPECT_EQ(contrast(subject, 3, 0).greetings.served_same, 0U);
}

TEST_F(ContrastTest, TakesLastWordsThatTheServedNeverHearForRefusals) {
  serve(1, 1);
  for (int i = 0; i < 3; ++i) end(accept(9, 2 + i), Outcome::served, 2 + i, false, 5, true);
  tcp::ConnectionSummary& subject = accept(9, 6);
  end(subject, Outcome::served, 6, false, 5, true);
  const Contrast k = contrast(subject, 6, 5);
  EXPECT_EQ(k.same_client.refused, 3U);
  EXPECT_EQ(k.greetings.served_same, 0U);
}

TEST_F(ContrastTest, TakesTheGreetingForTheServiceWhereNobodyGetsBeyondIt) {
  for (int i = 0; i < 3; ++i) end(accept(1 + i, 1 + i), Outcome::served, 1 + i, false, 5, true);
  tcp::ConnectionSummary& subject = accept(9, 6);
  end(subject, Outcome::served, 6, false, 5, true);
  EXPECT_EQ(contrast(subject, 6, 5).served, 3U);
}

}  // namespace
}  // namespace doorslam::diagnose
