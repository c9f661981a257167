#include "pipeline/alert/sink/receipts.h"

#include <algorithm>

namespace doorslam::sink {

namespace {

constexpr unsigned kEnough = 3;  ///< in a row, and it is the receiver's way
/// Of a receiver that gave receipts before: one that hangs.
constexpr unsigned kEnoughOfAChange = 12;

}  // namespace

Receipts::Outcome Receipts::end(ByteStream stream, Clock::time_point deadline, std::chrono::milliseconds grace,
                                const std::stop_token& stop) {
  constexpr auto kPatience = std::chrono::seconds(1);
  constexpr auto kWatched = std::chrono::milliseconds(200);
  ByteStream::Companion second = stream.make_companion(std::min(deadline, Clock::now() + kPatience), stop);
  // Sent away while the first is still there: it takes one at a time. Later, that could as well be its death.
  if (second.stream && wary_ && !second.stream->stays_open(kWatched)) second = {{}, true};
  switch (stream.end(deadline, stop)) {
    case Receipt::broken:
      silences_ = 0;
      return {stream.trouble().empty() ? "the connection ended before all that was sent had arrived" : stream.trouble(),
              {}};
    case Receipt::silent:
      if (is_silence_enough()) return {};
      return {"the receiver does not end the connection after us", {}};
    case Receipt::given:
      silences_ = 0;
  }
  if (!second.stream) {
    if (second.turned_away && is_half_a_proof_enough()) return {};
    return {"whether the receiver lives cannot be told: there is no second connection to it", {}};
  }
  std::string trouble = secure_(*second.stream, deadline, stop);
  if (trouble.empty() && !second.stream->stays_open(grace)) trouble = second.stream->trouble();
  wary_ = !trouble.empty();
  if (wary_) return {"the receiver's second connection was lost with the first: " + trouble, {}};
  gives_receipts_ = true;
  half_proofs_ = 0;
  remark_.clear();
  return {{}, std::move(second.stream)};
}

bool Receipts::is_silence_enough() {
  if (++silences_ < (gives_receipts_ ? kEnoughOfAChange : kEnough)) return false;
  gives_receipts_ = false;
  remark_ = "it does not end a connection after us: what its host took counts as delivered";
  return true;
}

bool Receipts::is_half_a_proof_enough() {
  if (++half_proofs_ < kEnough) return false;
  remark_ = "it takes one connection at a time: what it has read counts as delivered, also if it dies over it";
  return true;
}

}  // namespace doorslam::sink
