#pragma once

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

/// What a thread may do and what may interrupt it: both are its own affair (capabilities(7), signal(7)), and both are
/// inherited by the threads that it starts.
namespace doorslam {

/// By this signal a process asks its threads to give up their privileges; the last real-time signal.
inline int privileges_signal() noexcept { return SIGRTMAX; }

/// The calling thread keeps no capability. What cannot be given up is kept: nothing else depends on it. May be called
/// by a signal handler.
inline void give_up_privileges() noexcept {
  const int error = errno;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  static_cast<void>(syscall(SYS_capset, &header, none.data()));
  errno = error;
}

/// For a thread beside the main one: signals are the main thread's, and a connection that breaks must not end the
/// program (SIGPIPE); privileges_signal() alone goes to every thread.
inline void block_signals() noexcept {
  sigset_t signals;
  sigfillset(&signals);
  sigdelset(&signals, privileges_signal());
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace doorslam
