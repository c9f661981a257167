#include "pipeline/alert/evidence/evidence_folder.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/support/temporary_folder.h"
#include "tests/unit/evidence/pcapng_blocks.h"
#include "tests/unit/evidence/sample_incident.h"

/// When files are written, named, removed; and what happens when they cannot be.
namespace doorslam::trace_files {
namespace {

using namespace test;
using alert::AlertAction;
namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

class Folder : public testing::Test {
 protected:
  EvidenceFolder open(std::uint64_t max_bytes = 1U << 20U) {
    auto opened = EvidenceFolder::open({.folder = place(), .max_bytes = max_bytes, .file = {.version = "1"}},
                                       [this](NoticeLevel, const std::string& line) { notices_.push_back(line); });
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  virtual fs::path place() const { return folder_.path(); }

  static alert::Incident incident(std::uint64_t id, std::uint8_t clients = 1) {
    std::vector<alert::FrameSample> samples;
    for (std::uint8_t client = 1; client <= clients; ++client) {
      samples.push_back(frame_sample(turned_away(client, "no", kStart + client * kSecondNs)));
      samples.back().summary.id = client;
    }
    return incident_of(std::move(samples), id);
  }

  TemporaryFolder folder_;
  std::vector<std::string> notices_;
};

TEST_F(Folder, WritesAFileThatThePathLeadsTo) {
  EvidenceFolder folder = open();
  const fs::path path = folder.keep(incident(7), AlertAction::opened);
  EXPECT_TRUE(path.is_absolute());
  EXPECT_TRUE(path.filename().native().starts_with("doorslam-20240101T000000Z-acl_denied-")) << path;
  EXPECT_EQ(path.extension(), ".pcapng");
  struct stat status {};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U & ~0640U, 0U) << "nobody else may read it";
  const std::string content = content_of(path);
  const std::vector<std::uint8_t> octets(content.begin(), content.end());
  EXPECT_EQ(PcapngReader(octets).read().packets.size(), 7U);
  EXPECT_EQ(files_in(folder_.path()), 1U) << "nothing unfinished is left";
}

TEST_F(Folder, WritesAgainWhatHasOtherSamplesAndNothingElse) {
  EvidenceFolder folder = open();
  const std::string path = folder.keep(incident(7), AlertAction::opened);
  EXPECT_EQ(folder.keep(incident(7), AlertAction::updated), path);
  EXPECT_EQ(folder.counters().written, 1U);
  EXPECT_EQ(folder.keep(incident(7, 3), AlertAction::updated), path);
  EXPECT_EQ(folder.counters().written, 2U);
  EXPECT_NE(content_of(path).find("connection 3 of 3"), std::string::npos);
  EXPECT_EQ(folder.keep(incident(7, 3), AlertAction::closed), path);
  EXPECT_EQ(folder.counters().written, 2U);
  EXPECT_EQ(folder.counters().files, 1U);
}

TEST_F(Folder, NamesNoFileForAnIncidentWithoutFrames) {
  EvidenceFolder folder = open();
  alert::Incident bare = incident(7);
  bare.frame_samples.clear();
  EXPECT_EQ(folder.keep(bare, AlertAction::opened), "");
  EXPECT_EQ(folder.keep(bare, AlertAction::closed), "");
  EXPECT_EQ(folder.counters().frameless, 1U);
  EXPECT_EQ(files_in(folder_.path()), 0U);
}

TEST_F(Folder, RemovesTheOldestFilesFirst) {
  constexpr std::uint64_t kFiles = 10;
  EvidenceFolder folder = open(kFiles * 4096);
  std::vector<fs::path> paths;
  for (std::uint64_t id = 1; id <= 25; ++id) paths.emplace_back(folder.keep(incident(id), AlertAction::closed));
  for (std::size_t i = 0; i < paths.size(); ++i) EXPECT_EQ(fs::exists(paths[i]), i >= 15) << i;
  EXPECT_EQ(folder.counters().removed, 15U);
  EXPECT_EQ(folder.counters().files, kFiles);
  EXPECT_EQ(folder.counters().octets, kFiles * 4096);
  EXPECT_TRUE(notices_.empty());
}

TEST_F(Folder, WritesAgainWhatWasRemovedWhileItsIncidentWasOpen) {
  EvidenceFolder folder = open(4096);
  const fs::path first = folder.keep(incident(1), AlertAction::opened);
  folder.keep(incident(2), AlertAction::opened);
  EXPECT_FALSE(fs::exists(first));
  EXPECT_EQ(folder.keep(incident(1), AlertAction::updated), first.native());
  EXPECT_TRUE(fs::exists(first)) << "an alert must not name what is not there";
}

TEST_F(Folder, CountsWhatEarlierRunsHaveLeftAndLeavesOthersAlone) {
  std::vector<fs::path> old;
  {
    EvidenceFolder folder = open();
    for (std::uint64_t id = 1; id <= 3; ++id) old.emplace_back(folder.keep(incident(id), AlertAction::closed));
  }
  const auto now = fs::file_time_type::clock::now();
  for (std::size_t i = 0; i < old.size(); ++i) fs::last_write_time(old[i], now - std::chrono::hours(10 - i));
  const fs::path foreign = folder_ / "notes.pcapng";
  const fs::path unfinished = folder_ / ".doorslam-of-a-run-that-was-killed.pcapng";
  for (const fs::path& path : {foreign, unfinished}) {
    std::ofstream(path) << std::string(100'000, 'x');
    fs::last_write_time(path, now - std::chrono::hours(24));
  }
  EvidenceFolder folder = open(3 * 4096);
  EXPECT_EQ(folder.counters().files, 3U);
  EXPECT_FALSE(fs::exists(unfinished));
  folder.keep(incident(4), AlertAction::closed);
  EXPECT_FALSE(fs::exists(old[0]));
  EXPECT_TRUE(fs::exists(old[1]));
  EXPECT_TRUE(fs::exists(foreign));
  EvidenceFolder smaller = open(4096);
  EXPECT_EQ(smaller.counters().files, 1U) << "a smaller bound holds at once";
  EXPECT_TRUE(fs::exists(foreign));
}

TEST_F(Folder, IsRefusedWhereItIsNone) {
  std::ofstream(folder_ / "file") << "x";
  for (const auto& [name, words] : {std::pair("nowhere", "no such folder"), std::pair("file", "is no folder")}) {
    const auto opened = EvidenceFolder::open({.folder = folder_ / name}, {});
    ASSERT_FALSE(opened.has_value());
    EXPECT_EQ(opened.error().kind, ErrorKind::usage);
    EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().message;
  }
  if (::geteuid() == 0) return;  // who may write anywhere
  fs::permissions(folder_.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_FALSE(EvidenceFolder::open({.folder = folder_.path()}, {}).has_value());
  fs::permissions(folder_.path(), fs::perms::owner_all);
}

/// A folder that goes away, as a disk that is unmounted.
TEST_F(Folder, TellsOnceWhenFilesCannotBeWritten) {
  const fs::path inner = folder_ / "inner";
  fs::create_directory(inner);
  auto opened = EvidenceFolder::open({.folder = inner},
                                     [this](NoticeLevel, const std::string& line) { notices_.push_back(line); });
  ASSERT_TRUE(opened.has_value());
  fs::remove(inner);
  EXPECT_EQ(opened->keep(incident(1), AlertAction::opened), "");
  EXPECT_EQ(opened->keep(incident(2), AlertAction::opened), "");
  EXPECT_EQ(opened->counters().failed, 2U);
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_NE(notices_[0].find(inner.native()), std::string::npos);
  EXPECT_NE(notices_[0].find("No such file"), std::string::npos);
  fs::create_directory(inner);
  EXPECT_TRUE(fs::exists(opened->keep(incident(1), AlertAction::updated)));
  EXPECT_EQ(notices_.size(), 2U);
}

/// On a file system of its own, of which nothing is left.
class FullDisk : public Folder {
 protected:
  void SetUp() override {
    fs::create_directory(place());
    // In a mount namespace of this process: nothing is left of it, however the test ends.
    const bool mounted = ::unshare(CLONE_NEWNS) == 0 &&
                         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         ::mount("tmpfs", place().c_str(), "tmpfs", 0, "size=64k") == 0;
    if (!mounted) GTEST_SKIP() << "no file system can be mounted";
  }
  void TearDown() override { ::umount2(place().c_str(), MNT_DETACH); }
  fs::path place() const override { return folder_ / "disk"; }
};

TEST_F(FullDisk, LeavesNoTornFileAndGoesOn) {
  EvidenceFolder folder = open();
  const fs::path first = folder.keep(incident(1), AlertAction::closed);
  const std::string whole = content_of(first);
  const fs::path ballast = place() / "ballast";
  std::ofstream(ballast) << std::string(std::size_t{1} << 20U, 'x');
  EXPECT_EQ(folder.keep(incident(2), AlertAction::opened), "");
  EXPECT_EQ(folder.counters().failed, 1U);
  ASSERT_EQ(notices_.size(), 1U);
  EXPECT_NE(notices_[0].find("No space left"), std::string::npos) << notices_[0];
  EXPECT_EQ(content_of(first), whole);
  EXPECT_EQ(files_in(place()), 2U) << "nothing unfinished is left";
  fs::remove(ballast);
  EXPECT_TRUE(fs::exists(folder.keep(incident(2), AlertAction::updated)));
}

}  // namespace
}  // namespace doorslam::trace_files
