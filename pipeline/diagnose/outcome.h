#pragma once

#include <cstdint>

/// What became of a connection that a server had accepted: what the ledger notes of it, and what a refusal is compared
/// with.
namespace doorslam::diagnose {

/// What became of a connection, as far as its own packets tell.
enum class Outcome : std::uint8_t {
  open,              ///< not ended yet
  served,            ///< the server said something that is no refusal
  refused_silently,  ///< the server ended it without a word
  refused_in_words,  ///< the server's words are a known refusal
  unseen,            ///< the server closed; whether it had served was not captured
  left,              ///< the client left before it was served
  unanswered,        ///< accepted by the kernel, never answered
};

/// What a server's words to one client tell of everybody's: that it ends itself. They say nothing of a limit.
enum class OwnEnd : std::uint8_t { untold, stopped, crashed };

}  // namespace doorslam::diagnose
