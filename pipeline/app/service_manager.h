#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/descriptor.h"

namespace doorslam::app {

/// Tells systemd how the service does (sd_notify(3), by its socket protocol). Does nothing where nobody asked for it.
class ServiceManager {
 public:
  /// Reads NOTIFY_SOCKET and WATCHDOG_USEC, and takes them out of the environment.
  ServiceManager();

  void ready(std::string_view status) { send("READY=1\nSTATUS=" + std::string(status)); }
  void reloading();
  void stopping(std::string_view status) { send("STOPPING=1\nSTATUS=" + std::string(status)); }
  void status(std::string_view status) { send("STATUS=" + std::string(status)); }
  /// To be called often; tells at half the watchdog's interval.
  void alive();

 private:
  void send(const std::string& message);

  Descriptor socket_;
  std::string address_;
  std::optional<std::chrono::microseconds> watchdog_;
  std::chrono::steady_clock::time_point told_alive_;
};

}  // namespace doorslam::app
