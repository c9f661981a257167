#include "pipeline/app/end_guard.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <utility>

#include "pipeline/base/thread.h"
#include "pipeline/base/thread_rights.h"

namespace doorslam::app {

namespace {

using namespace std::chrono_literals;

constexpr auto kLook = 100ms;
/// Standard error may be a pipe that nobody reads.
constexpr auto kPatienceWithReaders = 500ms;
constexpr int kFailed = 1;

}  // namespace

EndGuard::EndGuard(Clock::time_point latest, std::chrono::milliseconds patience, Watch watch)
    : latest_(latest), patience_(patience), watch_(std::move(watch)) {
  // Without it the end takes as long as the disk hangs.
  if (auto thread = start_thread("the guard of the end", [this] { keep_watch(); })) thread_ = std::move(*thread);
}

EndGuard::~EndGuard() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake_.notify_one();
}

void EndGuard::keep_watch() {
  block_signals();
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kLook, [this] { return ended_; })) {
    if (Clock::now() >= latest_ && watch_.hangs_for() >= patience_) end_the_process();
  }
}

/// Without destructors, which would wait for the thread that hangs.
void EndGuard::end_the_process() const {
  const std::string line =
      fmt::format("doorslam: a disk hangs, and the program had to end; not saved: {}\n", watch_.what_is_unsaved());
  pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (poll(&out, 1, static_cast<int>(kPatienceWithReaders / 1ms)) > 0) {
    // Nothing comes of one that fails: there is no other place to tell of it.
    static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
  }
  ::_exit(kFailed);
}

}  // namespace doorslam::app
