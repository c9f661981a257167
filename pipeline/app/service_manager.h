#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace doorslam::app {

/// Tells systemd how the service does (sd_notify(3), by its socket protocol). Does nothing where nobody asked for it.
class ServiceManager {
 public:
  /// Reads NOTIFY_SOCKET and WATCHDOG_USEC, and takes them out of the environment.
  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  void ready(std::string_view status) { send("READY=1\nSTATUS=" + std::string(status)); }
  void reloading();
  void stopping(std::string_view status) { send("STOPPING=1\nSTATUS=" + std::string(status)); }
  void status(std::string_view status) { send("STATUS=" + std::string(status)); }
  /// To be called often; tells at half the watchdog's interval.
  void alive();

 private:
  void send(const std::string& message);

  int socket_ = -1;
  std::string address_;
  std::optional<std::chrono::microseconds> watchdog_;
  std::chrono::steady_clock::time_point told_alive_;
};

}  // namespace doorslam::app
