#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "pipeline/alert/evidence/evidence_folder.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/evidence/sample_incident.h"

/// What reaches the disk, and in which order: an alert outlives a power cut, so the file that it names must as well.
namespace {

struct Call {
  std::string what;
  std::filesystem::path path;
  off_t octets = 0;  ///< of the file then
};

thread_local std::vector<Call> calls;  // writers of other tests have threads of their own

void note(const char* what, int descriptor) {
  struct stat facts {};
  ::fstat(descriptor, &facts);
  calls.push_back({what, std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor)), facts.st_size});
}

}  // namespace

// The library's calls come by here and go on to the kernel.
int fsync(int descriptor) {
  note("fsync", descriptor);
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

int syncfs(int descriptor) noexcept {
  note("syncfs", descriptor);
  return static_cast<int>(::syscall(SYS_syncfs, descriptor));
}

int rename(const char* from, const char* to) noexcept {
  calls.push_back({"rename", from});
  return static_cast<int>(::syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to));
}

namespace doorslam::trace_files {
namespace {

class EvidenceDurability : public testing::Test {
 protected:
  std::filesystem::path keep(std::uint64_t id, std::uint8_t clients = 1) {
    std::vector<alert::FrameSample> samples;
    for (std::uint8_t client = 1; client <= clients; ++client) {
      samples.push_back(test::frame_sample(test::turned_away(client, "no")));
      samples.back().summary.id = client;
    }
    return folder_.keep(test::incident_of(std::move(samples), id), alert::AlertAction::opened);
  }
  void SetUp() override { calls.clear(); }

  test::TemporaryFolder place_;
  EvidenceFolder folder_ =
      std::move(EvidenceFolder::open({.folder = place_.path()}, [](NoticeLevel, const std::string&) {}).value());
};

TEST_F(EvidenceDurability, AFileAndItsNameAreOnTheDiskBeforeAnAlertHasIt) {
  const std::filesystem::path path = keep(7);
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].what, "rename");
  EXPECT_TRUE(folder_.settle());
  ASSERT_EQ(calls.size(), 3U);
  EXPECT_EQ(calls[1].what, "fsync");
  EXPECT_EQ(calls[1].path, std::filesystem::canonical(path));
  EXPECT_EQ(static_cast<std::uintmax_t>(calls[1].octets), std::filesystem::file_size(path)) << "all of it";
  EXPECT_EQ(calls[2].what, "fsync");
  EXPECT_EQ(calls[2].path, std::filesystem::canonical(place_.path()));
  EXPECT_TRUE(folder_.settle());
  EXPECT_EQ(calls.size(), 3U) << "once";
}

TEST_F(EvidenceDurability, AFileThatAnAlertNamesIsReplacedByOneOnTheDisk) {
  const std::filesystem::path path = keep(7);
  EXPECT_TRUE(folder_.settle());
  calls.clear();
  EXPECT_EQ(keep(7, 3), path);
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].what, "fsync");
  EXPECT_EQ(static_cast<std::uintmax_t>(calls[0].octets), std::filesystem::file_size(path)) << "all of it";
  EXPECT_EQ(calls[1].what, "rename");
}

TEST_F(EvidenceDurability, ManyFilesGoToTheDiskTogether) {
  for (std::uint64_t id = 1; id <= 20; ++id) keep(id);
  calls.clear();
  EXPECT_TRUE(folder_.settle());
  ASSERT_EQ(calls.size(), 1U);
  EXPECT_EQ(calls[0].what, "syncfs");
  EXPECT_EQ(calls[0].path, std::filesystem::canonical(place_.path()));
}

}  // namespace
}  // namespace doorslam::trace_files
