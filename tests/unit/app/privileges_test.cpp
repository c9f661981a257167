#include "pipeline/app/privileges.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "pipeline/base/thread_rights.h"

namespace doorslam::app {
namespace {

/// Of this process: threads that have capabilities in effect.
std::size_t privileged_threads() {
  std::size_t count = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("CapEff:") &&
          line.find_first_not_of("0", line.find_first_of("0123456789abcdef", 7)) != std::string::npos) {
        ++count;
      }
    }
  }
  return count;
}

/// In a process of its own, as there is no way back. Exit code 0: no thread has kept anything.
[[noreturn]] void drop_with_threads_running() {
  std::atomic<bool> stop{false};
  const auto wait = [&stop] {
    while (!stop) usleep(1000);
  };
  std::thread one(wait);
  std::thread another(wait);
  // Such as the store's and a sink's.
  std::thread undisturbed([&wait] {
    block_signals();
    wait();
  });
  const std::size_t before = privileged_threads();
  const std::size_t unanswered = drop_privileges();
  const std::size_t after = privileged_threads();
  stop = true;
  one.join();
  another.join();
  undisturbed.join();
  std::_Exit(before == 4 && unanswered == 0 && after == 0 ? 0 : 1);
}

TEST(PrivilegesDeathTest, NoThreadKeepsAnything) {
  if (privileged_threads() == 0) GTEST_SKIP() << "needs root: this process has no privileges to give up";
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(drop_with_threads_running(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace doorslam::app
