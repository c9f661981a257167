#include "pipeline/alert/sink/syslog_datagrams.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "pipeline/alert/sink/nap.h"

namespace doorslam::sink {

namespace {

class SyslogDatagrams final : public Receiver {
 public:
  explicit SyslogDatagrams(const SyslogOptions& options) : options_(options), line_(options.identity) {}

  Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) override {
    Delivery delivery = Delivery::all(messages.size(), Fate::again);
    if (!socket_) {
      auto socket = connect(stop);
      if (!socket) {
        delivery.trouble = socket.error().message;
        return delivery;
      }
      socket_ = std::move(*socket);
    }
    for (std::size_t i = 0; i < messages.size(); ++i) {
      const int error = send(messages[i], stop);
      if (error == EMSGSIZE) {
        delivery.fates[i] = Fate::refused;
        if (delivery.refusal.empty()) {
          delivery.refusal =
              fmt::format("{}: {} octets are too many for a datagram; use tcp or tls, or a shorter format", where(),
                          line_buffer_.size());
        }
      } else if (error != 0) {
        delivery.trouble = fmt::format("{}: {}", where(), std::strerror(error));
        socket_.reset();
        return delivery;
      } else {
        delivery.fates[i] = Fate::delivered;
      }
    }
    return delivery;
  }

 private:
  bool is_local() const { return options_.transport == SyslogTransport::local; }
  std::string where() const { return is_local() ? options_.path : options_.target.text(); }

  Result<Descriptor> connect(const std::stop_token& stop) const {
    if (is_local()) return connect_to_local(options_.path);
    return connect_to(options_.target, Transport::udp, Clock::now() + options_.timeout, stop);
  }

  /// errno; 0: sent.
  int send(const Message& message, const std::stop_token& stop) {
    line_buffer_.clear();
    if (is_local()) {
      line_.append_local(message, line_buffer_);
    } else {
      line_.append(message, line_buffer_);
    }
    const Clock::time_point deadline = Clock::now() + options_.timeout;
    while (::send(socket_.get(), line_buffer_.data(), line_buffer_.size(), MSG_NOSIGNAL) < 0) {
      const bool full = errno == EAGAIN || errno == ENOBUFS || errno == EINTR;
      if (!full || stop.stop_requested() || Clock::now() >= deadline) return errno;
      wait_until_writable(socket_.get());
    }
    return 0;
  }

  const SyslogOptions options_;
  SyslogLine line_;
  Descriptor socket_;
  std::string line_buffer_;
};

}  // namespace

std::unique_ptr<Receiver> make_syslog_datagrams(const SyslogOptions& options) {
  return std::make_unique<SyslogDatagrams>(options);
}

}  // namespace doorslam::sink
