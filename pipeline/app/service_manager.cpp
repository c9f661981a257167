#include "pipeline/app/service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace doorslam::app {

ServiceManager::ServiceManager() {
  if (const char* const interval = std::getenv("WATCHDOG_USEC")) {
    long long microseconds = 0;
    const auto [end, error] = std::from_chars(interval, interval + std::strlen(interval), microseconds);
    if (error == std::errc() && *end == '\0' && microseconds > 0) watchdog_ = std::chrono::microseconds(microseconds);
  }
  if (const char* const address = std::getenv("NOTIFY_SOCKET")) address_ = address;
  unsetenv("NOTIFY_SOCKET");
  unsetenv("WATCHDOG_USEC");
  if (address_.size() < 2 || address_.size() >= sizeof(sockaddr_un::sun_path)) return;
  if (address_[0] != '/' && address_[0] != '@') return;
  socket_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

void ServiceManager::reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1'000));
}

void ServiceManager::alive() {
  if (!watchdog_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - told_alive_ < *watchdog_ / 2) return;
  told_alive_ = now;
  send("WATCHDOG=1");
}

void ServiceManager::send(const std::string& message) {
  if (!socket_) return;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';  // Linux's abstract names
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  // What the manager does not hear, its own timeouts will tell it.
  static_cast<void>(sendto(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL,
                           reinterpret_cast<const sockaddr*>(&to), length));
}

}  // namespace doorslam::app
