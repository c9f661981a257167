// What the store does when its bound, its disk or another process press on it.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "pipeline/alert/store/alert_store.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/store/sample_record.h"

namespace doorslam::store {
namespace {

using namespace std::chrono_literals;
using Clock = AlertStore::Clock;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;
constexpr auto kGenerous = 60s;

class StorePressureTest : public testing::Test {
 protected:
  std::unique_ptr<AlertStore> open(std::uint64_t most_octets = 1024 * kMiB, std::size_t queue_records = 65'536) {
    StoreOptions options;
    options.path = path();
    options.most_octets = most_octets;
    options.queue_records = queue_records;
    auto store = AlertStore::open(options, [](NoticeLevel, const std::string&) {});
    EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }
  std::filesystem::path path() const { return folder_ / "alerts.db"; }

  test::TemporaryFolder folder_;
};

bool holds_in_time(const auto& condition) {
  const auto deadline = Clock::now() + kGenerous;
  while (!condition()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

TEST_F(StorePressureTest, LowerBoundIsReachedInStepsThatNeedLittleRoom) {
  {
    auto store = open();
    for (int i = 0; i < 8'000; ++i) ASSERT_TRUE(store->append(sample_record(i, 8'000), kGenerous));
    ASSERT_TRUE(store->flush(Clock::now() + kGenerous));
    ASSERT_GT(store->counters().octets, 60 * kMiB);
  }
  auto store = open(8 * kMiB);
  ASSERT_TRUE(store->append(sample_record(8'000), kGenerous));
  ASSERT_TRUE(store->flush(Clock::now() + kGenerous));
  EXPECT_TRUE(holds_in_time([&] { return store->counters().octets <= 8 * kMiB; }))
      << "a bound that was lowered is reached without further records";
  EXPECT_EQ(store->counters().write_failures, 0U);
  EXPECT_GT(store->counters().trimmed, 6'000U);
  // The log never shrinks while the store is open.
  EXPECT_LE(std::filesystem::file_size(path().string() + "-wal"), 32 * kMiB);
}

TEST_F(StorePressureTest, TrimmingKeepsUpWithBatchesOfAnySize) {
  auto store = open(8 * kMiB);
  for (int i = 0; i < 3'000; ++i) ASSERT_TRUE(store->append(sample_record(i, 20'000), kGenerous));
  ASSERT_TRUE(store->flush(Clock::now() + kGenerous));
  EXPECT_TRUE(holds_in_time([&] { return store->counters().octets <= 8 * kMiB; }));
  const StoreCounters counters = store->counters();
  EXPECT_EQ(counters.stored, 3'000U);
  EXPECT_EQ(counters.through, 3'000);
}

TEST_F(StorePressureTest, NewsOfOneSinkIsWrittenWhileOthersGoOn) {
  auto store = open();
  std::atomic<bool> stop = false;
  std::thread offers([&] {
    for (int i = 0; !stop; ++i) store->append(sample_record(i), kGenerous);
  });
  std::thread confirms([&] {
    for (Sequence i = 0; !stop; ++i) {
      store->confirm("other", i);
      std::this_thread::yield();
    }
  });
  for (int round = 0; round < 5; ++round) {
    const std::uint64_t number = store->confirm_resent("siem", {1, 2, 3});
    EXPECT_TRUE(holds_in_time([&] { return store->news_written() >= number; })) << round;
  }
  stop = true;
  offers.join();
  confirms.join();
}

TEST_F(StorePressureTest, ManyRequestsToResendLetTheWriterIn) {
  auto store = open();
  ASSERT_TRUE(store->append(sample_record(0), kGenerous));
  ASSERT_TRUE(store->flush(Clock::now() + kGenerous));
  std::vector<Sequence> all;
  for (Sequence i = 1; i <= 100'000; ++i) all.push_back(i);
  std::atomic<bool> noted = false;
  std::thread asks([&] {
    EXPECT_TRUE(ask_to_resend(path(), "siem", all).has_value());
    noted = true;
  });
  // Records that reach the disk before all is noted: the requests do not hold the database throughout.
  int during = 0;
  for (int i = 1; !noted; ++i) {
    ASSERT_TRUE(store->append(sample_record(i), kGenerous));
    ASSERT_TRUE(store->flush(Clock::now() + kGenerous));
    if (!noted) ++during;
  }
  asks.join();
  EXPECT_GE(during, 3);
  EXPECT_EQ(store->counters().write_failures, 0U);
}

TEST_F(StorePressureTest, PatienceWithADiskThatIsBeyondHelpIsHadOnce) {
  constexpr std::size_t kQueue = 8;
  auto store = open(1024 * kMiB, kQueue);
  ASSERT_TRUE(store->append(sample_record(0), kGenerous));
  ASSERT_TRUE(store->flush(Clock::now() + kGenerous));
  auto blocker = Database::open(path(), Access::write);
  ASSERT_TRUE(blocker->execute("BEGIN IMMEDIATE").has_value());
  int number = 1;
  for (std::size_t i = 0; i < kQueue; ++i) ASSERT_TRUE(store->append(sample_record(number++), 10ms));
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(store->append(sample_record(number++), 10ms));
  EXPECT_EQ(store->counters().overflowed, 50U);
  EXPECT_EQ(store->counters().waits, 1U);
  blocker->roll_back();
  ASSERT_TRUE(store->flush(Clock::now() + kGenerous));
  // It is had again once the disk has taken something.
  ASSERT_TRUE(blocker->execute("BEGIN IMMEDIATE").has_value());
  for (std::size_t i = 0; i < kQueue; ++i) ASSERT_TRUE(store->append(sample_record(number++), 10ms));
  EXPECT_FALSE(store->append(sample_record(number++), 10ms));
  EXPECT_EQ(store->counters().waits, 2U);
  blocker->roll_back();
}

}  // namespace
}  // namespace doorslam::store
