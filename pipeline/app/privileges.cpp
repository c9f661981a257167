#include "pipeline/app/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <initializer_list>

namespace doorslam::app {

namespace {

struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
};

bool get(Capabilities& capabilities) noexcept {
  return syscall(SYS_capget, &capabilities.header, capabilities.sets.data()) == 0;
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

void drop_privileges() noexcept {
  Capabilities none;
  set(none);
}

}  // namespace doorslam::app
