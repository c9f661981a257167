#include "pipeline/alert/sink/halves.h"

#include <utility>

namespace doorslam::sink {

namespace {

/// False: a failure ends the batch here.
bool send_part(std::span<const Message> part, std::span<Fate> fates, Delivery& delivery, const SendPart& send) {
  if (send(part, fates, delivery)) return delivery.trouble.empty();
  if (part.size() == 1) {
    fates[0] = Fate::refused;
    return true;
  }
  const std::size_t half = part.size() / 2;
  return send_part(part.first(half), fates.first(half), delivery, send) &&
         send_part(part.subspan(half), fates.subspan(half), delivery, send);
}

}  // namespace

Delivery send_by_halves(std::span<const Message> messages, const SendPart& send) {
  Delivery delivery = Delivery::all(messages.size(), Fate::again);
  std::vector<Fate> fates = delivery.fates;
  send_part(messages, fates, delivery, send);
  delivery.fates = std::move(fates);
  return delivery;
}

}  // namespace doorslam::sink
