#include "pipeline/app/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace doorslam::app {
namespace {

TEST(OutputFile, HoldsWhatWasWritten) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "flows.ndjson";
  std::ofstream(path) << "what a run before this one left\nand more";
  auto file = OutputFile::open(path);
  ASSERT_TRUE(file);
  file->write("{\"a\":1}\n");
  file->write("{\"b\":2}\n");
  ASSERT_TRUE(file->close());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(), "{\"a\":1}\n{\"b\":2}\n");
}

TEST(OutputFile, SaysWhyItCannotBeCreated) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "no-such-folder/flows.ndjson";
  const auto file = OutputFile::open(path);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::data);
  EXPECT_NE(file.error().message.find(path), std::string::npos);
  EXPECT_NE(file.error().message.find("No such file or directory"), std::string::npos);
}

TEST(OutputFile, SaysThatTheDiskIsFullWhetherFewOctetsOrManyDidNotFit) {
  for (const std::size_t octets : {std::size_t{10}, std::size_t{1} << 20}) {
    auto file = OutputFile::open("/dev/full");
    ASSERT_TRUE(file);
    file->write(std::string(octets, 'x'));
    const auto closed = file->close();
    ASSERT_FALSE(closed) << octets;
    EXPECT_EQ(closed.error().kind, ErrorKind::data);
    EXPECT_NE(closed.error().message.find("/dev/full: not all records could be written: No space left"),
              std::string::npos)
        << closed.error().message;
  }
}

std::string text_of(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(OutputFile, SaysHowManyRecordsAreMissing) {
  auto file = OutputFile::open("/dev/full", OutputFile::Mode::append);
  ASSERT_TRUE(file);
  for (int i = 0; i < 3; ++i) file->write("{}\n");
  file->flush();
  file->write("{}\n");
  const auto closed = file->close();
  ASSERT_FALSE(closed);
  EXPECT_NE(closed.error().message.find("(4 of 4 are missing)"), std::string::npos) << closed.error().message;
}

TEST(OutputFile, GoesOnInANewFileAfterTheOldOneWasFull) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "flows.ndjson";
  std::filesystem::create_symlink("/dev/full", path);
  auto file = OutputFile::open(path, OutputFile::Mode::append);
  ASSERT_TRUE(file);
  file->write("{\"a\":1}\n");
  file->flush();
  std::filesystem::remove(path);
  ASSERT_TRUE(file->reopen());
  file->write("{\"b\":2}\n");
  EXPECT_TRUE(file->close());
  EXPECT_EQ(text_of(path), "{\"a\":1}\n{\"b\":2}\n");
}

/// A disk on which files cannot grow beyond so many octets, while it exists.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t octets) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit small{.rlim_cur = octets, .rlim_max = before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  }
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  void (*signal_)(int);
  rlimit before_{};
};

TEST(OutputFile, GoesOnWhenThereIsRoomAgain) {
  constexpr std::size_t kShort = 100;
  constexpr std::size_t kLong = std::size_t{1} << 20U;
  const auto record = [](std::size_t octets) { return std::string(octets - 1, 'x') + '\n'; };
  const test::TemporaryFolder folder;
  const std::string path = folder / "flows.ndjson";
  std::vector<std::string> told;
  auto file = OutputFile::open(path, OutputFile::Mode::append,
                               [&told](NoticeLevel, const std::string& what) { told.push_back(what); });
  ASSERT_TRUE(file);
  {
    const SmallDisk disk(10 * kShort + kShort / 2);
    for (int i = 0; i < 20; ++i) file->write(record(kShort));
    file->flush();
    file->flush();
    for (int i = 0; i < 10; ++i) file->write(record(kLong));
    file->flush();
  }
  EXPECT_EQ(text_of(path).size(), 10 * kShort) << "no piece of a line";
  EXPECT_EQ(file->counters().waiting, 10 * kShort + 7 * kLong);
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told.front().find("flows.ndjson: cannot be written: File too large"), std::string::npos) << told.front();
  file->write(record(kShort));
  file->flush();
  EXPECT_EQ(text_of(path).size(), 21 * kShort + 7 * kLong);
  EXPECT_EQ(file->counters().records, 31U);
  EXPECT_EQ(file->counters().missing, 3U);
  EXPECT_EQ(file->counters().waiting, 0U);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_NE(told.back().find("written again; 3 records are missing"), std::string::npos) << told.back();
  const auto closed = file->close();
  ASSERT_FALSE(closed);
  EXPECT_NE(closed.error().message.find("(3 of 31 are missing)"), std::string::npos) << closed.error().message;
}

TEST(OutputFile, IsForItsOwnerAndGroupAlone) {
  const test::TemporaryFolder folder;
  for (const auto& [mask, rights] : {std::pair<mode_t, mode_t>(022, 0640), {077, 0600}, {0, 0640}}) {
    const std::string path = folder / "flows.ndjson";
    const mode_t before = umask(mask);
    auto file = OutputFile::open(path);
    umask(before);
    ASSERT_TRUE(file);
    struct stat facts {};
    ASSERT_EQ(stat(path.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777, rights) << mask;
    std::filesystem::remove(path);
  }
}

TEST(OutputFile, TellsItsTroubleAsLongAsItLasts) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "flows.ndjson";
  auto file = OutputFile::open(path, OutputFile::Mode::append);
  ASSERT_TRUE(file);
  EXPECT_EQ(file->trouble(), "");
  {
    const SmallDisk disk(4);
    file->write("{\"a\":1}\n");
    file->flush();
    EXPECT_EQ(file->trouble(), "cannot be written: File too large");
    EXPECT_EQ(file->counters().in_hand, 8U);
  }
  file->flush();
  EXPECT_EQ(file->trouble(), "");
  EXPECT_EQ(file->busy_for(), OutputFile::Clock::duration::zero());
  EXPECT_TRUE(file->close());
}

/// A FIFO, and an end of it that takes nothing by itself.
class Fifo {
 public:
  explicit Fifo(const std::string& path) : path_(path) { EXPECT_EQ(mkfifo(path.c_str(), 0600), 0); }
  ~Fifo() {
    if (end_ >= 0) close(end_);
  }
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;

  void close_end() { close(std::exchange(end_, -1)); }
  void open_end() { end_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK); }
  const std::string& path() const { return path_; }
  /// Everything until the writer has gone.
  std::string take() {
    fcntl(end_, F_SETFL, 0);
    std::string text;
    std::array<char, 4096> part;
    for (ssize_t length = 0; (length = read(end_, part.data(), part.size())) > 0;) text.append(part.data(), length);
    return text;
  }

 private:
  std::string path_;
  int end_ = -1;
};

constexpr std::size_t kMoreThanAPipeHolds = 40'000;
constexpr std::string_view kRecord = "{\"a\":\"a record of some length\"}\n";

TEST(OutputFile, DoesNotWaitAtStartForAReaderOfItsFifo) {
  const test::TemporaryFolder folder;
  const Fifo fifo(folder / "fifo");
  const auto file = OutputFile::open(fifo.path(), OutputFile::Mode::append);
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("nobody reads this FIFO"), std::string::npos) << file.error().message;
}

TEST(OutputFile, CountsWhatNobodyTakesOnceTheProgramEnds) {
  const test::TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open_end();
  auto file = OutputFile::open(fifo.path(), OutputFile::Mode::append);
  ASSERT_TRUE(file);
  file->give_up_at(OutputFile::Clock::now());
  for (std::size_t i = 0; i < kMoreThanAPipeHolds; ++i) file->write(kRecord);
  const auto closed = file->close();
  ASSERT_FALSE(closed);
  const std::string text = fifo.take();
  const auto taken = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  EXPECT_GT(taken, 0U);
  EXPECT_NE(closed.error().message.find("nobody took them"), std::string::npos) << closed.error().message;
  EXPECT_NE(closed.error().message.find("(" + std::to_string(kMoreThanAPipeHolds - taken) + " of " +
                                        std::to_string(kMoreThanAPipeHolds) + " are missing)"),
            std::string::npos)
      << closed.error().message << ", taken: " << taken;
}

TEST(OutputFile, LosesNothingToASlowReader) {
  const test::TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open_end();
  auto file = OutputFile::open(fifo.path(), OutputFile::Mode::append);
  ASSERT_TRUE(file);
  std::string text;
  std::thread reader([&] { text = fifo.take(); });
  for (std::size_t i = 0; i < kMoreThanAPipeHolds; ++i) file->write(kRecord);
  EXPECT_TRUE(file->close());
  reader.join();
  EXPECT_EQ(text.size(), kMoreThanAPipeHolds * kRecord.size());
}

TEST(OutputFile, KeepsRecordsUntilSomebodyReadsItsFifoAgain) {
  std::signal(SIGPIPE, SIG_IGN);  // as a sensor has it
  const test::TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open_end();
  std::vector<std::string> told;
  auto file = OutputFile::open(fifo.path(), OutputFile::Mode::append,
                               [&told](NoticeLevel, const std::string& what) { told.push_back(what); });
  ASSERT_TRUE(file);
  file->write("{\"a\":1}\n");
  file->flush();
  fifo.close_end();
  file->write("{\"b\":2}\n");
  file->flush();
  EXPECT_EQ(file->trouble(), "cannot be written: Broken pipe");
  file->write("{\"c\":3}\n");
  file->flush();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_NE(told.front().find("Broken pipe; it is tried again, and records wait in memory"), std::string::npos)
      << told.front();
  fifo.open_end();
  file->flush();
  EXPECT_EQ(file->trouble(), "");
  ASSERT_EQ(told.size(), 2U);
  EXPECT_NE(told.back().find("written again; 0 records are missing"), std::string::npos) << told.back();
  EXPECT_TRUE(file->close());
  const std::string text = fifo.take();
  EXPECT_TRUE(text.ends_with("{\"b\":2}\n{\"c\":3}\n")) << text;
}

TEST(OutputFile, TellsThatItWaitsForItsReader) {
  const test::TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open_end();
  auto file = OutputFile::open(fifo.path(), OutputFile::Mode::append);
  ASSERT_TRUE(file);
  EXPECT_FALSE(file->waits());
  std::thread writer([&] {
    for (std::size_t i = 0; i < kMoreThanAPipeHolds; ++i) file->write(kRecord);
    file->close();
  });
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  bool waits = false;
  while (!(waits = file->waits()) && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(waits);
  std::string trouble;
  while ((trouble = file->trouble()).empty() && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(trouble.starts_with("nobody has taken any record for ")) << trouble;
  const std::string text = fifo.take();
  writer.join();
  EXPECT_FALSE(file->waits());
  EXPECT_EQ(text.size(), kMoreThanAPipeHolds * kRecord.size());
}

}  // namespace
}  // namespace doorslam::app
