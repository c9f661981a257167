#include "pipeline/alert/sink/sink_runner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/support/temporary_folder.h"
#include "tests/unit/store/sample_record.h"

namespace doorslam::sink {
namespace {

using namespace std::chrono_literals;
using store::sample_record;

constexpr auto kGenerous = 60s;

/// Takes everything at once, and does between two batches what the test wants.
class Taker final : public Receiver {
 public:
  explicit Taker(std::function<void(std::span<const Message>)> taken) : taken_(std::move(taken)) {}

  Delivery deliver(std::span<const Message> messages, const std::stop_token& /*stop*/) override {
    taken_(messages);
    return Delivery::all(messages.size(), Fate::delivered);
  }

 private:
  std::function<void(std::span<const Message>)> taken_;
};

/// Takes what the test says, and refuses what it says.
class Chooser final : public Receiver {
 public:
  explicit Chooser(std::function<Fate(const store::Record&)> choose) : choose_(std::move(choose)) {}

  Delivery deliver(std::span<const Message> messages, const std::stop_token& /*stop*/) override {
    Delivery delivery;
    for (const Message& message : messages) delivery.fates.push_back(choose_(*message.record));
    const auto again = std::count(delivery.fates.begin(), delivery.fates.end(), Fate::again);
    if (again > 0) delivery.trouble = "not now";
    return delivery;
  }

 private:
  std::function<Fate(const store::Record&)> choose_;
};

class SinkRunnerTest : public testing::Test {
 protected:
  SinkRunnerTest() {
    store::StoreOptions options;
    options.path = path();
    store_ = std::move(store::AlertStore::open(options, [](NoticeLevel, const std::string&) {}).value());
  }
  std::filesystem::path path() const { return folder_ / "alerts.db"; }
  void put(int number) {
    EXPECT_TRUE(store_->append(sample_record(number), kGenerous));
    EXPECT_TRUE(store_->flush(Clock::now() + kGenerous));
  }
  std::unique_ptr<SinkRunner> runner(std::size_t batch, std::function<void(std::span<const Message>)> taken) {
    RunnerOptions options;
    options.name = "siem";
    options.batch.records = batch;
    return std::make_unique<SinkRunner>(options, std::make_unique<Taker>(std::move(taken)), *store_,
                                        [](NoticeLevel, const std::string&) {});
  }
  std::unique_ptr<SinkRunner> runner(std::function<Fate(const store::Record&)> choose) {
    RunnerOptions options;
    options.name = "siem";
    options.backoff = {1ms, 10ms};
    return std::make_unique<SinkRunner>(options, std::make_unique<Chooser>(std::move(choose)), *store_,
                                        [](NoticeLevel, const std::string&) {});
  }
  void ask_for(const std::vector<Sequence>& sequences) {
    ASSERT_TRUE(store::ask_to_resend(path(), "siem", sequences).has_value());
    const std::uint64_t number = store_->confirm_resent("siem", {});
    ASSERT_TRUE(holds_in_time([&] { return store_->news_written() >= number; }));
  }
  static bool holds_in_time(const auto& condition) {
    const auto deadline = Clock::now() + kGenerous;
    while (!condition()) {
      if (Clock::now() > deadline) return false;
      std::this_thread::sleep_for(5ms);
    }
    return true;
  }

  test::TemporaryFolder folder_;
  std::unique_ptr<store::AlertStore> store_;
};

TEST_F(SinkRunnerTest, CurrentRecordsDoNotWaitForAllThatIsSentOnceMore) {
  constexpr int kOld = 500;
  for (int i = 0; i < kOld; ++i) ASSERT_TRUE(store_->append(sample_record(i), kGenerous));
  ASSERT_TRUE(store_->flush(Clock::now() + kGenerous));
  store_->enlist("siem", {});
  store_->confirm("siem", kOld);
  std::vector<Sequence> all;
  for (Sequence i = 1; i <= kOld; ++i) all.push_back(i);
  ASSERT_TRUE(store::ask_to_resend(path(), "siem", all).has_value());
  store_->confirm_resent("siem", {});
  ASSERT_TRUE(holds_in_time([&] { return store_->news_written() >= 1; }));

  std::atomic<int> resent = 0;
  std::atomic<int> resent_before_the_new = -1;
  const auto sink = runner(50, [&](std::span<const Message> messages) {
    for (const Message& message : messages) {
      if (message.record->sequence > kOld) {
        resent_before_the_new = resent.load();
      } else if (++resent == 1) {
        put(kOld);
      }
    }
  });
  ASSERT_TRUE(sink->start().has_value());
  ASSERT_TRUE(holds_in_time([&] { return resent_before_the_new >= 0; }));
  EXPECT_LT(resent_before_the_new, kOld / 2);
  // And those asked for are sent all the same, before a runner that is to finish ends.
  sink->finish();
  EXPECT_TRUE(sink->join(Clock::now() + kGenerous));
  EXPECT_GE(resent, kOld);
  EXPECT_EQ(sink->counters().resent, static_cast<std::uint64_t>(kOld));
}

TEST_F(SinkRunnerTest, WhatIsNotTakenOnceMoreHoldsUpNothingElse) {
  for (int i = 0; i < 4; ++i) put(i);
  store_->enlist("siem", {});
  store_->confirm("siem", 4);
  ask_for({1, 2, 3});
  std::atomic<bool> mended = false;
  std::atomic<int> arrived = 0;
  const auto sink = runner([&](const store::Record& record) {
    if (record.sequence == 2 && !mended) return Fate::again;
    ++arrived;
    return Fate::delivered;
  });
  ASSERT_TRUE(sink->start().has_value());
  ASSERT_TRUE(holds_in_time([&] { return arrived == 2; })) << "those that were taken are not sent again";
  for (int i = 4; i < 10; ++i) put(i);
  ASSERT_TRUE(holds_in_time([&] { return arrived == 8; }));
  ASSERT_TRUE(holds_in_time([&] { return sink->counters().behind == 0; }));
  EXPECT_EQ(sink->counters().resent, 2U);
  EXPECT_EQ(sink->counters().trouble, "") << "current records are in none";
  mended = true;
  sink->finish();
  EXPECT_TRUE(sink->join(Clock::now() + kGenerous));
  EXPECT_EQ(sink->counters().resent, 3U);
  EXPECT_EQ(arrived, 9);
}

TEST_F(SinkRunnerTest, TheStoreRemembersWhatWasRefused) {
  for (int i = 0; i < 4; ++i) put(i);
  {
    const auto sink =
        runner([](const store::Record& record) { return record.sequence == 2 ? Fate::refused : Fate::delivered; });
    ASSERT_TRUE(sink->start().has_value());
    sink->finish();
    EXPECT_TRUE(sink->join(Clock::now() + kGenerous));
  }
  store_.reset();
  EXPECT_EQ(store::StoreReader::open(path())->cursors()->front().refused, 1U);
}

TEST_F(SinkRunnerTest, WaitingIsCountedFromTheOldestBatchThatHasNotArrived) {
  constexpr int kBatches = 50;
  put(0);
  SinkRunner* observed = nullptr;
  int batches = 0;
  milliseconds longest_excess{0};
  auto taken_last = Clock::now();
  std::atomic<bool> done = false;
  const auto sink = runner(10, [&](std::span<const Message>) {
    // The batch in hand was handed over after the one before had been taken. The clock is read last: between the two
    // readings anything may come.
    const milliseconds waiting = observed->counters().oldest_waiting;
    const auto most = std::chrono::duration_cast<milliseconds>(Clock::now() - taken_last) + 1ms;
    if (batches > 0) longest_excess = std::max(longest_excess, waiting - most);
    if (++batches < kBatches) put(batches);  // the sink never comes to rest
    done = batches >= kBatches;
    taken_last = Clock::now();
  });
  observed = sink.get();
  ASSERT_TRUE(sink->start().has_value());
  ASSERT_TRUE(holds_in_time([&] { return done.load(); }));
  sink->finish();
  EXPECT_TRUE(sink->join(Clock::now() + kGenerous));
  EXPECT_LE(longest_excess.count(), 0);
  EXPECT_EQ(sink->counters().oldest_waiting.count(), 0);
}

}  // namespace
}  // namespace doorslam::sink
