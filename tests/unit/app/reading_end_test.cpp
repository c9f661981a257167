#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "tests/support/temporary_folder.h"

/// Who watches a pipe and ends doorslam gets the report of what was read until then, though the pipe's writer goes on.
namespace doorslam {
namespace {

const std::string kCapture = std::string(DOORSLAM_TEST_CAPTURES) + "/licence_server_full.pcap";

std::string content_of(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> sorted_lines_of(const std::filesystem::path& path) {
  std::vector<std::string> lines;
  std::ifstream stream(path);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  return lines;
}

class EndOfReading : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(std::filesystem::exists(DOORSLAM_PROGRAM)) << "build " DOORSLAM_PROGRAM;
    std::signal(SIGPIPE, SIG_IGN);
  }

  /// Starts `doorslam read` with standard streams of its own, `input` the first.
  pid_t start(const std::vector<std::string>& arguments, int input) const {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, (folder_ / "out").c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, (folder_ / "err").c_str(), O_WRONLY | O_CREAT, 0600);
    // Tests may run where SIGINT is ignored, which doorslam respects.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    std::vector<std::string> words = {DOORSLAM_PROGRAM, "read"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::string cache = "XDG_CACHE_HOME=" + (folder_ / "cache").string();
    std::string path = "PATH=/usr/bin:/bin";
    std::vector<char*> environment = {cache.data(), path.data(), nullptr};
    pid_t process = -1;
    EXPECT_EQ(posix_spawn(&process, DOORSLAM_PROGRAM, &files, &attributes, argv.data(), environment.data()), 0);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return process;
  }

  /// The exit code; -1 for a process that a signal has killed.
  static int end_of(pid_t process) {
    int status = 0;
    if (waitpid(process, &status, 0) != process) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /// Waits until the process has opened the file.
  static bool has_opened(pid_t process, const std::string& path) {
    const std::filesystem::path files = "/proc/" + std::to_string(process) + "/fd";
    for (int look = 0; look < 6000; ++look) {
      std::error_code gone;
      for (const auto& file : std::filesystem::directory_iterator(files, gone)) {
        if (std::filesystem::read_symlink(file.path(), gone) == path) return true;
      }
      poll(nullptr, 0, 10);
    }
    return false;
  }

  /// A pipe without a reader is in error, so neither wait is for a process that is gone.
  static void wait_until_taken(int pipe) {
    int waiting = 1;
    pollfd gone{.fd = pipe, .events = 0, .revents = 0};
    while (waiting > 0 && ioctl(pipe, FIONREAD, &waiting) == 0 && (gone.revents & POLLERR) == 0) poll(&gone, 1, 10);
  }

  /// Gives `octets` to a doorslam that reads a pipe, and when it has taken them, the signal. Its exit code.
  int read_until(int signal, const std::string& octets, const std::vector<std::string>& arguments) const {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return -1;
    const pid_t process = start(arguments, ends[0]);
    close(ends[0]);
    std::size_t written = 0;
    while (written < octets.size()) {
      const ssize_t count = write(ends[1], octets.data() + written, octets.size() - written);
      if (count <= 0) break;  // it has died, which its exit code tells
      written += static_cast<std::size_t>(count);
    }
    wait_until_taken(ends[1]);
    kill(process, signal);
    const int exit_code = end_of(process);
    close(ends[1]);
    return exit_code;
  }

  std::vector<std::string> flows_of_the_file() const {
    const std::string flows = (folder_ / "file.ndjson").string();
    const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    EXPECT_EQ(end_of(start({kCapture, "--quiet", "--flows", flows}, nothing)), 0);
    close(nothing);
    return sorted_lines_of(flows);
  }

  test::TemporaryFolder folder_;
};

TEST_F(EndOfReading, BySigtermLosesNothingOfWhatThePipeHeld) {
  const std::string flows = (folder_ / "pipe.ndjson").string();
  EXPECT_EQ(read_until(SIGTERM, content_of(kCapture), {"-", "--flows", flows}), 0);
  const std::vector<std::string> of_the_pipe = sorted_lines_of(flows);
  EXPECT_FALSE(of_the_pipe.empty());
  EXPECT_NE(content_of(folder_ / "out").find("reading was ended by SIGTERM"), std::string::npos)
      << content_of(folder_ / "out");
  EXPECT_NE(content_of(folder_ / "err").find("reading was ended by SIGTERM"), std::string::npos);
  EXPECT_EQ(of_the_pipe, flows_of_the_file());
}

TEST_F(EndOfReading, BySigintInTheMiddleOfARecordIsNoError) {
  const std::string flows = (folder_ / "pipe.ndjson").string();
  std::string octets = content_of(kCapture);
  octets += octets.substr(24, 20);  // a record's header, and little of the record
  EXPECT_EQ(read_until(SIGINT, octets, {"-", "--quiet", "--workers", "2", "--flows", flows}), 0);
  const std::string told = content_of(folder_ / "err");
  EXPECT_NE(told.find("reading was ended by SIGINT"), std::string::npos) << told;
  EXPECT_EQ(told.find("cut short"), std::string::npos) << told;
  EXPECT_EQ(sorted_lines_of(flows), flows_of_the_file());
}

TEST_F(EndOfReading, IsPossibleWhereNobodyHasOpenedTheFifo) {
  const std::string fifo = (folder_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t process = start({fifo, "--quiet"}, nothing);
  close(nothing);
  EXPECT_TRUE(has_opened(process, fifo));
  kill(process, SIGTERM);
  EXPECT_EQ(end_of(process), 1);
  const std::string told = content_of(folder_ / "err");
  EXPECT_NE(told.find("fifo: nothing had come when reading was ended"), std::string::npos) << told;
}

TEST_F(EndOfReading, ReportsWhatAFifoHeldWhoseWriterGoesOn) {
  const std::string fifo = (folder_ / "fifo").string();
  const std::string flows = (folder_ / "fifo.ndjson").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t process = start({fifo, "--quiet", "--flows", flows}, nothing);
  close(nothing);
  const std::string octets = content_of(kCapture);
  EXPECT_TRUE(has_opened(process, fifo));
  const int end = open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  fcntl(end, F_SETFL, O_WRONLY);
  std::size_t written = 0;
  while (written < octets.size()) {
    const ssize_t count = write(end, octets.data() + written, octets.size() - written);
    if (count <= 0) break;
    written += static_cast<std::size_t>(count);
  }
  wait_until_taken(end);
  kill(process, SIGINT);
  EXPECT_EQ(end_of(process), 0);
  close(end);
  EXPECT_NE(content_of(folder_ / "err").find("reading was ended by SIGINT"), std::string::npos);
  EXPECT_EQ(sorted_lines_of(flows), flows_of_the_file());
}

}  // namespace
}  // namespace doorslam
