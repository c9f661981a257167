#include "pipeline/alert/store/alert_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <random>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "tests/unit/store/sample_record.h"

namespace doorslam::store {
namespace {

using namespace std::chrono_literals;
using Clock = AlertStore::Clock;

class AlertStoreTest : public testing::Test {
 protected:
  std::unique_ptr<AlertStore> open(std::uint64_t most_octets = std::uint64_t{1} << 30) {
    StoreOptions options;
    options.path = path();
    options.most_octets = most_octets;
    auto store = AlertStore::open(options, [this](NoticeLevel, const std::string& line) {
      const std::lock_guard lock(mutex_);
      notices_.push_back(line);
    });
    EXPECT_TRUE(store.has_value()) << (store ? "" : store.error().message);
    return store ? std::move(*store) : nullptr;
  }
  std::filesystem::path path() const { return folder_ / "alerts.db"; }
  std::vector<int> numbers_in_store() {
    std::vector<int> numbers;
    auto reader = StoreReader::open(path());
    EXPECT_TRUE(reader.has_value());
    Filter everything;
    everything.flows = true;
    for (Sequence after = 0;;) {
      const auto batch = reader->read_after(after, everything, {});
      EXPECT_TRUE(batch.has_value());
      if (batch->records.empty()) return numbers;
      after = batch->through;
      for (const Record& record : batch->records) {
        const std::size_t at = record.body.find("\"number\":") + 9;
        numbers.push_back(std::stoi(record.body.substr(at)));
      }
    }
  }
  std::vector<std::string> notices() {
    const std::lock_guard lock(mutex_);
    return notices_;
  }

  test::TemporaryFolder folder_;
  std::mutex mutex_;
  std::vector<std::string> notices_;
};

TEST_F(AlertStoreTest, KeepsRecordsInTheOrderOfArrival) {
  auto store = open();
  for (int i = 0; i < 10'000; ++i) ASSERT_TRUE(store->append(sample_record(i), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  EXPECT_EQ(store->counters().stored, 10'000U);
  store.reset();
  const std::vector<int> numbers = numbers_in_store();
  ASSERT_EQ(numbers.size(), 10'000U);
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(numbers[static_cast<std::size_t>(i)], i);
}

TEST_F(AlertStoreTest, GivesBackEveryColumn) {
  Record flow = sample_record(7);
  flow.kind = RecordKind::flow;
  flow.cause = diagnose::Cause::tls_refused;
  flow.server.address.version = flowtable::IpVersion::v6;
  flow.server.address.octets.fill(0xfe);
  open()->offer(flow);
  auto reader = StoreReader::open(path());
  const auto found = reader->find(flow.id);
  ASSERT_EQ(found->size(), 1U);
  const Record& back = found->front();
  EXPECT_EQ(back.kind, RecordKind::flow);
  EXPECT_EQ(back.id, flow.id);
  EXPECT_EQ(back.time_ns, flow.time_ns);
  EXPECT_EQ(back.cause, flow.cause);
  EXPECT_EQ(back.severity, flow.severity);
  EXPECT_EQ(back.server, flow.server);
  EXPECT_EQ(back.body, flow.body);
}

TEST_F(AlertStoreTest, TakesAnAlertOnceAndGoesOnCountingAfterARestart) {
  open()->offer(sample_record(1));
  auto store = open();
  store->offer(sample_record(1));
  store->offer(sample_record(2));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  EXPECT_EQ(store->counters().duplicates, 1U);
  EXPECT_EQ(store->counters().stored, 1U);
  EXPECT_EQ(store->counters().through, 2);
  store.reset();
  EXPECT_EQ(numbers_in_store(), (std::vector<int>{1, 2}));
}

TEST_F(AlertStoreTest, IsForItsOwnerAndGroupAlone) {
  const mode_t before = umask(0);
  const auto store = open();
  umask(before);
  store->offer(sample_record(1));
  ASSERT_TRUE(store->flush(Clock::now() + 60s));
  for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
    struct stat facts {};
    ASSERT_EQ(stat(file.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777U & ~0640U, 0U) << file.path();
  }
}

TEST_F(AlertStoreTest, TellsHowLongAWriteTakes) {
  const auto store = open();
  EXPECT_EQ(store->busy_for(), Clock::duration::zero());
  // Another program holds the database: the transaction waits for it, as it would for a disk.
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  store->offer(sample_record(1));
  const auto until = Clock::now() + 60s;
  while ((store->busy_for() == Clock::duration::zero() && !store->counters().failing) && Clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(store->busy_for() > Clock::duration::zero() || store->counters().failing);
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  ASSERT_TRUE(store->flush(Clock::now() + 60s));
  EXPECT_FALSE(store->counters().failing);
}

TEST_F(AlertStoreTest, BelongsToOneProcess) {
  const auto store = open();
  StoreOptions options;
  options.path = path();
  const auto second = AlertStore::open(options, [](NoticeLevel, const std::string&) {});
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().message.find("process " + std::to_string(getpid())), std::string::npos)
      << second.error().message;
}

TEST_F(AlertStoreTest, BelongsToOneProcessByWhateverPath) {
  // The second link leads to a file that is not there yet.
  std::filesystem::create_directory(folder_ / "elsewhere");
  for (const char* name : {"alerts.db", "later.db"}) {
    std::filesystem::create_symlink(folder_ / name, folder_ / "elsewhere" / name);
    StoreOptions by_link;
    by_link.path = folder_ / "elsewhere" / name;
    StoreOptions by_name;
    by_name.path = folder_ / name;
    const auto quiet = [](NoticeLevel, const std::string&) {};
    const auto store = AlertStore::open(by_link, quiet);
    ASSERT_TRUE(store.has_value()) << store.error().message;
    EXPECT_FALSE(AlertStore::open(by_name, quiet).has_value()) << name;
  }
}

TEST_F(AlertStoreTest, LosesNothingWhereAnotherProgramTookANumber) {
  auto store = open();
  ASSERT_TRUE(store->append(sample_record(1), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 60s));
  {
    auto other = Database::open(path(), Access::write);
    ASSERT_TRUE(
        other
            ->execute("INSERT INTO record SELECT seq + 1, kind, time, severity, cause, server, port, 'f' || id, "
                      "body FROM record")
            .has_value());
  }
  for (int i = 2; i < 10; ++i) ASSERT_TRUE(store->append(sample_record(i), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 60s));
  EXPECT_EQ(store->counters().duplicates, 0U) << "what was not stored counts as there already";
  EXPECT_EQ(store->counters().stored, 9U);
  EXPECT_EQ(store->counters().through, 10);
  store.reset();
  EXPECT_EQ(numbers_in_store(), (std::vector<int>{1, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  ASSERT_FALSE(notices().empty());
  EXPECT_NE(notices().front().find("another program writes to it"), std::string::npos) << notices().front();
}

TEST_F(AlertStoreTest, RefusesWhatIsNoStore) {
  const auto message = [this] {
    StoreOptions options;
    options.path = path();
    const auto store = AlertStore::open(options, [](NoticeLevel, const std::string&) {});
    return store ? std::string() : store.error().message;
  };
  std::ofstream(path()) << "this is a text of somebody's, and not short enough to be taken for an empty database file.";
  EXPECT_NE(message().find("damaged or something else"), std::string::npos) << message();
  std::filesystem::remove(path());
  {
    auto other = Database::open(path(), Access::create);
    ASSERT_TRUE(other->execute("CREATE TABLE somebody(elses)").has_value());
  }
  EXPECT_NE(message().find("is no store of doorslam"), std::string::npos) << message();
  std::filesystem::remove(path());
  open();
  {
    auto later = Database::open(path(), Access::write);
    ASSERT_TRUE(later->execute("PRAGMA user_version = 99").has_value());
  }
  EXPECT_NE(message().find("version 99"), std::string::npos) << message();
  StoreOptions nowhere;
  nowhere.path = folder_ / "no" / "such" / "folder.db";
  EXPECT_NE(AlertStore::open(nowhere, {}).error().message.find("No such file"), std::string::npos);
}

TEST_F(AlertStoreTest, GivesUpTheOldestOnlyAtTheBoundAndCountsWhatASinkHadNotSent) {
  auto store = open(4U << 20U);
  Filter only_severe;
  only_severe.least_severity = 99;
  ASSERT_EQ(store->enlist("behind", {}), 0);
  ASSERT_EQ(store->enlist("choosy", only_severe), 0);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  EXPECT_EQ(store->counters().trimmed, 0U);  // two megabytes fit
  store->confirm("behind", 100);
  for (int i = 500; i < 3'000; ++i) ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  const StoreCounters counters = store->counters();
  EXPECT_LE(counters.octets, 4U << 20U);
  EXPECT_GT(counters.octets, 3U << 20U);
  EXPECT_EQ(counters.stored, 3'000U);
  const std::uint64_t lost = store->lost("behind");
  EXPECT_EQ(lost, counters.trimmed - 100);
  EXPECT_EQ(store->lost("choosy"), 0U);
  ASSERT_FALSE(notices().empty());
  EXPECT_NE(notices().front().find("sink behind"), std::string::npos);
  store.reset();
  const std::vector<int> numbers = numbers_in_store();
  ASSERT_EQ(numbers.size(), 3'000 - counters.trimmed);
  EXPECT_EQ(numbers.back(), 2'999);
  EXPECT_EQ(numbers.front(), static_cast<int>(counters.trimmed));
  EXPECT_EQ(open()->lost("behind"), 0U);  // of those that run now
  auto again = open();
  EXPECT_EQ(again->enlist("behind", {}), 100);
  EXPECT_EQ(again->lost("behind"), lost);
}

TEST_F(AlertStoreTest, WhatASinkHasInHandIsLostOnlyIfItDoesNotArrive) {
  // Trimmed while the receiver is at it: the sink has read 1 to 300 and goes back to 200 when its stream breaks.
  auto store = open(4U << 20U);
  ASSERT_EQ(store->enlist("siem", {}), 0);
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 60s));
  auto reader = store->reader();
  const auto read = [&](Sequence after, std::size_t records) {
    store->begin_read("siem");
    const auto batch = reader->read_after(after, {}, {records, std::size_t{1} << 30U});
    store->end_read("siem", after, batch->records, batch->through);
    return batch->records;
  };
  ASSERT_EQ(read(0, 300).size(), 300U);
  for (int i = 400; i < 3'000; ++i) ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 60s));
  const std::uint64_t trimmed = store->counters().trimmed;
  ASSERT_GT(trimmed, 400U);
  EXPECT_EQ(store->lost("siem"), trimmed - 300) << "what is in hand may arrive yet";
  store->confirm("siem", 200);
  EXPECT_EQ(store->lost("siem"), trimmed - 300);
  const auto first = read(200, 10).front().sequence;
  EXPECT_EQ(first, static_cast<Sequence>(trimmed) + 1);
  EXPECT_EQ(store->lost("siem"), trimmed - 200);
  store.reset();
  EXPECT_EQ(StoreReader::open(path())->cursors()->front().lost, trimmed - 200) << "as the file has it";
}

TEST_F(AlertStoreTest, CountsWhatASinkLosesWhileItDoesNotRun) {
  {
    auto store = open(4U << 20U);
    store->enlist("behind", {});
    store->enlist("not started yet", {});
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
    ASSERT_TRUE(store->flush(Clock::now() + 60s));
    store->confirm("behind", 5);
  }
  std::uint64_t trimmed = 0;
  {
    auto store = open(4U << 20U);
    Record flow = sample_record(0, 4'000);
    flow.kind = RecordKind::flow;
    ASSERT_TRUE(store->append(flow, 10s));  // no alert: not known whether it was wanted
    for (int i = 20; i < 3'000; ++i) ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
    ASSERT_TRUE(store->flush(Clock::now() + 60s));
    trimmed = store->counters().trimmed;
    ASSERT_GT(trimmed, 100U);
  }
  EXPECT_TRUE(notices().empty()) << "a sink that was given up for good would be told of for ever";
  auto again = open(4U << 20U);
  EXPECT_EQ(again->enlist("behind", {}), 5);
  EXPECT_EQ(again->lost("behind"), trimmed - 1 - 5);
  EXPECT_EQ(again->enlist("not started yet", {}), 0);
  EXPECT_EQ(again->lost("not started yet"), trimmed - 1);
}

TEST_F(AlertStoreTest, RemembersWhatAReceiverRefused) {
  auto store = open();
  store->enlist("siem", {});
  store->note_refused("siem", 2);
  store->note_refused("siem", 3);
  store.reset();
  EXPECT_EQ(StoreReader::open(path())->cursors()->front().refused, 5U);
  // A store of an earlier doorslam has no place for it: it is read as it is, and gets one when it is written to.
  {
    auto earlier = Database::open(path(), Access::write);
    ASSERT_TRUE(earlier->execute("ALTER TABLE cursor DROP COLUMN refused").has_value());
  }
  EXPECT_EQ(StoreReader::open(path())->cursors()->front().refused, 0U);
  store = open();
  store->note_refused("siem", 1);
  store.reset();
  EXPECT_EQ(StoreReader::open(path())->cursors()->front().refused, 1U);
}

TEST_F(AlertStoreTest, RemembersHowFarASinkIs) {
  auto store = open();
  for (int i = 0; i < 20; ++i) store->offer(sample_record(i));
  ASSERT_EQ(store->enlist("siem", {}), 0);
  store->confirm("siem", 12);
  store->confirm("siem", 11);  // never back
  store.reset();
  EXPECT_EQ(open()->enlist("siem", {}), 12);
  EXPECT_EQ(open()->enlist("other", {}), 0);
}

TEST_F(AlertStoreTest, SendsOnceMoreWhatWasAskedFor) {
  auto store = open();
  for (int i = 0; i < 20; ++i) store->offer(sample_record(i));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  ASSERT_TRUE(ask_to_resend(path(), "siem", {3, 7, 7, 1'000}).has_value());
  auto reader = store->reader();
  const auto batch = reader->read_resends("siem", {});
  ASSERT_EQ(batch->records.size(), 2U);
  EXPECT_EQ(batch->records[0].sequence, 3);
  EXPECT_EQ(batch->records[1].sequence, 7);
  EXPECT_TRUE(reader->read_resends("other", {})->records.empty());
  EXPECT_EQ(reader->cursors()->front().to_resend, 2U) << "nobody waits for a record that is not there";
  store->confirm_resent("siem", {3, 7});
  store.reset();
  EXPECT_TRUE(StoreReader::open(path())->read_resends("siem", {})->records.empty());
}

TEST_F(AlertStoreTest, CountsWhatWasGivenUpBeforeItWasSentOnceMore) {
  auto store = open(4U << 20U);
  store->enlist("siem", {});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  store->confirm("siem", 20);
  ASSERT_TRUE(ask_to_resend(path(), "siem", {3, 7}).has_value());
  ASSERT_TRUE(ask_to_resend(path(), "archive", {7}).has_value());
  for (int i = 20; i < 3'000; ++i) {
    ASSERT_TRUE(store->append(sample_record(i, 4'000), 10s));
    store->confirm("siem", i + 1);
  }
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  ASSERT_GT(store->counters().trimmed, 20U);
  EXPECT_EQ(store->resends_lost("siem"), 2U);
  EXPECT_EQ(store->resends_lost("archive"), 1U);
  EXPECT_EQ(store->resends_lost("other"), 0U);
  const std::vector<std::string> told = notices();
  const auto tells = [](const std::string& line) {
    return line.find("2 records that sink siem was to send once more") != std::string::npos;
  };
  EXPECT_EQ(std::count_if(told.begin(), told.end(), tells), 1);
}

TEST_F(AlertStoreTest, CountsWhatTheQueueCannotHold) {
  // Somebody else's write transaction holds the writer up.
  auto store = open();
  store->offer(sample_record(0));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  auto blocker = Database::open(path(), Access::write);
  ASSERT_TRUE(blocker->execute("BEGIN IMMEDIATE").has_value());
  std::uint64_t refused = 0;
  for (int i = 1; i <= 70'000; ++i) refused += store->offer(sample_record(i, 10)) ? 0 : 1;
  EXPECT_EQ(store->counters().overflowed, refused);
  EXPECT_EQ(store->counters().queued, 65'536U);
  blocker->roll_back();
  ASSERT_TRUE(store->flush(Clock::now() + 20s));
  const StoreCounters counters = store->counters();
  EXPECT_EQ(counters.offered, counters.stored + counters.overflowed);
}

TEST_F(AlertStoreTest, KeepsRoomForAlertsWhereFlowRecordsFillTheQueue) {
  auto store = open();
  auto blocker = Database::open(path(), Access::write);
  ASSERT_TRUE(blocker->execute("BEGIN IMMEDIATE").has_value());
  Record flow = sample_record(1, 10);
  flow.kind = RecordKind::flow;
  for (int i = 0; i < 70'000; ++i) store->offer(flow);
  EXPECT_EQ(store->counters().queued, 65'536U * 3 / 4);
  for (int i = 0; i < 10'000; ++i) EXPECT_TRUE(store->offer(sample_record(i, 10)));
  EXPECT_FALSE(store->offer(flow));
  EXPECT_EQ(store->counters().overflowed_alerts, 0U);
  blocker->roll_back();
  ASSERT_TRUE(store->flush(Clock::now() + 60s));
  const StoreCounters counters = store->counters();
  EXPECT_EQ(counters.stored, 65'536U * 3 / 4 + 10'000U);
  EXPECT_EQ(counters.overflowed, 70'001U - 65'536U * 3 / 4);
  store.reset();
  std::string told;
  for (const std::string& notice : notices()) told += notice + '\n';
  EXPECT_NE(told.find("(0 of them alerts) are lost"), std::string::npos) << told;
}

TEST_F(AlertStoreTest, ListingWithALongBreathDoesNotHoldTheLog) {
  // doorslam alerts | less: the reader must not keep the writer's log from beginning anew while a person reads.
  auto store = open();
  for (int i = 0; i < 1'200; ++i) store->offer(sample_record(i, 100));
  ASSERT_TRUE(store->flush(Clock::now() + 10s));
  auto reader = store->reader();
  auto other = Database::open(path(), Access::write);
  other->set_patience(0ms);
  std::vector<std::string> ids;
  const auto told = reader->newest_first({}, [&](const Record& record) {
    if (ids.empty()) {
      EXPECT_EQ(*other->number("PRAGMA wal_checkpoint(RESTART)"), 0) << "a reader holds the log";
    }
    ids.push_back(record.id);
    return true;
  });
  ASSERT_TRUE(told.has_value());
  ASSERT_EQ(ids.size(), 1'200U);
  EXPECT_EQ(ids.front(), sample_record(1'199).id);
  EXPECT_EQ(ids.back(), sample_record(0).id);
}

TEST_F(AlertStoreTest, HasAllThatItAcknowledgedAfterKill9) {
  std::mt19937 random(1);
  int first = 0;
  for (int round = 0; round < 8; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      StoreOptions options;
      options.path = path();
      auto store = AlertStore::open(options, [](NoticeLevel, const std::string&) {});
      if (!store) _exit(1);
      for (int i = first;; ++i) {
        (*store)->append(sample_record(i, 3'000), 10s);
        if (i % 50 != 0 || !(*store)->flush(Clock::now() + 10s)) continue;
        if (write(pipe_ends[1], &i, sizeof(i)) != sizeof(i)) _exit(1);
      }
    }
    ::close(pipe_ends[1]);
    int acknowledged = first - 1;
    const int rounds = static_cast<int>(random() % 40);
    for (int i = 0; i <= rounds; ++i) {
      if (read(pipe_ends[0], &acknowledged, sizeof(acknowledged)) != sizeof(acknowledged)) break;
    }
    ASSERT_EQ(kill(child, SIGKILL), 0);
    waitpid(child, nullptr, 0);
    while (read(pipe_ends[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {
    }
    ::close(pipe_ends[0]);
    ASSERT_NE(open(), nullptr);
    const std::vector<int> numbers = numbers_in_store();
    ASSERT_GE(static_cast<int>(numbers.size()), acknowledged + 1);
    for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], static_cast<int>(i));
    first = static_cast<int>(numbers.size());
  }
}

TEST(Filter, ChoosesByKindCauseSeverityAndServer) {
  const Record record = sample_record(0x0102);  // of 10.0.1.2
  Filter filter;
  EXPECT_TRUE(filter.matches(record));
  filter.least_severity = 48;
  EXPECT_FALSE(filter.matches(record));
  filter.least_severity = 47;
  filter.causes = {diagnose::Cause::app_crash};
  EXPECT_FALSE(filter.matches(record));
  filter.causes.push_back(record.cause);
  EXPECT_TRUE(filter.matches(record));
  filter.servers = {*parse_prefix("10.0.2.0/23"), *parse_prefix("::/0")};
  EXPECT_FALSE(filter.matches(record));
  filter.servers.push_back(*parse_prefix("10.0.0.0/23"));
  EXPECT_TRUE(filter.matches(record));
  filter.alerts = false;
  EXPECT_FALSE(filter.matches(record));
}

}  // namespace
}  // namespace doorslam::store
