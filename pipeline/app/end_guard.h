#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace doorslam::app {

/// Sees to it that a program that is ending does end. A thread that writes to a disk which hangs (a file server that is
/// gone) can be neither interrupted nor joined; so once the time for the end is over and
/// a file operation has stood still for long, the guard says what is not saved, and ends the process by exit code 1.
class EndGuard {
 public:
  using Clock = std::chrono::steady_clock;
  struct Watch {
    std::function<Clock::duration()> hangs_for;    ///< how long a file operation has stood still; 0: none does
    std::function<std::string()> what_is_unsaved;  ///< in one line
  };

  /// Both of `watch` are called by the guard's thread, and must wait for nothing. Nobody is hurried before `latest`,
  /// nor before a standstill of `patience`.
  EndGuard(Clock::time_point latest, std::chrono::milliseconds patience, Watch watch);
  /// The end has come in time.
  ~EndGuard();
  EndGuard(const EndGuard&) = delete;
  EndGuard& operator=(const EndGuard&) = delete;

 private:
  void keep_watch();
  [[noreturn]] void end_the_process() const;

  const Clock::time_point latest_;
  const std::chrono::milliseconds patience_;
  const Watch watch_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;  ///< under mutex_
  std::jthread thread_;
};

}  // namespace doorslam::app
