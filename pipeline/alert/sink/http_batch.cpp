#include "pipeline/alert/sink/http_batch.h"

#include <algorithm>
#include <utility>

namespace doorslam::sink {

Delivery RequestSize::send(std::span<const Message> messages, const SendPart& send) {
  constexpr unsigned kAnswersBeforeMore = 10;
  Delivery delivery = Delivery::all(messages.size(), Fate::again);
  std::size_t done = 0;
  while (done < messages.size() && delivery.trouble.empty()) {
    const auto some = messages.subspan(done, std::min(most_, messages.size() - done));
    Delivery part = send_by_halves(some, send);
    std::copy(part.fates.begin(), part.fates.end(), delivery.fates.begin() + static_cast<std::ptrdiff_t>(done));
    done += some.size();
    if (delivery.refusal.empty()) delivery.refusal = std::move(part.refusal);
    delivery.trouble = std::move(part.trouble);
    delivery.wait = part.wait;
    if (part.took_too_long) {
      most_ = std::max<std::size_t>(some.size() / 2, 1);
      answered_ = 0;
    } else if (delivery.trouble.empty() && most_ != kAnyNumber && ++answered_ >= kAnswersBeforeMore) {
      most_ = most_ > kAnyNumber / 2 ? kAnyNumber : 2 * most_;
      answered_ = 0;
    }
  }
  return delivery;
}

void note_failure(Delivery& delivery, std::string trouble, std::optional<milliseconds> wait) {
  delivery.trouble = std::move(trouble);
  delivery.wait = wait;
}

void note_silence(Delivery& delivery, const HttpClient& client, const Error& reason) {
  note_failure(delivery, reason.message);
  delivery.took_too_long = client.took_too_long();
}

}  // namespace doorslam::sink
