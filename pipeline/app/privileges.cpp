#include "pipeline/app/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <thread>

namespace doorslam::app {

namespace {

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
};

bool get(Capabilities& capabilities) noexcept {
  return syscall(SYS_capget, &capabilities.header, capabilities.sets.data()) == 0;
}

std::atomic<std::size_t> gave_up{0};  ///< threads

/// A signal handler.
void give_up(int) {
  const int error = errno;
  Capabilities none;
  syscall(SYS_capset, &none.header, none.sets.data());
  gave_up.fetch_add(1);
  errno = error;
}

void set(Capabilities& capabilities) noexcept {
  // What cannot be given up is kept: nothing else depends on it.
  static_cast<void>(syscall(SYS_capset, &capabilities.header, capabilities.sets.data()));
}

}  // namespace

void keep_set_up_privileges() {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  Capabilities now;
  if (!get(now)) return;
  std::array<std::uint32_t, _LINUX_CAPABILITY_U32S_3> kept{};
  for (const int capability :
       {CAP_NET_RAW, CAP_NET_ADMIN, CAP_IPC_LOCK, CAP_SYS_ADMIN, CAP_SYS_RAWIO, CAP_DAC_OVERRIDE, CAP_SYS_NICE}) {
    kept[static_cast<std::size_t>(capability) / 32] |= 1U << static_cast<unsigned>(capability % 32);
  }
  for (std::size_t i = 0; i < now.sets.size(); ++i) {
    now.sets[i].permitted &= kept[i];
    now.sets[i].effective &= kept[i];
    now.sets[i].inheritable = 0;
  }
  set(now);
}

std::size_t drop_privileges() {
  // Capabilities are a thread's own affair (capabilities(7)), and only it can give them up: each is interrupted to do
  // so.
  const int signal = SIGRTMAX;
  struct sigaction action {};
  action.sa_handler = give_up;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
  gave_up.store(0);
  std::size_t asked = 0;
  const auto self = static_cast<pid_t>(syscall(SYS_gettid));
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    const auto thread = static_cast<pid_t>(std::stol(task.path().filename().string()));
    if (thread != self && syscall(SYS_tgkill, getpid(), thread, signal) == 0) ++asked;
  }
  give_up(signal);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  while (gave_up.load() < asked + 1 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  // The handler stays: a thread that blocks the signal may take it later.
  return asked + 1 - std::min(gave_up.load(), asked + 1);
}

}  // namespace doorslam::app
