#include "pipeline/app/end_guard.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

/// A sensor that is told to end must end, whatever the disk does; and one whose disk is only slow must not be cut
/// short.
namespace doorslam::app {
namespace {

using namespace std::chrono_literals;
using Clock = EndGuard::Clock;

EndGuard::Watch watch(Clock::duration hangs_for) {
  return {.hangs_for = [hangs_for] { return hangs_for; }, .what_is_unsaved = [] { return "3 records of flows"; }};
}

/// Waits for the guard to have looked several times.
template <class Done>
bool comes_to(const Done& done) {
  const auto until = Clock::now() + 60s;
  while (!done() && Clock::now() < until) std::this_thread::sleep_for(1ms);
  return done();
}

TEST(EndGuardDeathTest, EndsAProgramWhoseDiskHangs) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const auto hang = [] {
    const EndGuard guard(Clock::now(), 1s, watch(2s));
    std::this_thread::sleep_for(60s);  // as one that joins a thread which hangs
  };
  EXPECT_EXIT(hang(), testing::ExitedWithCode(1), "a disk hangs, and the program had to end; not saved: 3 records");
}

TEST(EndGuard, LeavesAProgramAloneWhoseDiskIsSlow) {
  std::atomic<int> looks = 0;
  const EndGuard guard(Clock::now() - 1h, 3s,
                       {.hangs_for =
                            [&looks] {
                              ++looks;
                              return Clock::duration(2s);
                            },
                        .what_is_unsaved = [] { return ""; }});
  EXPECT_TRUE(comes_to([&] { return looks > 3; }));
}

TEST(EndGuard, HurriesNobodyBeforeTheTimeIsOver) {
  const EndGuard guard(Clock::now() + 1h, 0s, watch(1h));
  std::this_thread::sleep_for(300ms);  // the worst of a slow machine: it has not looked yet
}

}  // namespace
}  // namespace doorslam::app
