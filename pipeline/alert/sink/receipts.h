#pragma once

#include <functional>
#include <optional>
#include <string>

#include "pipeline/alert/sink/byte_stream.h"

namespace doorslam::sink {

/// Ends streams so that it is known whether the receiver has read and kept everything. Used by one thread.
///
/// Theory of operation. A kernel answers unread data by a reset when its program closes a connection, so a FIN after
/// ours says that nothing is unread. It does not say that the program lives: the kernel of one that was killed over
/// what it had just read sends the same FIN. So a second connection, the successor, is made before the end, and has to
/// outlive the first: a dying process loses all its connections, one soon after the other. Then it takes the first
/// one's place.
///
/// Receivers that give no such proof must not be sent the same for ever: those that never end a stream after us, that
/// end theirs first, or that take one connection at a time. Each is believed when it has been so several times in a
/// row, and a remark tells.
class Receipts {
 public:
  using Clock = ByteStream::Clock;
  /// TLS for a stream, where that is wanted. What stands in the way, or nothing.
  using Secure = std::function<std::string(ByteStream&, Clock::time_point, const std::stop_token&)>;

  explicit Receipts(Secure secure) : secure_(std::move(secure)) {}

  struct Outcome {
    std::string trouble;                  ///< empty: all has arrived
    std::optional<ByteStream> successor;  ///< connected, secured, unused
  };
  /// Ends `stream`. The successor has to outlive it by `grace`; with TLS its handshake, too, has to succeed.
  Outcome end(ByteStream stream, Clock::time_point deadline, std::chrono::milliseconds grace,
              const std::stop_token& stop);

  /// What a person should know about the receiver: empty as long as it gives proof.
  const std::string& remark() const noexcept { return remark_; }

 private:
  bool is_silence_enough();
  bool is_half_a_proof_enough();

  Secure secure_;
  bool gives_receipts_ = false;
  bool wary_ = false;  ///< a successor was lost: was it sent away, or has the receiver died?
  unsigned silences_ = 0;
  unsigned half_proofs_ = 0;
  std::string remark_;
};

}  // namespace doorslam::sink
