#pragma once

#include <functional>
#include <span>

#include "pipeline/alert/sink/receiver.h"

namespace doorslam::sink {

/// Sends part of a batch in one request; fills in the fates of that part. False: the receiver found the request as a
/// whole too large or malformed.
using SendPart = std::function<bool(std::span<const Message> part, std::span<Fate> fates, Delivery& delivery)>;

/// Sends the batch; where the receiver refuses a request as a whole, each half of it, down to the one message that is
/// at fault, which is refused for good. All fates begin as `again`.
Delivery send_by_halves(std::span<const Message> messages, const SendPart& send);

}  // namespace doorslam::sink
