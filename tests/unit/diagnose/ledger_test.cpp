#include "pipeline/diagnose/ledger.h"

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/segment_scenario.h"

/// The ledger of servers by itself: what it counts, and what it forgets.
namespace doorslam::diagnose {
namespace {

using flowtable::Endpoint;
using flowtable::kMillisecondNs;
using flowtable::kSecondNs;
using flowtable::TimeNs;
using test::address4;
using test::kStart;

const Endpoint kServer{address4(200), 5000};
constexpr std::uint32_t kWords = 77;

TimeNs at(double seconds) { return kStart + static_cast<TimeNs>(seconds * kSecondNs); }

/// One book of connections, numbered as they come.
class LedgerTest : public testing::Test {
 protected:
  LedgerTest() { use({}); }
  void use(const LedgerOptions& options) { ledger_ = std::make_unique<Ledger>(options); }
  void use_window(double seconds) { ledger_->set_window(static_cast<flowtable::DurationNs>(seconds * kSecondNs)); }

  tcp::ConnectionSummary& accept(int client, double seconds, const Endpoint& server = kServer) {
    tcp::ConnectionSummary& one = connections_.emplace_back();
    one.id = connections_.size();
    one.originator = {address4(static_cast<std::uint8_t>(client), 1), 40000};
    one.responder = server;
    one.start_ns = at(seconds);
    ledger_->accepted(one, at(seconds));
    return one;
  }
  void end(const tcp::ConnectionSummary& one, Outcome outcome, double seconds, bool cut_short = false,
           std::uint32_t words = 0, bool hung_up_soon = false) {
    ledger_->ended(one, EndedNote{.outcome = outcome,
                                  .closed_ns = at(seconds),
                                  .cut = cut_short ? Cut::in_midst : Cut::none,
                                  .words = words,
                                  .hung_up_soon = hung_up_soon});
  }
  tcp::ConnectionSummary& serve(int client, double seconds, double lasting = 1.0) {
    tcp::ConnectionSummary& one = accept(client, seconds);
    end(one, Outcome::served, seconds + lasting, false, kWords);
    return one;
  }
  tcp::ConnectionSummary& refuse(int client, double seconds) {
    tcp::ConnectionSummary& one = accept(client, seconds);
    end(one, Outcome::refused_silently, seconds);
    return one;
  }
  Contrast contrast(const tcp::ConnectionSummary& one, double closed, std::uint32_t words = 0) {
    return ledger_->contrast(Subject{.server = one.responder,
                                     .client = one.originator.address,
                                     .connection_id = one.id,
                                     .accepted_ns = one.start_ns,
                                     .closed_ns = at(closed),
                                     .words = words});
  }

  std::unique_ptr<Ledger> ledger_;
  std::deque<tcp::ConnectionSummary> connections_;
};

TEST_F(LedgerTest, CountsConnectionsAndClientsBesideTheSubject) {
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
  EXPECT_EQ(k.same_client_served, 0U);
  EXPECT_EQ(k.same_client_refused, 1U);
  EXPECT_EQ(k.clients_served, 2U);
  EXPECT_EQ(k.clients_refused, 2U);
  EXPECT_EQ(k.clients_both, 1U);
}

TEST_F(LedgerTest, CountsTheSubjectAsRefusedAmongThoseWhoWereBoth) {
  serve(1, 1);
  EXPECT_EQ(contrast(refuse(1, 2), 2).clients_both, 1U);
}

TEST_F(LedgerTest, KnowsNothingOfOtherServers) {
  end(accept(1, 1, {address4(200), 5001}), Outcome::served, 2);
  end(accept(1, 1, {address4(201), 5000}), Outcome::served, 2);
  const Contrast k = contrast(refuse(9, 3), 3);
  EXPECT_EQ(k.served + k.refused, 0U);
  EXPECT_EQ(ledger_->marks_of({address4(202), 5000}), nullptr);
}

TEST_F(LedgerTest, OfAServerThatItNeverSawSaysNothing) {
  tcp::ConnectionSummary stranger;
  stranger.id = 99;
  stranger.responder = {address4(210), 1};
  const Contrast k = contrast(stranger, 1);
  EXPECT_FALSE(k.subject_accepted);
  EXPECT_EQ(k.served + k.refused + k.open_total.subject, 0U);
}

// --- load and ceilings ----------------------------------------------------------------------------------------------

TEST_F(LedgerTest, MeasuresTheLoadAtTheMomentOfAcceptance) {
  serve(1, 1, 10);
  serve(2, 2, 3);  // over before
  accept(9, 3);    // never ends
  accept(3, 9.5);
  const Contrast k = contrast(refuse(9, 10), 10);
  EXPECT_EQ(k.open_total.subject, 3U);
  EXPECT_EQ(k.open_client.subject, 1U);
  EXPECT_EQ(k.arrivals_total.subject, 1U);
  EXPECT_EQ(k.arrivals_client.subject, 1U);
}

TEST_F(LedgerTest, ThoseTurnedAwayHoldNoPlace) {
  refuse(1, 1);
  end(accept(2, 1.5), Outcome::left, 30);
  EXPECT_EQ(contrast(refuse(9, 2), 2).open_total.subject, 0U);
}

/// Youden's J: the figure at which the shares of the served and the refused from there on differ most.
TEST_F(LedgerTest, FindsTheCeilingWhereServedAndRefusedPart) {
  for (int round = 0; round < 3; ++round) {
    const double begin = 100.0 * round;
    for (int seat = 0; seat < 4; ++seat) serve(10 + seat, begin + seat, 50);  // met 0, 1, 2, 3
    refuse(20, begin + 10);                                                   // met 4
    refuse(21, begin + 12);
  }
  const Contrast k = contrast(refuse(22, 220), 220);
  EXPECT_EQ(k.open_total.subject, 4U);
  EXPECT_EQ(k.open_total.ceiling, 4U);
  EXPECT_TRUE(k.open_total.at_ceiling());
  EXPECT_EQ(k.open_total.served_below, 12U);
  EXPECT_EQ(k.open_total.served_from, 0U);
  EXPECT_EQ(k.open_total.refused_from, 7U) << "the subject included";
  EXPECT_EQ(k.open_total.refused_below, 0U);
  EXPECT_EQ(k.open_total.served_as_high, 0U);
}

TEST_F(LedgerTest, OfSeveralPossibleCeilingsTakesTheLowest) {
  // Accepted and never answered: they hold places, but are neither served nor refused.
  for (int i = 0; i < 4; ++i) end(accept(10 + i, 1 + i), Outcome::unanswered, 20);
  serve(1, 0.5, 0.1);                              // met 0
  const Contrast k = contrast(refuse(9, 10), 10);  // met 4
  EXPECT_EQ(k.open_total.ceiling, 1U);
}

TEST_F(LedgerTest, SessionsThatOutliveTheSubjectAreServed) {
  for (int i = 0; i < 4; ++i) accept(10 + i, 1 + i);  // met 0, 1, 2, 3; open still
  const Contrast k = contrast(refuse(9, 10), 10);     // met 4
  EXPECT_EQ(k.served, 4U);
  EXPECT_EQ(k.open_total.ceiling, 4U);
}

TEST_F(LedgerTest, AStormOfRefusalsDoesNotHideTheSessionsThatHoldThePlaces) {
  for (int i = 0; i < 4; ++i) accept(10 + i, 1 + i);
  const tcp::ConnectionSummary* subject = nullptr;
  for (int i = 0; i < 900; ++i) {
    const auto& refused = refuse(20 + i % 100, 10 + 0.01 * i);
    if (i == 450) subject = &refused;
  }
  const Contrast k = contrast(*subject, 14.5);
  EXPECT_TRUE(k.subject_accepted);
  EXPECT_EQ(k.open_total.subject, 4U);
  EXPECT_EQ(k.open_total.ceiling, 4U);
}

/// A judgement goes on from where the last one of its server stood: that must show in nothing but the time it takes.
TEST_F(LedgerTest, JudgesTheSameInWhateverOrderItIsAsked) {
  const Endpoint other{address4(201), 5001};
  const auto write = [&] {
    connections_.clear();
    for (int i = 0; i < 1500; ++i) {
      const double now = 0.01 * i;
      if (i % 3 == 0) {
        end(accept(i % 50, now, other), Outcome::served, now + 0.5, false, kWords);
      } else if (i % 4 == 0) {
        serve(i % 40, now, 0.3);
      } else {
        refuse(100 + i % 30, now);
      }
    }
  };
  write();
  constexpr std::array kAsked = {1400, 3, 700, 701, 702, 5, 1499, 64, 900, 1001, 10, 1302};
  for (const int i : kAsked) {
    const tcp::ConnectionSummary& subject = connections_[static_cast<std::size_t>(i)];
    const Contrast in_one_row = contrast(subject, 0.01 * i);
    auto kept = std::move(ledger_);
    use({});
    write();
    const Contrast alone = contrast(connections_[static_cast<std::size_t>(i)], 0.01 * i);
    ledger_ = std::move(kept);
    EXPECT_EQ(in_one_row.served, alone.served) << i;
    EXPECT_EQ(in_one_row.refused, alone.refused) << i;
    EXPECT_EQ(in_one_row.clients_refused, alone.clients_refused) << i;
    EXPECT_EQ(in_one_row.open_total.ceiling, alone.open_total.ceiling) << i;
    EXPECT_EQ(in_one_row.open_total.served_as_high, alone.open_total.served_as_high) << i;
    EXPECT_EQ(in_one_row.arrivals_total.subject, alone.arrivals_total.subject) << i;
    EXPECT_EQ(in_one_row.served_again_ns, alone.served_again_ns) << i;
  }
}

TEST_F(LedgerTest, AnIdleTimerThatClosesSeveralSessionsIsNoDeath) {
  for (int i = 0; i < 5; ++i) {
    ledger_->ended(accept(10 + i, 1), EndedNote{.outcome = Outcome::served,
                                                .closed_ns = at(6.0),
                                                .cut = Cut::in_midst,
                                                .idle_ns = 5 * kSecondNs - i * 1'000'000});
  }
  Subject subject{
      .server = kServer, .client = address4(9, 1), .connection_id = 99, .accepted_ns = at(1), .closed_ns = at(6)};
  subject.idle_ns = 5 * kSecondNs;
  EXPECT_EQ(ledger_->contrast(subject).ended_together, 0U) << "all were idle equally long";
  subject.idle_ns = 2 * kSecondNs;
  EXPECT_EQ(ledger_->contrast(subject).ended_together, 5U) << "their idle times differ from the subject's";
}

TEST_F(LedgerTest, AnOutlierDoesNotMoveTheCeiling) {
  for (int round = 0; round < 3; ++round) {
    const double begin = 100.0 * round;
    for (int seat = 0; seat < 4; ++seat) serve(10 + seat, begin + seat, 50);
    refuse(20, begin + 10);
  }
  refuse(30, 290);  // for a reason of its own: no session was open
  const Contrast k = contrast(refuse(22, 220), 220);
  EXPECT_EQ(k.open_total.ceiling, 4U);
  EXPECT_EQ(k.open_total.refused_below, 1U);
}

TEST_F(LedgerTest, HasNoCeilingWhereNobodyWasServed) {
  refuse(1, 1);
  const Contrast k = contrast(refuse(9, 2), 2);
  EXPECT_EQ(k.open_total.ceiling, 0U);
  EXPECT_FALSE(k.open_total.at_ceiling());
}

TEST_F(LedgerTest, CountsArrivalsOfASecondAndOfAMinute) {
  for (int i = 0; i < 5; ++i) refuse(9, 0.2 * i);           // 0 to 0.8 s
  for (int i = 0; i < 3; ++i) refuse(1 + i, 30 + 0.1 * i);  // 30 to 30.2 s
  const Contrast k = contrast(refuse(9, 30.5), 30.5);
  EXPECT_EQ(k.arrivals_total.subject, 3U);
  EXPECT_EQ(k.arrivals_client.subject, 5U);
}

// --- what happened at the end ---------------------------------------------------------------------------------------

TEST_F(LedgerTest, TellsWhoWasCutInTheSameInstantAndWhoWentOn) {
  for (int i = 0; i < 3; ++i) end(accept(1 + i, 1), Outcome::served, 10 + 0.005 * i, true);
  end(accept(5, 1), Outcome::served, 10.005);     // left by itself at that moment
  end(accept(6, 1), Outcome::served, 9.5, true);  // cut, but before
  end(accept(7, 1), Outcome::served, 20);         // went on
  accept(8, 1);                                   // is open still
  end(accept(10, 11), Outcome::served, 12);       // came afterwards
  tcp::ConnectionSummary& subject = accept(9, 2);
  end(subject, Outcome::served, 10, true);
  const Contrast k = contrast(subject, 10);
  EXPECT_EQ(k.ended_together, 3U);
  EXPECT_EQ(k.went_on, 2U);
  EXPECT_EQ(k.served_again_ns, at(11));
}

/// Idle timers and clients' farewells are ordinary by themselves, and told apart from what was cut; where nothing
/// listens afterwards they count as well.
TEST_F(LedgerTest, CountsWhoStoppedInTheSameInstantForWhateverReason) {
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
  EXPECT_EQ(k.ended_together, 1U);
  EXPECT_EQ(k.stopped_together, 5U);
}

TEST_F(LedgerTest, ComparesTheFirstWords) {
  end(accept(1, 1), Outcome::served, 2, false, kWords);
  end(accept(2, 1), Outcome::served, 2, false, kWords);
  end(accept(3, 1), Outcome::served, 2, false, 5);
  end(accept(4, 1), Outcome::served, 2, false, 0);  // not known
  tcp::ConnectionSummary& subject = accept(9, 3);
  EXPECT_EQ(contrast(subject, 3, kWords).served_same_words, 2U);
  EXPECT_EQ(contrast(subject, 3, kWords).served_other_words, 1U);
  EXPECT_EQ(contrast(subject, 3, 0).served_other_words, 0U);
}

TEST_F(LedgerTest, TakesLastWordsThatTheServedNeverHearForRefusals) {
  serve(1, 1);
  for (int i = 0; i < 3; ++i) end(accept(9, 2 + i), Outcome::served, 2 + i, false, 5, true);
  tcp::ConnectionSummary& subject = accept(9, 6);
  end(subject, Outcome::served, 6, false, 5, true);
  const Contrast k = contrast(subject, 6, 5);
  EXPECT_EQ(k.same_client_refused, 3U);
  EXPECT_EQ(k.served_same_words, 0U);
}

TEST_F(LedgerTest, TakesTheGreetingForTheServiceWhereNobodyGetsBeyondIt) {
  for (int i = 0; i < 3; ++i) end(accept(1 + i, 1 + i), Outcome::served, 1 + i, false, 5, true);
  tcp::ConnectionSummary& subject = accept(9, 6);
  end(subject, Outcome::served, 6, false, 5, true);
  EXPECT_EQ(contrast(subject, 6, 5).served, 3U);
}

// --- time -----------------------------------------------------------------------------------------------------------

TEST_F(LedgerTest, LooksNoFurtherBackThanItsWindow) {
  use({.window_ns = 60 * kSecondNs});
  serve(1, 1);
  serve(2, 80);
  const Contrast k = contrast(refuse(9, 100), 100);
  EXPECT_EQ(k.served, 1U);
}

TEST_F(LedgerTest, ButCountsASessionThatIsOpenStill) {
  use({.window_ns = 60 * kSecondNs});
  accept(1, 1);
  serve(2, 2, 90);
  EXPECT_EQ(contrast(refuse(9, 100), 100).open_total.subject, 1U);
}

/// A connection whose beginning the capture lacks is filed when it ends, among later ones.
TEST_F(LedgerTest, AMidStreamConnectionDoesNotHideWhatCameBeforeIt) {
  use({.window_ns = 60 * kSecondNs});
  serve(1, 90);
  serve(2, 91);
  tcp::ConnectionSummary& old = connections_.emplace_back();
  old.id = 1000;
  old.originator = {address4(3, 1), 40000};
  old.responder = kServer;
  old.start_ns = at(1);
  old.mid_stream = true;
  end(old, Outcome::refused_silently, 95);
  EXPECT_EQ(ledger_->marks_of(kServer)->last_accept_ns, at(91)) << "it was not accepted just now, nor is it the latest";
  const Contrast k = contrast(refuse(9, 100), 100);
  EXPECT_EQ(k.served, 2U);
  EXPECT_EQ(k.refused, 1U);
}

TEST_F(LedgerTest, AConnectionThatWasNeverAcceptedLeavesNoNote) {
  tcp::ConnectionSummary never;
  never.id = 1000;
  never.responder = kServer;
  end(never, Outcome::refused_silently, 1);
  EXPECT_EQ(contrast(refuse(9, 2), 2).refused, 0U);
}

// --- marks ----------------------------------------------------------------------------------------------------------

TEST_F(LedgerTest, RemembersWhenThePortClosedAndThatItOpenedAgain) {
  const auto closure_in = [&](double from, double to) {
    return ledger_->marks_of(kServer)->closure_between(at(from), at(to));
  };
  for (int i = 0; i < 5; ++i) accept(1 + i, 1 + 0.1 * i);
  ledger_->syn_was_reset(kServer, at(2));
  ledger_->syn_was_reset(kServer, at(3));  // closed still: the same closure
  ASSERT_NE(closure_in(0, 10), nullptr);
  EXPECT_EQ(closure_in(0, 10)->first_reset_ns, at(2));
  EXPECT_EQ(closure_in(0, 10)->last_accept_ns, at(1.4));
  EXPECT_EQ(closure_in(0, 10)->accepted_in_last_second, 5U);
  EXPECT_EQ(closure_in(2.5, 10), nullptr);
  accept(9, 4);
  ledger_->syn_was_reset(kServer, at(6));
  ASSERT_NE(closure_in(2.5, 10), nullptr);
  EXPECT_EQ(closure_in(2.5, 10)->first_reset_ns, at(6));
  EXPECT_EQ(closure_in(0, 10)->first_reset_ns, at(2)) << "the first of several";
}

/// What a closure costs must not grow with the rate of what went before it.
TEST_F(LedgerTest, CountsNoMoreBeforeAClosureThanAJudgementReads) {
  for (int i = 0; i < 3000; ++i) accept(1 + i % 100, 1 + 0.0001 * i);
  ledger_->syn_was_reset(kServer, at(2));
  const PortClosure* const closure = ledger_->marks_of(kServer)->closure_between(at(0), at(10));
  ASSERT_NE(closure, nullptr);
  EXPECT_EQ(closure->accepted_in_last_second, 1024U);
}

/// What fell silent long ago and what has just closed are judged by turns: each finds its own surroundings.
TEST_F(LedgerTest, OldAndNewEndsJudgedByTurnsSeeTheirOwnTime) {
  std::vector<std::pair<const tcp::ConnectionSummary*, double>> old;
  std::vector<std::pair<const tcp::ConnectionSummary*, double>> fresh;
  for (int i = 0; i < 20'000; ++i) {
    const double now = 1 + 0.01 * i;
    if (i % 500 != 250) {
      serve(1 + i % 100, now, 0.005);
    } else {
      (i < 10'000 ? old : fresh).emplace_back(&refuse(200, now), now);
    }
  }
  use_window(1);
  for (std::size_t i = 0; i < old.size(); ++i) {
    for (const auto& [one, now] : {old[i], fresh[i]}) {
      const Contrast k = contrast(*one, now);
      EXPECT_EQ(k.arrivals_total.subject, 100U) << now;
      EXPECT_EQ(k.same_client_refused, 0U) << now;
    }
  }
}

/// An endpoint where nothing but strays were seen is no server, and takes no known one's place.
TEST_F(LedgerTest, StraysPushNoServerOut) {
  use({.capacity_servers = 4});
  serve(1, 1);
  for (int i = 0; i < 200; ++i) {
    tcp::ConnectionSummary& stray = connections_.emplace_back();
    stray.id = 1000 + static_cast<std::uint64_t>(i);
    stray.originator = {address4(3, 1), 40000};
    stray.responder = {address4(static_cast<std::uint8_t>(i), 9), 80};
    stray.start_ns = at(2 + 0.01 * i);
    stray.mid_stream = true;
    stray.history = {.letters = {'F', 'r'}, .length = 2};
    // Some carry payload: those are filed, and make way for each other.
    stray.side[0].payload_bytes = i % 2 == 0 ? 10 : 0;
    if (i % 2 == 0) ledger_->accepted(stray, stray.start_ns);
    end(stray, Outcome::left, 2 + 0.01 * i);
  }
  ASSERT_NE(ledger_->marks_of(kServer), nullptr);
  EXPECT_EQ(ledger_->marks_of({address4(1, 9), 80}), nullptr) << "a bare FIN that met a RST";
  EXPECT_EQ(contrast(refuse(9, 10), 10).served, 1U);
}

/// A refused SYN is filed when its connection is over, and that may be after the port has opened again.
TEST_F(LedgerTest, APortThatOpenedAgainWasClosedAllTheSame) {
  const auto closure_in = [&](double from, double to) {
    return ledger_->marks_of(kServer)->closure_between(at(from), at(to));
  };
  for (int i = 0; i < 3; ++i) accept(1 + i, 1 + 0.1 * i);
  for (int i = 0; i < 200; ++i) accept(9, 5 + 0.01 * i);
  ledger_->syn_was_reset(kServer, at(3));
  ledger_->syn_was_reset(kServer, at(2));
  ASSERT_NE(closure_in(0, 10), nullptr);
  EXPECT_EQ(closure_in(0, 10)->first_reset_ns, at(2)) << "filed in the wrong order, but one closure";
  EXPECT_EQ(closure_in(0, 10)->last_accept_ns, at(1.2));
  EXPECT_EQ(closure_in(0, 10)->accepted_in_last_second, 3U);
  EXPECT_EQ(ledger_->marks_of(kServer)->closure_count, 1U);
}

TEST_F(LedgerTest, APortScanPushesNoServerOut) {
  use({.capacity_servers = 4});
  serve(1, 1);
  for (std::uint16_t port = 1; port < 1000; ++port) ledger_->syn_was_reset({address4(200), port}, at(2));
  EXPECT_EQ(ledger_->servers_forgotten(), 0U);
  EXPECT_NE(ledger_->marks_of(kServer), nullptr);
}

TEST_F(LedgerTest, RemembersTheTtlOfAHost) {
  EXPECT_EQ(ledger_->syn_ack_ttl(address4(200)), 0);
  ledger_->saw_syn_ack(address4(200), 61);
  EXPECT_EQ(ledger_->syn_ack_ttl(address4(200)), 61);
  use({.capacity_hosts = 2});
  for (std::uint8_t host = 1; host < 100; ++host) ledger_->saw_syn_ack(address4(host), host);
  EXPECT_EQ(ledger_->syn_ack_ttl(address4(99)), 99) << "the latest is always known";
}

/// A crowd of new hosts must not make all known ones strangers at once.
TEST_F(LedgerTest, ForgetsTheTtlOfTheHostNotSeenLongest) {
  use({.capacity_hosts = 3});
  constexpr std::array<std::uint8_t, 5> kSeen = {1, 2, 3, 1, 4};
  for (const std::uint8_t host : kSeen) ledger_->saw_syn_ack(address4(host), host);
  EXPECT_EQ(ledger_->syn_ack_ttl(address4(2)), 0);
  EXPECT_EQ(ledger_->syn_ack_ttl(address4(1)), 1);
  EXPECT_EQ(ledger_->syn_ack_ttl(address4(3)), 3);
  EXPECT_EQ(ledger_->syn_ack_ttl(address4(4)), 4);
}

/// A busy server accepts thousands while a refusal waits for its settle time.
TEST_F(LedgerTest, FindsTheSubjectBehindThousandsOfLaterConnections) {
  for (int i = 0; i < 20; ++i) serve(1 + i, 1 + i * 0.1, 3.0);
  tcp::ConnectionSummary& subject = accept(99, 3);
  for (int i = 0; i < 3; ++i) serve(1 + i, 3.0005, 2.0);
  end(subject, Outcome::refused_silently, 3.001);
  for (int i = 0; i < 5000; ++i) serve(i % 90, 3.002 + i * 0.001, 2.0);
  const Contrast k = contrast(subject, 3.001);
  EXPECT_TRUE(k.subject_accepted);
  EXPECT_EQ(k.open_total.subject, 20U);
  EXPECT_EQ(k.served_again_ns, at(3.002)) << "those next behind its end, not the latest";
  EXPECT_EQ(k.served, 20U + 3 + 64);
}

/// What was over long ago is stepped over by the dozen; a session of hours among it must not be.
TEST_F(LedgerTest, FindsTheSessionsOfHoursAmongHundredsOfShortOnes) {
  for (int i = 0; i < 300; ++i) serve(i % 90, 1 + i * 0.001, 0.0005);
  accept(97, 1.5);                                   // still open
  end(accept(98, 1.6), Outcome::served, 10, false);  // open until after the subject was refused
  end(accept(99, 1.7), Outcome::served, 4.9, false);
  for (int i = 0; i < 600; ++i) serve(i % 90, 2 + i * 0.001, 0.0005);
  const Contrast k = contrast(refuse(96, 5), 5);
  EXPECT_TRUE(k.subject_accepted);
  EXPECT_EQ(k.open_total.subject, 2U);
  EXPECT_EQ(k.went_on, 2U);
  EXPECT_EQ(k.served, 192U + 2) << "those next before it, and those that were open beside it";
}

// --- bounded memory -------------------------------------------------------------------------------------------------

TEST_F(LedgerTest, ForgetsTheOldestNoteAndCountsIt) {
  use({.capacity_notes = 10});
  for (int i = 0; i < 15; ++i) serve(1 + i, 1 + i);
  EXPECT_EQ(ledger_->notes_forgotten(), 5U);
  const Contrast k = contrast(connections_.back(), 16);
  EXPECT_EQ(k.served, 9U);
}

TEST_F(LedgerTest, TheEndOfAForgottenConnectionChangesNothing) {
  use({.capacity_notes = 4});
  tcp::ConnectionSummary& first = accept(1, 1);
  for (int i = 0; i < 4; ++i) accept(2 + i, 2 + i);
  end(first, Outcome::refused_silently, 9);
  EXPECT_EQ(contrast(refuse(9, 10), 10).refused, 0U);
  EXPECT_EQ(ledger_->notes_forgotten(), 2U);
}

TEST_F(LedgerTest, ForgetsTheServersUnusedLongestAndCountsThem) {
  use({.capacity_servers = 16});
  for (std::uint8_t i = 0; i < 16; ++i) accept(1, i, {address4(i), 80});
  accept(1, 20, {address4(0), 80});  // in use again
  accept(1, 21, {address4(100), 80});
  EXPECT_EQ(ledger_->servers_forgotten(), 1U);
  EXPECT_NE(ledger_->marks_of({address4(0), 80}), nullptr);
  EXPECT_NE(ledger_->marks_of({address4(100), 80}), nullptr);
  EXPECT_EQ(ledger_->marks_of({address4(1), 80}), nullptr);
}

TEST_F(LedgerTest, AServerThatWasForgottenBeginsAnew) {
  use({.capacity_servers = 1});
  serve(1, 1);
  accept(1, 2, {address4(7), 80});
  EXPECT_EQ(ledger_->marks_of(kServer), nullptr);
  EXPECT_EQ(contrast(refuse(9, 3), 3).served, 0U);
}

/// A refusal that only the judgement saw counts as one for those judged after it.
TEST_F(LedgerTest, LearnsWhatTheSubjectTurnedOutToBe) {
  tcp::ConnectionSummary& first = serve(1, 1);
  contrast(first, 2);
  ledger_->turned_out(first.id, Outcome::refused_in_words);
  const Contrast k = contrast(refuse(1, 3), 3);
  EXPECT_EQ(k.same_client_served, 0U);
  EXPECT_EQ(k.same_client_refused, 1U);
  ledger_->turned_out(first.id + 100, Outcome::served);  // nobody's
  EXPECT_EQ(contrast(refuse(1, 4), 4).same_client_refused, 2U);
}

/// Sessions that a crash ended, and those whom a server that shuts down sends away, tell nothing of a ceiling.
TEST_F(LedgerTest, LeavesTheServersOwnEndOutOfTheCeilings) {
  for (int i = 0; i < 4; ++i) serve(10 + i, 1.0 + 3 * i);
  end(accept(30, 19.0), Outcome::served, 40);
  for (int i = 0; i < 3; ++i) {
    const tcp::ConnectionSummary& one = accept(20 + i, 20.0);
    ledger_->ended(one,
                   EndedNote{.outcome = Outcome::refused_in_words, .closed_ns = at(30), .own_end = OwnEnd::crashed});
  }
  const LoadFigure sessions = contrast(refuse(9, 29), 30.5).open_total;
  EXPECT_EQ(sessions.refused_from + sessions.refused_below, 1U) << "the subject alone";
}

}  // namespace
}  // namespace doorslam::diagnose
