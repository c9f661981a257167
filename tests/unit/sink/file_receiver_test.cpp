#include "pipeline/alert/sink/file_receiver.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "tests/unit/store/sample_record.h"

namespace doorslam::sink {
namespace {

class FileReceiverTest : public testing::Test {
 protected:
  std::string content(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(folder_ / name, std::ios::binary).rdbuf();
    return text.str();
  }
  /// Delivers one batch of these bodies; what stood in the way.
  std::string deliver(Receiver& receiver, const std::vector<std::string>& bodies) {
    std::vector<store::Record> records(bodies.size());
    std::vector<Message> messages;
    for (std::size_t i = 0; i < bodies.size(); ++i) messages.push_back({&records[i], bodies[i]});
    const Delivery delivery = receiver.deliver(messages, stop_.get_token());
    for (const Fate fate : delivery.fates) {
      EXPECT_EQ(fate, delivery.trouble.empty() ? Fate::delivered : Fate::again);
    }
    remark_ = delivery.remark;
    return delivery.trouble;
  }
  std::unique_ptr<Receiver> receiver(FileOptions options = {}) {
    options.path = folder_ / "alerts.ndjson";
    return make_file_receiver(options);
  }

  test::TemporaryFolder folder_;
  std::stop_source stop_;
  std::string remark_;  ///< of the latest delivery
};

TEST_F(FileReceiverTest, WritesALineAMessageAndGoesOnWithAnExistingFile) {
  EXPECT_EQ(deliver(*receiver(), {"{1}", "{2}"}), "");
  EXPECT_EQ(deliver(*receiver(), {"{3}"}), "");
  EXPECT_EQ(content("alerts.ndjson"), "{1}\n{2}\n{3}\n");
}

TEST_F(FileReceiverTest, MakesAFileForItsOwnerAndGroupAlone) {
  const mode_t before = umask(0);
  EXPECT_EQ(deliver(*receiver(), {"{1}"}), "");
  umask(before);
  struct stat facts {};
  ASSERT_EQ(stat((folder_ / "alerts.ndjson").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777U, 0640U);
}

TEST_F(FileReceiverTest, TakesBackALineThatWasTorn) {
  for (const std::string& torn : {std::string("{hal"), std::string(10'000, 'x')}) {
    std::ofstream(folder_ / "alerts.ndjson") << "{whole}\n" << torn;
    EXPECT_EQ(deliver(*receiver(), {"{next}"}), "");
    EXPECT_EQ(content("alerts.ndjson"), "{whole}\n{next}\n");
  }
  std::ofstream(folder_ / "alerts.ndjson") << "{only this, and torn";
  EXPECT_EQ(deliver(*receiver(), {"{next}"}), "");
  EXPECT_EQ(content("alerts.ndjson"), "{next}\n");
}

TEST_F(FileReceiverTest, RotatesBySizeAndKeepsSoManyFiles) {
  FileOptions options;
  options.rotate_octets = 10;
  options.keep = 2;
  const auto file = receiver(options);
  for (const char* body : {"aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gggg"})
    EXPECT_EQ(deliver(*file, {body}), "");
  EXPECT_EQ(content("alerts.ndjson"), "gggg\n");
  EXPECT_EQ(content("alerts.ndjson.1"), "eeee\nffff\n");
  EXPECT_EQ(content("alerts.ndjson.2"), "cccc\ndddd\n");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "alerts.ndjson.3"));
}

TEST_F(FileReceiverTest, SaysThatItCannotRotateAndLosesNothingByIt) {
  FileOptions options;
  options.rotate_octets = 10;
  options.keep = 2;
  const auto file = receiver(options);
  for (const char* body : {"aaaaaaaaaa", "bbbbbbbbbb"}) ASSERT_EQ(deliver(*file, {body}), "");
  std::filesystem::create_directories(folder_ / "alerts.ndjson.2" / "in the way");
  ASSERT_EQ(deliver(*file, {"cccccccccc"}), "");
  EXPECT_NE(remark_.find("is not rotated and grows on"), std::string::npos) << remark_;
  EXPECT_NE(remark_.find("alerts.ndjson.2: Is a directory"), std::string::npos) << remark_;
  EXPECT_EQ(content("alerts.ndjson.1"), "aaaaaaaaaa\n") << "what was put aside is not written over";
  EXPECT_EQ(content("alerts.ndjson"), "bbbbbbbbbb\ncccccccccc\n");
  std::filesystem::remove_all(folder_ / "alerts.ndjson.2");
  ASSERT_EQ(deliver(*file, {"dddddddddd"}), "");
  EXPECT_EQ(remark_, "");
  EXPECT_EQ(content("alerts.ndjson.1"), "bbbbbbbbbb\ncccccccccc\n");
  EXPECT_EQ(content("alerts.ndjson"), "dddddddddd\n");
}

TEST_F(FileReceiverTest, RotatesByAge) {
  FileOptions options;
  options.rotate_after = std::chrono::hours(1);
  ASSERT_EQ(deliver(*receiver(options), {"old"}), "");
  EXPECT_EQ(deliver(*receiver(options), {"younger"}), "");
  EXPECT_EQ(content("alerts.ndjson"), "old\nyounger\n");
  std::filesystem::last_write_time(folder_ / "alerts.ndjson",
                                   std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  const auto file = receiver(options);
  EXPECT_EQ(deliver(*file, {"opens it"}), "");
  EXPECT_EQ(deliver(*file, {"new"}), "");
  EXPECT_EQ(content("alerts.ndjson"), "new\n");
}

TEST_F(FileReceiverTest, KnowsAFilesAgeAfterARestartThoughItWasWrittenJustNow) {
  FileOptions options;
  options.rotate_after = std::chrono::seconds(1);
  ASSERT_EQ(deliver(*receiver(options), {"old"}), "");
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  struct statx facts {};
  ASSERT_EQ(::statx(AT_FDCWD, (folder_ / "alerts.ndjson").c_str(), 0, STATX_BTIME, &facts), 0);
  if ((facts.stx_mask & STATX_BTIME) == 0) GTEST_SKIP() << "this file system keeps no time of birth";
  std::filesystem::last_write_time(folder_ / "alerts.ndjson", std::filesystem::file_time_type::clock::now());
  const auto file = receiver(options);
  EXPECT_EQ(deliver(*file, {"opens it"}), "");
  EXPECT_EQ(deliver(*file, {"new"}), "");
  EXPECT_EQ(content("alerts.ndjson.1"), "old\nopens it\n");
  EXPECT_EQ(content("alerts.ndjson"), "new\n");
}

TEST_F(FileReceiverTest, BeginsAnewWhereSomebodyMovedTheFile) {
  const auto file = receiver();
  ASSERT_EQ(deliver(*file, {"first"}), "");
  std::filesystem::rename(folder_ / "alerts.ndjson", folder_ / "moved");
  ASSERT_EQ(deliver(*file, {"second"}), "");
  file->reopen();
  ASSERT_EQ(deliver(*file, {"third"}), "");
  EXPECT_EQ(content("moved"), "first\n");
  EXPECT_EQ(content("alerts.ndjson"), "second\nthird\n");
}

TEST_F(FileReceiverTest, SaysWhatStandsInTheWayAndGoesOnAfterwards) {
  std::filesystem::create_directory(folder_ / "alerts.ndjson");
  const auto file = receiver();
  EXPECT_NE(deliver(*file, {"first"}).find("Is a directory"), std::string::npos);
  std::filesystem::remove(folder_ / "alerts.ndjson");
  EXPECT_EQ(deliver(*file, {"first"}), "");
  EXPECT_EQ(content("alerts.ndjson"), "first\n");
}

TEST_F(FileReceiverTest, WritesToADeviceThatCannotBeShortened) {
  FileOptions options;
  options.path = "/dev/full";
  const auto file = make_file_receiver(options);
  EXPECT_NE(deliver(*file, {"first"}).find("No space left"), std::string::npos);
}

}  // namespace
}  // namespace doorslam::sink
