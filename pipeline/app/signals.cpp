#include "pipeline/app/signals.h"

#include <pthread.h>
#include <time.h>

#include <cstdint>

namespace doorslam::app {

namespace {

volatile std::sig_atomic_t ended_by = 0;
port::GiveUpTime give_up_at_ns{port::kNeverGiveUp};
static_assert(port::GiveUpTime::is_always_lock_free, "a signal's handler writes it");

// What it calls is async-signal-safe (POSIX.1-2017, XSH 2.4.3).
extern "C" void doorslam_note_end(int signal) {
  if (ended_by != 0) return;
  ended_by = signal;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  give_up_at_ns.store((now.tv_sec + std::int64_t{ReadingEnd::kGraceSeconds}) * kSecondNs + now.tv_nsec,
                      std::memory_order_relaxed);
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

ReadingEnd::ReadingEnd() {
  ended_by = 0;
  give_up_at_ns = port::kNeverGiveUp;
  take(SIGINT, interrupt_);
  take(SIGTERM, terminate_);
}

ReadingEnd::~ReadingEnd() {
  sigaction(SIGINT, &interrupt_, nullptr);
  sigaction(SIGTERM, &terminate_, nullptr);
}

int ReadingEnd::signal() const noexcept { return ended_by; }

const port::GiveUpTime& ReadingEnd::give_up_ns() const noexcept { return give_up_at_ns; }

}  // namespace doorslam::app
