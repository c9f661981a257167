#pragma once

#include <memory>

namespace spdlog {
class logger;
}

namespace doorslam::app {

/// The log of a long run, on standard error. Messages are written by a thread of their own; when they come faster than
/// they can be written, the oldest are dropped. `quiet`: warnings and errors only.
class Log {
 public:
  explicit Log(bool quiet);
  ~Log();  ///< writes what is waiting
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  spdlog::logger& operator*() const noexcept { return *logger_; }
  spdlog::logger* operator->() const noexcept { return logger_.get(); }

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace doorslam::app
