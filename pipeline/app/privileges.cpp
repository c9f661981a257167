#include "pipeline/app/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "pipeline/base/thread_rights.h"

namespace doorslam::app {

namespace {

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
};

bool get(Capabilities& capabilities) noexcept {
  return syscall(SYS_capget, &capabilities.header, capabilities.sets.data()) == 0;
}

/// Whether a thread of this process (its folder below /proc/self/task) has any privilege; one that has ended has none.
bool has_privileges(const std::filesystem::path& task) {
  std::ifstream status(task / "status");
  for (std::string line; std::getline(status, line);) {
    constexpr std::string_view kPermitted = "CapPrm:\t";
    if (line.starts_with(kPermitted)) return line.find_first_not_of('0', kPermitted.size()) != std::string::npos;
  }
  return false;
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
  // so. What a thread has started meanwhile has inherited its own: hence again until there is none.
  struct sigaction action {};
  action.sa_handler = [](int) { give_up_privileges(); };
  action.sa_flags = SA_RESTART;
  ::sigaction(privileges_signal(), &action, nullptr);
  give_up_privileges();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);  // some have their turn late
  std::set<pid_t> asked;  // the signal stays with a thread that blocks it, and may be taken later
  while (true) {
    std::size_t left = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      if (!has_privileges(task.path())) continue;
      ++left;
      const auto thread = static_cast<pid_t>(std::stol(task.path().filename().string()));
      if (asked.insert(thread).second) syscall(SYS_tgkill, getpid(), thread, privileges_signal());
    }
    if (left == 0 || std::chrono::steady_clock::now() >= deadline) return left;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace doorslam::app
