#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/alert/store/record.h"

namespace doorslam::sink {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using store::Sequence;

/// A record in the receiver's form. Both are borrowed.
struct Message {
  const store::Record* record = nullptr;
  std::string_view body;  ///< one line without '\n'
};

/// What became of one message.
enum class Fate : std::uint8_t {
  delivered,  ///< the receiver has it, or as much of a promise as its protocol gives
  again,      ///< not yet: to be sent once more
  refused,    ///< the receiver will never take this one
};

struct Delivery {
  std::vector<Fate> fates;           ///< one a message
  std::string trouble;               ///< one line: why some are to be sent again; empty: none are
  std::string refusal;               ///< one line: why the first of the refused was
  std::string remark;                ///< one line: what a person should mend although the messages go their way
  std::optional<milliseconds> wait;  ///< how long the receiver asked to be left alone
  bool took_too_long = false;        ///< the trouble: it had the messages and did not answer in time
  /// A stream broke: all records from this one on are to be read from the store and sent again.
  std::optional<Sequence> resend_from;

  static Delivery all(std::size_t messages, Fate fate, std::string trouble = {}) {
    Delivery delivery;
    delivery.fates.assign(messages, fate);
    delivery.trouble = std::move(trouble);
    return delivery;
  }
};

/// The far end of a sink: one file, one syslog server, one cluster. Used by one thread. Every call returns soon after
/// `stop` is asked for.
class Receiver {
 public:
  virtual ~Receiver() = default;

  /// Hands the messages over, in order; there is at least one.
  virtual Delivery deliver(std::span<const Message> messages, const std::stop_token& stop) = 0;

  /// The oldest record that was handed over but may yet be lost. Nothing: all has arrived.
  virtual std::optional<Sequence> in_doubt() const { return std::nullopt; }
  /// Makes sure of what is in doubt, by `deadline`. Else says why and where it may be lost; it is to be sent again, and
  /// in_doubt() is empty.
  virtual std::string settle(Clock::time_point /*deadline*/, const std::stop_token& /*stop*/) { return {}; }
  /// Log rotation: whoever writes a file begins it anew.
  virtual void reopen() {}
};

}  // namespace doorslam::sink
