#include "pipeline/alert/incident_memory.h"

#include <gtest/gtest.h>

#include "tests/unit/alert/sample.h"

namespace doorslam::alert {
namespace {

using sample::endpoint;
using sample::kEpoch;
using sample::kS;

tcp::ConnectionSummary served_at(flowtable::DurationNs at) {
  return sample::connection(diagnose::Cause::served, endpoint("192.0.2.200", 1), endpoint("198.51.100.5", 21),
                            kEpoch + at)
      .summary;
}

TEST(ServedHistory, KnowsWhoWasServedLastBeforeATime) {
  ServedHistory served;
  EXPECT_EQ(served.latest_before(kEpoch), flowtable::kNoTime);
  for (const int at : {30, 10, 20}) served.add(served_at(at * kS));
  EXPECT_EQ(served.latest_ns, kEpoch + 30 * kS);
  EXPECT_EQ(served.latest_before(kEpoch + 10 * kS), flowtable::kNoTime);
  EXPECT_EQ(served.latest_before(kEpoch + 30 * kS), kEpoch + 20 * kS);
  EXPECT_EQ(served.latest_before(kEpoch + 31 * kS), kEpoch + 30 * kS);
}

/// They are remembered in the order in which they became known, which is not the order of their starts.
TEST(ServedHistory, SaysWhereItHasForgottenThem) {
  ServedHistory served;
  served.add(served_at(50 * kS));
  for (std::size_t i = 0; i < ServedHistory::kRemembered; ++i) served.add(served_at(0));
  EXPECT_EQ(served.latest_before(kEpoch + 40 * kS), kEpoch + 40 * kS);
  EXPECT_EQ(served.latest_before(kEpoch + 50 * kS), kEpoch + 50 * kS);
  EXPECT_EQ(served.latest_before(kEpoch + 60 * kS), kEpoch + 50 * kS);
}

TEST(HeldUntil, IsOfSessionsThatTalkedAndLackTheirBeginning) {
  tcp::ConnectionSummary session = served_at(0);
  session.mid_stream = true;
  session.side[0].payload_bytes = session.side[1].payload_bytes = 100;
  sample::set_history(session, "DdFf");
  EXPECT_EQ(held_until(session), session.end_ns);
  sample::set_history(session, "hADdFf");
  EXPECT_EQ(held_until(session), flowtable::kNoTime) << "only its SYN was lost";
  sample::set_history(session, "DdFf");
  session.mid_stream = false;
  EXPECT_EQ(held_until(session), flowtable::kNoTime);
  session.mid_stream = true;
  session.side[1].payload_bytes = 0;
  EXPECT_EQ(held_until(session), flowtable::kNoTime) << "nobody answered";
}

}  // namespace
}  // namespace doorslam::alert
