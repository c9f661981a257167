#include "pipeline/port/analysis_thread.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

namespace doorslam::port {
namespace {

using namespace std::chrono_literals;

constexpr flowtable::TimeNs kEnd = 1000 * flowtable::kSecondNs;

class Count final : public ReadingSink {
 public:
  void take(const std::vector<diagnose::DiagnosedConnection>& readings) override { readings_ += readings.size(); }
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

 private:
  std::atomic<std::size_t> readings_{0};
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
  run.thread.start();
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
  run.thread.start();
  for (EventRings* rings : run.rings) rings->covered_ns = kEnd;
  end_connections(run.first, 100, 1);
  run.finish();
  EXPECT_EQ(run.sink.readings(), 100U);
}

/// False: not in a time that is ample.
bool stops_counting_rounds(const AnalysisThread& thread) {
  for (const auto until = std::chrono::steady_clock::now() + 60s; std::chrono::steady_clock::now() < until;) {
    const std::uint64_t before = thread.rounds();
    std::this_thread::sleep_for(100ms);
    if (thread.rounds() == before) return true;
  }
  return false;
}

// What is to be taken out before the watermark moves may be more than may be held for a worker that lags.
TEST(AnalysisThread, TakesABacklogOfAllRingsThatIsMoreThanMayBeHeld) {
  TwoWorkers run;
  const std::size_t backlog = fill(run.first, 1) + fill(run.second, 1'000'000);
  run.first.covered_ns = kEnd + flowtable::kSecondNs;
  run.second.covered_ns = kEnd + 2 * flowtable::kSecondNs;
  run.thread.start();
  EXPECT_TRUE(run.sink.comes_to(backlog));
  run.finish();
  EXPECT_EQ(run.sink.readings(), backlog);
}

TEST(AnalysisThread, LeavesInTheRingsWhatAWorkerThatLagsDoesNotLetItJudge) {
  constexpr std::size_t kFarMoreThanIsHeld = 1'000'000;
  TwoWorkers run;
  run.first.covered_ns = kEnd - flowtable::kSecondNs;
  run.second.covered_ns = kEnd + flowtable::kSecondNs;
  run.thread.start();
  std::size_t pushed = 0;
  for (auto taken = std::chrono::steady_clock::now();
       pushed < kFarMoreThanIsHeld && std::chrono::steady_clock::now() - taken < 500ms;) {
    const std::size_t more = fill(run.second, 1 + pushed);
    pushed += more;
    if (more > 0) taken = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_LT(pushed, kFarMoreThanIsHeld);
  EXPECT_TRUE(stops_counting_rounds(run.thread)) << "the watchdog is to see that events wait and none is taken";
  run.first.covered_ns = kEnd + flowtable::kSecondNs;
  EXPECT_TRUE(run.sink.comes_to(pushed));
  run.finish();
}

}  // namespace
}  // namespace doorslam::port
