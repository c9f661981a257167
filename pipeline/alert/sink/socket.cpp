#include "pipeline/alert/sink/socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <memory>

#include "pipeline/alert/sink/nap.h"
#include "pipeline/base/printable.h"
#include "pipeline/base/thread.h"

namespace doorslam::sink {

namespace {

using Clock = std::chrono::steady_clock;

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

struct Resolved {
  std::vector<Address> addresses;
  std::string trouble;
};

Resolved resolve_now(const HostPort& target, Transport transport) {
  addrinfo hints{};
  hints.ai_socktype = transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(target.host.c_str(), target.port.c_str(), &hints, &list);
  Resolved out;
  if (code != 0) {
    out.trouble = ::gai_strerror(code);
    return out;
  }
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    Address& address = out.addresses.emplace_back();
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
  }
  ::freeaddrinfo(list);
  return out;
}

/// getaddrinfo() cannot be interrupted: it runs beside, and is left behind where it takes too long.
Resolved resolve(const HostPort& target, Transport transport, Clock::time_point deadline, const std::stop_token& stop) {
  auto promise = std::make_shared<std::promise<Resolved>>();
  std::future<Resolved> answer = promise->get_future();
  auto asking = start_thread("the thread that asks the name service",
                             [promise, target, transport] { promise->set_value(resolve_now(target, transport)); });
  if (!asking) return {{}, asking.error().message};
  asking->detach();
  while (answer.wait_for(std::chrono::milliseconds(kNapMs)) != std::future_status::ready) {
    if (stop.stop_requested() || Clock::now() >= deadline) return {{}, "the name service did not answer in time"};
  }
  return answer.get();
}

void set(int descriptor, int level, int option, int value) {
  // Comforts: a kernel without one of them is still good to talk through.
  if (::setsockopt(descriptor, level, option, &value, sizeof(value)) != 0) errno = 0;
}

/// errno of the attempt; 0: connected.
int await_connection(int descriptor, Clock::time_point deadline, const std::stop_token& stop) {
  while (!stop.stop_requested() && Clock::now() < deadline) {
    pollfd one{descriptor, POLLOUT, 0};
    if (::poll(&one, 1, kNapMs) <= 0) continue;
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
  }
  return ETIMEDOUT;
}

Reconnection connect_by(const Address& address, Transport transport, Clock::time_point deadline,
                        const std::stop_token& stop) {
  const int type = (transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
  Reconnection out;
  out.socket = Descriptor(::socket(address.storage.ss_family, type, 0));
  if (!out.socket) {
    out.error = errno;
    out.by_us = true;
    return out;
  }
  const int descriptor = out.socket.get();
  if (::connect(descriptor, reinterpret_cast<const sockaddr*>(&address.storage), address.length) != 0) {
    out.error = errno == EINPROGRESS ? await_connection(descriptor, deadline, stop) : errno;
    out.by_us = out.error == EADDRNOTAVAIL || out.error == ENOBUFS || out.error == ENOMEM;
  }
  if (out.error == 0 && transport == Transport::tcp) {
    constexpr int kIdleSeconds = 30;
    set(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, kIdleSeconds);
    set(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, kIdleSeconds / 3);
    set(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 3);
  }
  return out;
}

}  // namespace

std::string HostPort::text() const {
  return host.find(':') == std::string::npos ? host + ':' + port : fmt::format("[{}]:{}", host, port);
}

Result<HostPort> parse_host_port(std::string_view text, std::string_view fallback_port) {
  const auto refused = [&](std::string_view why) {
    return usage_error(
        fmt::format("\"{}\" {}; write host:port, 192.0.2.1:514 or [2001:db8::1]:514", printable(text, 80), why));
  };
  HostPort out;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return refused("lacks a closing bracket");
    out.host = text.substr(1, bracket - 1);
    port = text.substr(bracket + 1);
    if (!port.empty() && !port.starts_with(':')) return refused("has something else than a port after the bracket");
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const std::size_t colon = text.find(':');
    if (colon != text.rfind(':')) return refused("has several colons");
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
  }
  out.port = port.empty() ? fallback_port : port;
  if (out.host.empty()) return refused("names no host");
  if (out.port.empty()) return refused("names no port");
  if (out.port.size() > 5 ||
      !std::all_of(out.port.begin(), out.port.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
      std::stoi(out.port) < 1 || std::stoi(out.port) > 65'535) {
    return refused("has no port from 1 to 65535");
  }
  return out;
}

Result<Descriptor> connect_to(const HostPort& target, Transport transport, Clock::time_point deadline,
                              const std::stop_token& stop) {
  const Resolved resolved = resolve(target, transport, deadline, stop);
  std::string trouble = resolved.trouble;
  for (const Address& address : resolved.addresses) {
    Reconnection attempt = connect_by(address, transport, deadline, stop);
    if (attempt.error == 0) return std::move(attempt.socket);
    trouble = std::strerror(attempt.error);
  }
  return data_error(target.text() + ": " + trouble);
}

Reconnection connect_to_peer_of(int connected, Clock::time_point deadline, const std::stop_token& stop) {
  Address address;
  address.length = sizeof(address.storage);
  if (::getpeername(connected, reinterpret_cast<sockaddr*>(&address.storage), &address.length) != 0) {
    return {{}, errno, false};
  }
  return connect_by(address, Transport::tcp, deadline, stop);
}

Result<Descriptor> connect_to_local(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return data_error(path + ": too long for a socket's name");
  std::copy(path.begin(), path.end(), address.sun_path);
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return data_error(path + ": " + std::strerror(errno));
  }
  return socket;
}

}  // namespace doorslam::sink
