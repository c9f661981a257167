#pragma once

#include <chrono>
#include <csignal>
#include <optional>

namespace doorslam::app {

/// Signals as messages to the control thread. To be made before any other thread, which then blocks them as well.
class Signals {
 public:
  /// Blocks SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGPIPE in this thread and all that it starts.
  Signals();

  /// The next signal; nothing when none came in time. SIGPIPE never comes.
  std::optional<int> wait(std::chrono::milliseconds most);

 private:
  sigset_t set_;
};

}  // namespace doorslam::app
