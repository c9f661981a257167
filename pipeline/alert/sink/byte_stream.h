#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "pipeline/alert/sink/socket.h"
#include "pipeline/alert/sink/tls.h"
#include "pipeline/base/descriptor.h"

namespace doorslam::sink {

/// How a stream came to its end.
enum class Receipt : std::uint8_t {
  given,   ///< the receiver ended it in good order, after us: nothing is unread
  broken,  ///< it did not, and something may be unread
  silent,  ///< it has said nothing by the deadline, or its last before us, although its kernel has everything
};

/// A connection over TCP or TLS that is written to and hardly ever read. Used by one thread. Movable.
class ByteStream {
 public:
  using Clock = std::chrono::steady_clock;

  /// A connection over TCP. Errors (data): why there is none.
  static Result<ByteStream> connect(const HostPort& target, Clock::time_point deadline, const std::stop_token& stop);

  /// TLS from here on. `name` is whom the certificate must be for. What stands in the way, or nothing.
  std::string secure(ssl_ctx_st& tls, const std::string& name, Clock::time_point deadline, const std::stop_token& stop);

  struct Companion;
  /// A connection to the same address as well.
  Companion make_companion(Clock::time_point deadline, const std::stop_token& stop) const;

  /// Writes all of it; each octet written puts the patience back to its full length. What has gone wrong, or nothing.
  std::string write(std::string_view octets, Clock::duration patience, const std::stop_token& stop);
  /// Reads and drops what the receiver says. What ended the connection, or nothing.
  std::string look();
  /// Whether it outlasts so long a time.
  bool stays_open(std::chrono::milliseconds how_long);
  /// The octets that the receiver's kernel may hold unread, and ours unsent: its widest window so far is its buffer.
  std::size_t most_unread();
  /// Of the latest failure, for a person.
  const std::string& trouble() const noexcept { return trouble_; }
  /// Says that no more comes and waits for the receiver's own end. That, without a reset, is the only receipt that TCP
  /// has: a kernel answers with a reset where its program closes a connection with unread data.
  Receipt end(Clock::time_point deadline, const std::stop_token& stop);

 private:
  enum class Try : std::uint8_t { done, wait_to_read, wait_to_write, ended, failed };

  explicit ByteStream(Descriptor socket) : socket_(std::move(socket)) {}
  std::string shake_hands(Clock::time_point deadline, const std::stop_token& stop);
  Try outcome(int code);
  Try write_some(std::string_view octets, std::size_t& written);
  Try read_some();
  Receipt await_acknowledgement(Clock::time_point deadline, const std::stop_token& stop);

  Descriptor socket_;
  Ssl session_;          ///< gone before its socket
  std::string trouble_;  ///< of the latest `failed` or `ended`
  std::size_t widest_window_ = 0;
};

struct ByteStream::Companion {
  std::optional<ByteStream> stream;
  bool turned_away = false;  ///< there is none, and the receiver's end is why
};

}  // namespace doorslam::sink
