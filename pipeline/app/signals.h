#pragma once

#include <chrono>
#include <csignal>
#include <optional>

#include "pipeline/port/capture_stream.h"

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

/// SIGINT and SIGTERM as the wish to stop reading captures and to report what was read; the second of a kind kills, as
/// ever. A signal that was ignored when the object was made (in the background of a shell without job control) stays
/// so.
///
/// A capture may be a pipe whose writer says nothing for hours, or that nobody has opened yet. Ctrl-C reaches the
/// writer as well, mostly, which then writes what it still holds and ends; so the pipe is read on. Where it has not
/// ended after kGraceSeconds, whoever reads takes it for ended (port::GiveUpTime).
///
/// At most one object at a time, of the main thread.
class ReadingEnd {
 public:
  static constexpr unsigned kGraceSeconds = 2;

  ReadingEnd();
  ~ReadingEnd();
  ReadingEnd(const ReadingEnd&) = delete;
  ReadingEnd& operator=(const ReadingEnd&) = delete;

  /// The first signal that came; 0: none yet.
  int signal() const noexcept;
  /// Until when pipes are waited for.
  const port::GiveUpTime& give_up_ns() const noexcept;

 private:
  struct sigaction interrupt_ {};
  struct sigaction terminate_ {};
};

}  // namespace doorslam::app
