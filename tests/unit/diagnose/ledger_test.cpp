#include "pipeline/diagnose/ledger/ledger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <utility>
#include <vector>

#include "tests/unit/diagnose/ledger_book.h"

/// The ledger of servers by itself: what it lays out, what it remembers of a server, and what it forgets.
namespace doorslam::diagnose {
namespace {

using namespace test;

class LedgerTest : public LedgerBook {
 protected:
  /// Connections of that server of whatever kind, over half a minute; as the seed wants it.
  void write_any(unsigned seed, const Endpoint& server);
  /// What the ledger says beside one of those that were written last, as the seed wants it.
  Contrast judge_any(unsigned seed);

  static constexpr unsigned kAny = 150;
};

void LedgerTest::write_any(unsigned seed, const Endpoint& server) {
  std::mt19937 random(seed);
  const auto below = [&random](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  const auto one_in = [&below](unsigned count) { return below(count) == 0; };
  constexpr std::array kFates = {Outcome::served,           Outcome::served, Outcome::served, Outcome::refused_silently,
                                 Outcome::refused_in_words, Outcome::unseen, Outcome::left,   Outcome::unanswered};
  constexpr std::array<std::uint32_t, 4> kFirstWords = {0, kWords, kWords, 5};
  for (unsigned i = 0; i < kAny; ++i) {
    const double now = 0.2 * i + 0.01 * below(10);
    tcp::ConnectionSummary& one = connections_.emplace_back();
    one.id = connections_.size();
    one.originator = {address4(static_cast<std::uint8_t>(1 + below(6)), 1), 40000};
    one.responder = server;
    one.start_ns = at(now);
    const unsigned host = below(2);
    one.answered_by = {.ttl = static_cast<std::uint8_t>(60 + host), .window = 1000};
    // Thousandths of a second of the host's own.
    one.answered_at_clock = one_in(4) ? 0 : (1 + host) * 1'000'000'000U + static_cast<std::uint32_t>(1000.0 * now);
    ledger_->accepted(one, at(now));
    if (one_in(10)) continue;
    const bool soon = one_in(4);
    const std::uint32_t unusual = soon ? 100 : 0;  // no session that goes on begins so
    ledger_->ended(one, EndedNote{.outcome = kFates[below(kFates.size())],
                                  .closed_ns = at(one_in(3) ? 15.0 + 0.01 * below(2) : now + 0.5 * below(12)),
                                  .cut = static_cast<Cut>(below(4)),
                                  .client_spoke_first = one_in(2),
                                  .beginning_unseen = one_in(5),
                                  .idle_ns = below(4) * kSecondNs,
                                  .words = kFirstWords[below(kFirstWords.size())] + unusual,
                                  .hung_up_soon = soon,
                                  .unproven = one_in(3),
                                  .own_end = static_cast<OwnEnd>(below(3)),
                                  .opening = static_cast<Opening>(below(5))});
  }
}

Contrast LedgerTest::judge_any(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&random](unsigned limit) { return static_cast<unsigned>(random() % limit); };
  const std::size_t own = connections_.size() - kAny + below(kAny);
  const tcp::ConnectionSummary& one = connections_[own];
  return ledger_->contrast(Subject{.server = one.responder,
                                   .client = one.originator.address,
                                   .connection_id = one.id,
                                   .accepted_ns = one.start_ns,
                                   .closed_ns = std::max(one.start_ns, at(15)),
                                   .idle_ns = below(4) * kSecondNs,
                                   .words = below(2) * kWords,
                                   .opening = static_cast<Opening>(below(5)),
                                   .closed_at_rest = below(2) == 0,
                                   .beginning_seen = below(2) == 0,
                                   .answer_ns = below(3) * kSecondNs});
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
  EXPECT_EQ(k.served + k.refused + k.load.open_total.subject, 0U);
}

// --- which connections are laid out ----------------------------------------------------------------------------------

TEST_F(LedgerTest, AStormOfRefusalsDoesNotHideTheSessionsThatHoldThePlaces) {
  for (int i = 0; i < 4; ++i) accept(10 + i, 1 + i);
  const tcp::ConnectionSummary* subject = nullptr;
  for (int i = 0; i < 900; ++i) {
    const auto& refused = refuse(20 + i % 100, 10 + 0.01 * i);
    if (i == 450) subject = &refused;
  }
  const Contrast k = contrast(*subject, 14.5);
  EXPECT_TRUE(k.subject_accepted);
  EXPECT_EQ(k.load.open_total.subject, 4U);
  EXPECT_EQ(k.load.open_total.ceiling, 4U);
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
    EXPECT_TRUE(in_one_row == alone) << i;
  }
}

/// Rows are filled in in their places, over those of an earlier judgement, of which nothing may show.
TEST_F(LedgerTest, JudgesAlikeWhateverStoodInTheRowsBefore) {
  for (unsigned seed = 0; seed < 256; ++seed) {
    use({});
    write_any(seed, kServer);
    const Contrast alone = judge_any(seed);
    use({});
    write_any(seed + 1000, {address4(201), 5001});
    judge_any(seed + 1000);
    write_any(seed, kServer);
    EXPECT_TRUE(judge_any(seed) == alone) << seed;
  }
}

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
  EXPECT_EQ(contrast(refuse(9, 100), 100).load.open_total.subject, 1U);
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
      EXPECT_EQ(k.load.arrivals_total.subject, 100U) << now;
      EXPECT_EQ(k.same_client.refused, 0U) << now;
    }
  }
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
  EXPECT_EQ(k.load.open_total.subject, 20U);
  EXPECT_EQ(k.served_again_ns, at(3.002)) << "those next after its end, not the latest";
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
  EXPECT_EQ(k.load.open_total.subject, 2U);
  EXPECT_EQ(k.endings.went_on, 2U);
  EXPECT_EQ(k.served, 192U + 2) << "those next before it, and those that were open beside it";
}

/// A refusal that only the judgement saw counts as one for those judged after it.
TEST_F(LedgerTest, LearnsWhatTheSubjectTurnedOutToBe) {
  tcp::ConnectionSummary& first = serve(1, 1);
  contrast(first, 2);
  ledger_->turned_out(first.id, Outcome::refused_in_words);
  const Contrast k = contrast(refuse(1, 3), 3);
  EXPECT_EQ(k.same_client.served, 0U);
  EXPECT_EQ(k.same_client.refused, 1U);
  ledger_->turned_out(first.id + 100, Outcome::served);  // nobody's
  EXPECT_EQ(contrast(refuse(1, 4), 4).same_client.refused, 2U);
}

// --- marks ----------------------------------------------------------------------------------------------------------

TEST_F(LedgerTest, RemembersWhenThePortClosedAndThatItOpenedAgain) {
  const auto closure_in = [&](double from, double to) {
    return ledger_->marks_of(kServer)->closure_between(at(from), at(to));
  };
  for (int i = 0; i < 5; ++i) accept(1 + i, 1 + 0.1 * i);
  ledger_->syn_was_reset(kServer, address4(1, 1), at(2));
  ledger_->syn_was_reset(kServer, address4(1, 1), at(3));  // closed still: the same closure
  ASSERT_NE(closure_in(0, 10), nullptr);
  EXPECT_EQ(closure_in(0, 10)->first_reset_ns, at(2));
  EXPECT_EQ(closure_in(0, 10)->last_accept_ns, at(1.4));
  EXPECT_EQ(closure_in(0, 10)->accepted_in_last_second, 5U);
  EXPECT_EQ(closure_in(2.5, 10), nullptr);
  accept(9, 4);
  ledger_->syn_was_reset(kServer, address4(1, 1), at(6));
  ASSERT_NE(closure_in(2.5, 10), nullptr);
  EXPECT_EQ(closure_in(2.5, 10)->first_reset_ns, at(6));
  EXPECT_EQ(closure_in(0, 10)->first_reset_ns, at(2)) << "the first of several";
}

/// What a closure costs must not grow with the rate of what went before it.
TEST_F(LedgerTest, CountsNoMoreBeforeAClosureThanAJudgementReads) {
  for (int i = 0; i < 3000; ++i) accept(1 + i % 100, 1 + 0.0001 * i);
  ledger_->syn_was_reset(kServer, address4(1, 1), at(2));
  const PortClosure* const closure = ledger_->marks_of(kServer)->closure_between(at(0), at(10));
  ASSERT_NE(closure, nullptr);
  EXPECT_EQ(closure->accepted_in_last_second, 1024U);
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
  ledger_->syn_was_reset(kServer, address4(1, 1), at(3));
  ledger_->syn_was_reset(kServer, address4(1, 1), at(2));
  ASSERT_NE(closure_in(0, 10), nullptr);
  EXPECT_EQ(closure_in(0, 10)->first_reset_ns, at(2)) << "filed in the wrong order, but one closure";
  EXPECT_EQ(closure_in(0, 10)->last_accept_ns, at(1.2));
  EXPECT_EQ(closure_in(0, 10)->accepted_in_last_second, 3U);
  EXPECT_EQ(ledger_->marks_of(kServer)->closure_count, 1U);
}

TEST_F(LedgerTest, APortScanPushesNoServerOut) {
  use({.capacity_servers = 4});
  serve(1, 1);
  for (std::uint16_t port = 1; port < 1000; ++port)
    ledger_->syn_was_reset({address4(200), port}, address4(1, 1), at(2));
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

// --- bounded memory -------------------------------------------------------------------------------------------------

TEST_F(LedgerTest, ForgetsTheOldestNoteAndCountsIt) {
  use({.capacity_notes = 10});
  for (int i = 0; i < 15; ++i) serve(1 + i, 1 + i);
  EXPECT_EQ(ledger_->notes_forgotten(), 5U);
  const Contrast k = contrast(connections_.back(), 16);
  EXPECT_EQ(k.served, 9U);
}

/// A sensor that runs for days takes the places of old notes all the time, and misses nothing by it.
TEST_F(LedgerTest, CountsNoneThatIsForgottenInItsTime) {
  use({.capacity_notes = 4, .window_ns = 600 * kSecondNs});
  for (int i = 0; i < 4; ++i) serve(1 + i, 1 + i);
  for (int i = 0; i < 4; ++i) serve(1 + i, 1000 + i);
  EXPECT_EQ(ledger_->notes_forgotten(), 0U);
  for (int i = 0; i < 4; ++i) accept(1 + i, 5000 + i);
  EXPECT_EQ(ledger_->notes_forgotten(), 0U);
  for (int i = 0; i < 4; ++i) accept(1 + i, 9000 + i);
  EXPECT_EQ(ledger_->notes_forgotten(), 4U) << "they were open still";
}

TEST_F(LedgerTest, TheEndOfAForgottenConnectionChangesNothing) {
  use({.capacity_notes = 4});
  tcp::ConnectionSummary& first = accept(1, 1);
  for (int i = 0; i < 4; ++i) accept(2 + i, 2 + i);
  end(first, Outcome::refused_silently, 9);
  EXPECT_EQ(contrast(refuse(9, 10), 10).refused, 0U);
  EXPECT_EQ(ledger_->notes_forgotten(), 2U);
}

TEST_F(LedgerTest, ForgetsTheResetClientNotSeenLongestAndCountsIt) {
  serve(1, 1);
  for (std::uint8_t i = 1; i <= SynResetLog::kMost; ++i) ledger_->syn_was_reset(kServer, address4(i), at(10 + i));
  ledger_->syn_was_reset(kServer, address4(1), at(30));
  EXPECT_EQ(ledger_->reset_clients_forgotten(), 0U);
  ledger_->syn_was_reset(kServer, address4(100), at(31));
  EXPECT_EQ(ledger_->reset_clients_forgotten(), 1U);
  const SynResetLog& resets = ledger_->marks_of(kServer)->syn_resets;
  EXPECT_NE(resets.of(address4(1)), nullptr);
  EXPECT_NE(resets.of(address4(100)), nullptr);
  EXPECT_EQ(resets.of(address4(2)), nullptr);
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

}  // namespace
}  // namespace doorslam::diagnose
