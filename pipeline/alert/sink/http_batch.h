#pragma once

#include <limits>
#include <span>

#include "pipeline/alert/sink/halves.h"
#include "pipeline/alert/sink/http_client.h"
#include "pipeline/alert/sink/receiver.h"

namespace doorslam::sink {

/// How many messages a receiver is sent in one request: all of a batch, until one took too long to be answered; then
/// half as many, and twice as many again once ten in a row were answered. What is too much for a receiver would
/// otherwise be sent for ever, and perhaps taken each time. Not thread-safe.
class RequestSize {
 public:
  /// As send_by_halves(), in requests of this size.
  Delivery send(std::span<const Message> messages, const SendPart& send);

 private:
  static constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();
  std::size_t most_ = kAnyNumber;
  unsigned answered_ = 0;  ///< in a row, since most_ was changed
};

/// The request failed as a whole: everything is to be sent again.
void note_failure(Delivery& delivery, std::string trouble, std::optional<milliseconds> wait = {});
/// As note_failure(): the latest request of `client` had no answer, for this reason.
void note_silence(Delivery& delivery, const HttpClient& client, const Error& reason);

}  // namespace doorslam::sink
