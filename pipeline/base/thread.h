#pragma once

#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "pipeline/base/result.h"

namespace doorslam {

/// Starts a thread that does `work`, which may take a std::stop_token. `what` names it for a person: "worker 2 of 8".
/// Errors (data): the system, or what limits this process, has no room for another thread.
template <class Work>
Result<std::jthread> start_thread(std::string_view what, Work work) {
  try {
    return std::jthread(std::move(work));
  } catch (const std::system_error& error) {
    return data_error("cannot start " + std::string(what) + " (" + error.code().message() +
                      "): raise what limits the threads or the memory of this process (ulimit -u, ulimit -v; "
                      "TasksMax= and MemoryMax= of its unit)");
  }
}

}  // namespace doorslam
