#include "pipeline/app/signals.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <cerrno>

namespace doorslam::app {

namespace {

volatile std::sig_atomic_t ended_by = 0;
/// Of /dev/null; -1: standard input is not read.
volatile std::sig_atomic_t nothing = -1;

// What the handlers call is async-signal-safe (POSIX.1-2017, XSH 2.4.3).
extern "C" void doorslam_note_end(int signal) {
  if (ended_by != 0) return;
  ended_by = signal;
  if (nothing >= 0) alarm(ReadingEnd::kGraceSeconds);
}

extern "C" void doorslam_end_standard_input(int) {
  const int error = errno;
  dup2(nothing, STDIN_FILENO);
  errno = error;
}

void take(int signal, struct sigaction& before) {
  sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = doorslam_note_end;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(signal, &action, nullptr);
}

}  // namespace

Signals::Signals() {
  sigemptyset(&set_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&set_, signal);
  sigset_t blocked = set_;
  sigaddset(&blocked, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
}

std::optional<int> Signals::wait(std::chrono::milliseconds most) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(most);
  const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = std::chrono::nanoseconds(most - seconds).count()};
  const int signal = sigtimedwait(&set_, nullptr, &timeout);
  return signal > 0 ? std::optional<int>(signal) : std::nullopt;
}

ReadingEnd::ReadingEnd(bool reads_standard_input) {
  ended_by = 0;
  nothing = reads_standard_input ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
  struct sigaction end {};
  end.sa_handler = doorslam_end_standard_input;
  end.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &end, &alarm_);
  take(SIGINT, interrupt_);
  take(SIGTERM, terminate_);
}

ReadingEnd::~ReadingEnd() {
  sigaction(SIGINT, &interrupt_, nullptr);
  sigaction(SIGTERM, &terminate_, nullptr);
  alarm(0);
  sigaction(SIGALRM, &alarm_, nullptr);
  if (nothing >= 0) close(nothing);
  nothing = -1;
}

int ReadingEnd::signal() const noexcept { return ended_by; }

}  // namespace doorslam::app
