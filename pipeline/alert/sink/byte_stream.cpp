#include "pipeline/alert/sink/byte_stream.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include "pipeline/alert/sink/nap.h"

namespace doorslam::sink {

namespace {

short wanted(bool to_read) { return to_read ? POLLIN : POLLOUT; }

}  // namespace

Result<ByteStream> ByteStream::connect(const HostPort& target, Clock::time_point deadline,
                                       const std::stop_token& stop) {
  auto socket = connect_to(target, Transport::tcp, deadline, stop);
  if (!socket) return tl::unexpected(socket.error());
  return ByteStream(std::move(*socket));
}

std::string ByteStream::secure(ssl_ctx_st& tls, const std::string& name, Clock::time_point deadline,
                               const std::stop_token& stop) {
  auto session = make_tls_session(tls, socket_.get(), name);
  if (!session) return session.error().message;
  session_ = std::move(*session);
  return shake_hands(deadline, stop);
}

std::string ByteStream::shake_hands(Clock::time_point deadline, const std::stop_token& stop) {
  while (!stop.stop_requested() && Clock::now() < deadline) {
    ERR_clear_error();
    const Try result = outcome(SSL_do_handshake(session_.get()));
    if (result == Try::done) return {};
    if (result == Try::failed || result == Try::ended) return trouble_;
    nap(socket_.get(), wanted(result == Try::wait_to_read));
  }
  return "the TLS handshake did not end in time";
}

/// Of a call on the session that returned `code`.
ByteStream::Try ByteStream::outcome(int code) {
  if (code > 0) return Try::done;
  const int error = SSL_get_error(session_.get(), code);
  if (error == SSL_ERROR_WANT_READ) return Try::wait_to_read;
  if (error == SSL_ERROR_WANT_WRITE) return Try::wait_to_write;
  const bool is_end = is_end_of_session(error);
  trouble_ = tls_trouble(session_.get(), error);
  return is_end ? Try::ended : Try::failed;
}

ByteStream::Try ByteStream::write_some(std::string_view octets, std::size_t& written) {
  if (session_) {
    ERR_clear_error();
    return outcome(SSL_write_ex(session_.get(), octets.data(), octets.size(), &written));
  }
  const ssize_t count = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
  if (count >= 0) {
    written = static_cast<std::size_t>(count);
    return Try::done;
  }
  if (errno == EAGAIN || errno == EINTR) return Try::wait_to_write;
  trouble_ = std::strerror(errno);
  return Try::failed;
}

ByteStream::Try ByteStream::read_some() {
  std::array<char, 4096> dropped;
  if (session_) {
    ERR_clear_error();
    std::size_t count = 0;
    return outcome(SSL_read_ex(session_.get(), dropped.data(), dropped.size(), &count));
  }
  const ssize_t count = ::recv(socket_.get(), dropped.data(), dropped.size(), 0);
  if (count > 0) return Try::done;
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return Try::wait_to_read;
  trouble_ = count == 0 ? "the receiver closed the connection" : std::strerror(errno);
  return count == 0 ? Try::ended : Try::failed;
}

std::string ByteStream::write(std::string_view octets, Clock::duration patience, const std::stop_token& stop) {
  Clock::time_point deadline = Clock::now() + patience;
  while (!octets.empty()) {
    std::size_t written = 0;
    const Try result = write_some(octets, written);
    if (result == Try::failed || result == Try::ended) return trouble_;
    if (result == Try::done) {
      octets.remove_prefix(written);
      deadline = Clock::now() + patience;
      continue;
    }
    if (stop.stop_requested()) return "stopped";
    if (Clock::now() >= deadline) return "the receiver takes no more data";
    nap(socket_.get(), wanted(result == Try::wait_to_read));
  }
  return {};
}

std::string ByteStream::look() {
  Try result = Try::done;
  while (result == Try::done) result = read_some();
  return result == Try::ended || result == Try::failed ? trouble_ : std::string();
}

bool ByteStream::stays_open(std::chrono::milliseconds how_long) {
  const Clock::time_point deadline = Clock::now() + how_long;
  while (look().empty()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return true;
    nap(socket_.get(), POLLIN, static_cast<int>(left.count()));
  }
  return false;
}

ByteStream::Companion ByteStream::make_companion(Clock::time_point deadline, const std::stop_token& stop) const {
  Reconnection attempt = connect_to_peer_of(socket_.get(), deadline, stop);
  if (attempt.error != 0) return {{}, !attempt.by_us};
  return {ByteStream(std::move(attempt.socket)), false};
}

std::size_t ByteStream::most_unread() {
  tcp_info info{};
  socklen_t length = sizeof(info);
  if (::getsockopt(socket_.get(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
    widest_window_ = std::max<std::size_t>(widest_window_, info.tcpi_snd_wnd);
  }
  int unsent = 0;
  if (::ioctl(socket_.get(), SIOCOUTQ, &unsent) != 0) unsent = 0;
  return widest_window_ + static_cast<std::size_t>(unsent);
}

Receipt ByteStream::end(Clock::time_point deadline, const std::stop_token& stop) {
  Try said = Try::done;
  while (said == Try::done) said = read_some();
  if (said == Try::failed) return Receipt::broken;
  if (session_) {
    ERR_clear_error();
    while (Clock::now() < deadline && !stop.stop_requested()) {
      const int code = SSL_shutdown(session_.get());
      if (code >= 0 || SSL_get_error(session_.get(), code) != SSL_ERROR_WANT_WRITE) break;
      wait_until_writable(socket_.get());
    }
  }
  if (::shutdown(socket_.get(), SHUT_WR) != 0) return Receipt::broken;
  if (said == Try::ended) return await_acknowledgement(deadline, stop);
  while (Clock::now() < deadline && !stop.stop_requested()) {
    said = read_some();
    if (said == Try::failed) return Receipt::broken;
    if (said == Try::ended) return Receipt::given;
    if (said != Try::done) nap(socket_.get(), wanted(said == Try::wait_to_read));
  }
  return await_acknowledgement(Clock::now(), stop);
}

/// Whatever the receiver does not say itself, its kernel does.
Receipt ByteStream::await_acknowledgement(Clock::time_point deadline, const std::stop_token& stop) {
  constexpr auto kLook = std::chrono::milliseconds(5);
  while (!stop.stop_requested()) {
    int error = 0;
    socklen_t length = sizeof(error);
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) {
      trouble_ = std::strerror(error);
      return Receipt::broken;
    }
    int unsent = 0;
    if (::ioctl(socket_.get(), SIOCOUTQ, &unsent) == 0 && unsent == 0) return Receipt::silent;
    if (Clock::now() >= deadline) break;
    std::this_thread::sleep_for(kLook);
  }
  return Receipt::broken;
}

}  // namespace doorslam::sink
