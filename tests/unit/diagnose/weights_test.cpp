#include "pipeline/diagnose/weights.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <regex>
#include <set>

#include "pipeline/diagnose/verdict.h"

/// The table of weights as a whole. Its figures are tuned; that it is complete and makes sense is not.
namespace doorslam::diagnose {
namespace {

constexpr std::size_t kEndings = static_cast<std::size_t>(Ending::still_open) + 1;

TEST(Weights, EveryEndingSuggestsCauses) {
  for (std::size_t i = 0; i < kEndings; ++i) {
    const auto ending = static_cast<Ending>(i);
    EXPECT_FALSE(prior_of(ending).empty()) << name_of(ending);
    std::set<Cause> listed;
    for (const Weight& weight : prior_of(ending)) {
      EXPECT_TRUE(listed.insert(weight.cause).second)
          << name_of(ending) << " lists " << name_of(weight.cause) << " twice";
      EXPECT_NE(weight.cause, Cause::unknown) << name_of(ending);
      EXPECT_GT(weight.log_odds, kUnlisted) << name_of(ending) << ": better not listed: " << name_of(weight.cause);
    }
  }
}

TEST(Weights, EveryCauseCanBeSuggested) {
  std::set<Cause> suggested{Cause::unknown};
  for (std::size_t i = 0; i < kEndings; ++i) {
    for (const Weight& weight : prior_of(static_cast<Ending>(i))) suggested.insert(weight.cause);
  }
  for (const EvidenceRow& row : evidence_table()) {
    for (const Weight& weight : row.weights) {
      if (weight.log_odds > 0) suggested.insert(weight.cause);
    }
  }
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    EXPECT_TRUE(suggested.contains(static_cast<Cause>(i))) << name_of(static_cast<Cause>(i));
  }
}

TEST(Weights, EveryRowHasANameOfItsOwnAndSomethingToSay) {
  const std::regex kebab_case("[a-z0-9]+(-[a-z0-9]+)*");
  std::set<std::string_view> names;
  for (const EvidenceRow& row : evidence_table()) {
    EXPECT_TRUE(std::regex_match(row.name.begin(), row.name.end(), kebab_case)) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " stands twice";
    EXPECT_NE(row.find, nullptr) << row.name;
    EXPECT_FALSE(row.weights.empty()) << row.name;
    std::set<Cause> weighed;
    for (const Weight& weight : row.weights) {
      EXPECT_NE(weight.log_odds, 0.0) << row.name << " says nothing of " << name_of(weight.cause);
      EXPECT_NE(weight.cause, Cause::unknown) << row.name;
      EXPECT_TRUE(weighed.insert(weight.cause).second) << row.name << " weighs " << name_of(weight.cause) << " twice";
    }
  }
}

TEST(Weights, TheSurestOpposedEvidenceCannotFindTogether) {
  // The handshake's numbers fit or they do not; a RST is the server's or another's.
  tcp::Evidence packets;
  packets.handshake_ns = 5;
  tcp::ConnectionSummary summary;
  Case c{summary};
  c.packets = &packets;
  c.ending = Ending::handshake_reset;
  packets.of(tcp::Side::responder).rst_ns = 6;
  packets.of(tcp::Side::responder).first = {.ttl = 60, .seen = true};
  const auto finds = [&](std::string_view name) {
    for (const EvidenceRow& row : evidence_table()) {
      if (row.name == name) return row.find(c).has_value();
    }
    throw std::logic_error("no such row");
  };
  for (const bool wrong : {false, true}) {
    for (const int ttl : {60, 61}) {
      packets.handshake_ack_wrong = wrong;
      packets.of(tcp::Side::responder).rst.ttl = static_cast<std::uint8_t>(ttl);
      EXPECT_NE(finds("handshake-ack-wrong"), finds("handshake-ack-right"));
      EXPECT_NE(finds("reset-from-elsewhere"), finds("reset-from-the-server"));
    }
  }
}

// --- judge() over any case ------------------------------------------------------------------------------------------

LoadFigure any_load() {
  const auto number = [] { return *rc::gen::inRange<std::uint32_t>(0, 12); };
  LoadFigure load;
  load.subject = number();
  load.served_as_high = number();
  load.ceiling = number();
  load.served_below = number();
  load.served_from = number();
  load.refused_below = number();
  load.refused_from = number();
  return load;
}

Contrast any_contrast() {
  Contrast contrast;
  contrast.subject_accepted = *rc::gen::arbitrary<bool>();
  for (std::uint32_t* figure : {&contrast.served, &contrast.refused, &contrast.same_client.served,
                                &contrast.same_client.refused, &contrast.clients.served, &contrast.clients.refused,
                                &contrast.clients.both, &contrast.endings.cut_short, &contrast.endings.stopped,
                                &contrast.endings.unseen, &contrast.endings.went_on, &contrast.greetings.served_same}) {
    *figure = *rc::gen::inRange<std::uint32_t>(0, 9);
  }
  contrast.load.open_total = any_load();
  contrast.load.open_client = any_load();
  contrast.load.arrivals_total = any_load();
  contrast.load.arrivals_client = any_load();
  return contrast;
}

/// What the contributions add up to orders the hypotheses as the reading does.
void expect_sums_in_order(const Diagnosis& reading, const std::vector<Contribution>& contributions) {
  std::map<Cause, double> log_odds;
  for (const Contribution& one : contributions) log_odds[one.cause] += one.weight * one.strength;
  for (std::size_t i = 1; i < reading.hypotheses.size(); ++i) {
    const double higher = log_odds[reading.hypotheses[i - 1].cause];
    RC_ASSERT(higher >= log_odds[reading.hypotheses[i].cause] - 1e-9);
  }
}

/// Whatever the figures, a reading is one: probabilities, in order, and a name only where it is earned.
RC_GTEST_PROP(Verdict, IsSoundForAnyCase, ()) {
  const auto any_time = [] { return *rc::gen::element<flowtable::TimeNs>(0, 1, 1000, 2'000'000'000, 9'000'000'000); };
  tcp::ConnectionSummary summary;
  summary.mid_stream = *rc::gen::arbitrary<bool>();
  tcp::Evidence packets;
  for (flowtable::TimeNs* time :
       {&packets.syn_ns, &packets.syn_ack_ns, &packets.last_syn_ack_ns, &packets.handshake_ns, &packets.icmp.time_ns}) {
    *time = any_time();
  }
  packets.syns = *rc::gen::arbitrary<std::uint8_t>();
  packets.syn_acks = *rc::gen::arbitrary<std::uint8_t>();
  packets.handshake_ack_wrong = *rc::gen::arbitrary<bool>();
  packets.icmp.type = *rc::gen::element<std::uint8_t>(1, 3, 11);
  packets.icmp.code = *rc::gen::inRange<std::uint8_t>(0, 14);
  for (tcp::SideEvidence& side : packets.side) {
    for (flowtable::TimeNs* time : {&side.first_payload_ns, &side.last_payload_ns, &side.fin_ns, &side.rst_ns,
                                    &side.last_ns, &side.zero_window_since_ns}) {
      *time = any_time();
    }
    side.first.seen = *rc::gen::arbitrary<bool>();
    side.first.ttl = *rc::gen::arbitrary<std::uint8_t>();
    side.rst.ttl = *rc::gen::arbitrary<std::uint8_t>();
    side.payload_segments = *rc::gen::inRange<std::uint16_t>(0, 3);
    side.retransmissions = *rc::gen::inRange<std::uint16_t>(0, 4);
  }
  Case c{summary};
  c.packets = *rc::gen::arbitrary<bool>() ? &packets : nullptr;
  c.ending = static_cast<Ending>(*rc::gen::inRange<std::size_t>(0, kEndings));
  c.outcome = static_cast<Outcome>(*rc::gen::inRange(0, static_cast<int>(Outcome::unanswered) + 1));
  c.contrast = any_contrast();
  c.host_ttl = *rc::gen::arbitrary<std::uint8_t>();
  if (*rc::gen::arbitrary<bool>()) c.marks = ServerMarks{};

  const Diagnosis reading = judge(c);
  RC_ASSERT(!reading.hypotheses.empty());
  double sum = 0.0;
  std::set<Cause> told;
  for (const Hypothesis& hypothesis : reading.hypotheses) {
    RC_ASSERT(std::isfinite(hypothesis.probability));
    RC_ASSERT(hypothesis.probability >= 0.0);
    RC_ASSERT(told.insert(hypothesis.cause).second);
    sum += hypothesis.probability;
  }
  RC_ASSERT(std::abs(sum - 1.0) < 1e-9);
  RC_ASSERT(std::is_sorted(reading.hypotheses.begin(), reading.hypotheses.end(),
                           [](const Hypothesis& a, const Hypothesis& b) { return a.probability > b.probability; }));
  const Hypothesis& best = reading.hypotheses.front();
  const bool is_guess = best.cause == Cause::served && c.outcome == Outcome::unseen;
  const double least = is_guess ? kLeastToCallServed : kLeastConfidence;
  RC_ASSERT(reading.cause == (best.probability < least ? Cause::unknown : best.cause));
  const auto named = std::ranges::find(reading.hypotheses, reading.cause, &Hypothesis::cause);
  RC_ASSERT(named != reading.hypotheses.end());
  RC_ASSERT(reading.confidence == named->probability);
  expect_sums_in_order(reading, contributions_of(c));
}

TEST(Verdict, NamesNoCauseWhereNoneReachesTheThreshold) {
  tcp::ConnectionSummary summary;
  Case c{summary};
  c.ending = Ending::handshake_reset;  // address, limit, overflow, crash or a device between: nothing tells
  const Diagnosis reading = judge(c);
  EXPECT_LT(reading.hypotheses.front().probability, kLeastConfidence);
  EXPECT_EQ(reading.cause, Cause::unknown);
}

/// That no cause stands out says little for a cause that doorslam does not know.
TEST(Verdict, IsAsSureOfUnknownAsOfNoKnownCauseBeingRight) {
  tcp::ConnectionSummary summary;
  Case c{summary};
  c.ending = Ending::handshake_reset;
  const Diagnosis reading = judge(c);
  ASSERT_EQ(reading.cause, Cause::unknown);
  const auto unknown = std::ranges::find(reading.hypotheses, Cause::unknown, &Hypothesis::cause);
  ASSERT_NE(unknown, reading.hypotheses.end());
  EXPECT_EQ(reading.confidence, unknown->probability);
  EXPECT_LT(reading.confidence, reading.hypotheses.front().probability);
}

}  // namespace
}  // namespace doorslam::diagnose
