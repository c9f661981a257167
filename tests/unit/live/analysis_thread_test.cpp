#include "pipeline/port/analysis_thread.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <new>
#include <thread>

namespace doorslam::port {
namespace {

using namespace std::chrono_literals;

constexpr flowtable::TimeNs kEnd = 1000 * flowtable::kSecondNs;

class Count final : public ReadingSink {
 public:
  void take(const std::vector<diagnose::DiagnosedConnection>& readings) override {
    if (readings.size() > largest_) largest_ = readings.size();
    readings_ += readings.size();
  }
  void advance(flowtable::TimeNs) override {}
  void note_port_losses(std::uint64_t) override {}
  void flush() override {}

  /// False: they did not come, in a time that is ample.
  bool comes_to(std::size_t readings) const {
    for (const auto until = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < until;) {
      if (readings_ >= readings) return readings_ == readings;
      std::this_thread::sleep_for(1ms);
    }
    return false;
  }
  std::size_t readings() const { return readings_; }
  /// The most that came at a time.
  std::size_t largest() const { return largest_; }

 private:
  std::atomic<std::size_t> readings_{0};
  std::atomic<std::size_t> largest_{0};
};

/// A connection that plainly was served and is cut off by the end of the run.
tcp::ConnectionEvent ended_connection(std::uint64_t id) {
  tcp::ConnectionEvent event;
  event.time_ns = kEnd;
  event.kind = tcp::EventKind::ended;
  event.summary.end_reason = tcp::EndReason::capture_end;
  event.summary.stage = tcp::Stage::established;
  event.summary.plainly_served = true;
  event.summary.start_ns = event.summary.end_ns = kEnd - flowtable::kSecondNs;
  event.number = event.summary.id = id;
  return event;
}

void end_connections(EventRings& rings, std::size_t count, std::uint64_t first_id) {
  for (std::uint64_t id = first_id; id < first_id + count; ++id) ASSERT_TRUE(rings.served.push(ended_connection(id)));
}

/// As many as the rings have room for. Returns their number.
std::size_t fill(EventRings& rings, std::uint64_t first_id) {
  std::size_t count = 0;
  while (rings.served.push(ended_connection(first_id + count))) ++count;
  while (rings.refusals.push(ended_connection(first_id + count))) ++count;
  return count;
}

diagnose::AnalysisOptions telling_all() {
  diagnose::AnalysisOptions options;
  options.tells_served = true;
  return options;
}

struct TwoWorkers {
  EventRings first{EventRingOptions{}};
  EventRings second{EventRingOptions{}};
  std::array<EventRings*, 2> rings{&first, &second};
  diagnose::Analysis analysis{telling_all(), nullptr};
  Count sink;
  AnalysisThread thread{rings, analysis, sink};

  void finish() {
    for (EventRings* of_worker : rings) of_worker->covered_ns = kAllCovered;
    thread.finish();
  }
};

TEST(AnalysisThread, JudgesAMillionEndsOfOneTimeAsTheyCome) {
  TwoWorkers run;
  run.thread.judge_as_they_come(kEnd);
  ASSERT_TRUE(run.thread.start());
  for (EventRings* rings : run.rings) rings->covered_ns = kEnd;
  // More ends of that time follow, and none of these waits for them.
  end_connections(run.first, 10'000, 1);
  EXPECT_TRUE(run.sink.comes_to(10'000));
  end_connections(run.second, 10'000, 20'000);
  EXPECT_TRUE(run.sink.comes_to(20'000));
  run.finish();
  EXPECT_EQ(run.sink.readings(), 20'000U);
}

TEST(AnalysisThread, KeepsTheOrderOfAReplayToItsEnd) {
  TwoWorkers run;
  ASSERT_TRUE(run.thread.start());
  for (EventRings* rings : run.rings) rings->covered_ns = kEnd;
  end_connections(run.first, 100, 1);
  run.finish();
  EXPECT_EQ(run.sink.readings(), 100U);
}

/// Comes back when the thread has gone through a whole round, begun after the call. False: not in a time that is ample.
bool goes_a_round(AnalysisThread& thread) {
  for (int begun = 0; begun < 2; ++begun) {
    const auto at_beginning = std::make_shared<std::promise<void>>();
    thread.post([at_beginning](diagnose::Analysis&) { at_beginning->set_value(); });
    if (at_beginning->get_future().wait_for(60s) != std::future_status::ready) return false;
  }
  return true;
}

// What is to be taken out before the watermark moves may be more than may be held for a worker that lags.
TEST(AnalysisThread, TakesABacklogOfAllRingsThatIsMoreThanMayBeHeld) {
  TwoWorkers run;
  const std::size_t backlog = fill(run.first, 1) + fill(run.second, 1'000'000);
  run.first.covered_ns = kEnd + flowtable::kSecondNs;
  run.second.covered_ns = kEnd + 2 * flowtable::kSecondNs;
  ASSERT_TRUE(run.thread.start());
  EXPECT_TRUE(run.sink.comes_to(backlog));
  run.finish();
  EXPECT_EQ(run.sink.readings(), backlog);
  EXPECT_LE(run.sink.largest(), 4096U) << "in pieces, between which the watchdog is answered";
}

TEST(AnalysisThread, LeavesInTheRingsWhatAWorkerThatLagsDoesNotLetItJudge) {
  constexpr std::size_t kMostHeld = std::size_t{1} << 18U;
  constexpr std::size_t kFarMoreThanIsHeld = 1'000'000;
  TwoWorkers run;
  run.first.covered_ns = kEnd - flowtable::kSecondNs;
  run.second.covered_ns = kEnd + flowtable::kSecondNs;
  ASSERT_TRUE(run.thread.start());
  const auto taken = [&run] { return run.second.served.popped() + run.second.refusals.popped(); };
  std::size_t pushed = 0;
  for (bool takes = true; takes && pushed < kFarMoreThanIsHeld;) {
    pushed += fill(run.second, 1 + pushed);
    const std::uint64_t before = taken();
    ASSERT_TRUE(goes_a_round(run.thread));
    takes = taken() != before;
  }
  EXPECT_GT(taken(), kMostHeld) << "it takes what it may";
  EXPECT_LT(pushed, kFarMoreThanIsHeld);
  const std::uint64_t rounds = run.thread.rounds();
  ASSERT_TRUE(goes_a_round(run.thread));
  EXPECT_EQ(run.thread.rounds(), rounds) << "the watchdog is to see that events wait and none is taken";
  run.first.covered_ns = kEnd + flowtable::kSecondNs;
  EXPECT_TRUE(run.sink.comes_to(pushed));
  run.finish();
}

/// It has no memory for what it is given.
class FullSink final : public ReadingSink {
 public:
  void take(const std::vector<diagnose::DiagnosedConnection>& readings) override {
    if (!readings.empty()) throw std::bad_alloc();
  }
  void advance(flowtable::TimeNs) override {}
  void note_port_losses(std::uint64_t) override {}
  void flush() override {}
};

TEST(AnalysisThread, ThatFailsSaysSoAndHoldsNoWorkerUp) {
  EventRings rings{EventRingOptions{.refusals = 64, .evidence = 64, .served = 64}};
  std::array<EventRings*, 1> workers{&rings};
  diagnose::Analysis analysis(telling_all(), nullptr);
  FullSink sink;
  AnalysisThread thread(workers, analysis, sink);
  thread.judge_as_they_come(kEnd);
  ASSERT_TRUE(thread.start());
  rings.covered_ns = kEnd;
  EventOutlet outlet(rings, true);
  tcp::EventBatch batch;
  for (std::uint64_t id = 1; id <= 10'000; ++id) batch.events.push_back(ended_connection(id));
  outlet.hand_over(batch);  // waits for room
  rings.covered_ns = kAllCovered;
  const std::uint64_t rounds = thread.rounds();
  thread.finish();
  EXPECT_TRUE(thread.failed());
  EXPECT_EQ(thread.rounds(), rounds) << "for the watchdog";
  EXPECT_EQ(rings.served.size(), 0U);
  ASSERT_TRUE(thread.failure());
  EXPECT_THROW(std::rethrow_exception(thread.failure()), std::bad_alloc);
}

}  // namespace
}  // namespace doorslam::port
