#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "pipeline/diagnose/ending.h"
#include "pipeline/diagnose/ledger/contrast.h"
#include "pipeline/diagnose/ledger/ledger.h"
#include "pipeline/diagnose/outcome.h"
#include "pipeline/diagnose/signature/signature_database.h"
#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/evidence.h"

namespace doorslam::diagnose {

/// A client that sends less than both asks for something; with more it hands something over.
inline constexpr std::uint16_t kTransferSegments = 4;
inline constexpr std::uint64_t kTransferOctets = 4096;
/// Fewer arrivals in a second, or in a minute, are a coincidence and no rate.
inline constexpr std::uint32_t kLeastRate = 3;

/// Everything on the analyst's desk when one connection is judged. Borrowed for the length of the judgement.
struct Case {
  explicit Case(const tcp::ConnectionSummary& connection) : summary(connection) {}

  const tcp::ConnectionSummary& summary;
  const tcp::Evidence* packets = nullptr;  ///< null where none was kept
  Ending ending = Ending::still_open;
  flowtable::TimeNs accepted_ns = 0;  ///< handshake complete, else first packet
  flowtable::TimeNs closed_ns = 0;    ///< server's FIN or RST, else the last packet
  Contrast contrast;
  std::optional<ServerMarks> marks;                ///< absent where the server endpoint is unknown
  std::uint8_t host_ttl = 0;                       ///< TTL of the server host's SYN-ACKs, 0: unknown
  std::uint32_t holes = 0;                         ///< of the last connections, those with octets that no packet shows
  std::uint32_t holes_among = 0;                   ///< so many connections
  std::uint64_t packets_lost = 0;                  ///< by the sensor, while the connection was under way
  Outcome outcome = Outcome::served;               ///< by its own packets
  bool hung_up_soon = false;                       ///< as in EndedNote
  bool first_words_known = false;                  ///< the server's, as far as they are compared with those to others
  std::optional<flowtable::Endpoint> ftp_control;  ///< as in Diagnosis
  std::size_t quote_length = 0;                    ///< characters of what was said that may be told
  std::span<const SignatureHit> server_words;      ///< most telling first
  std::span<const SignatureHit> client_words;

  const tcp::SideEvidence* client() const { return packets ? &packets->of(tcp::Side::originator) : nullptr; }
  const tcp::SideEvidence* server() const { return packets ? &packets->of(tcp::Side::responder) : nullptr; }
  /// By its own packets, or by words that this server does not use towards those whom it serves.
  bool looks_refused() const {
    if (outcome == Outcome::refused_silently || outcome == Outcome::refused_in_words) return true;
    return begins_otherwise();
  }
  /// It closed on first words that it does not use towards those whom it serves.
  bool begins_otherwise() const {
    return hung_up_soon && first_words_known && contrast.greetings.usual > 0 && contrast.greetings.served_same == 0;
  }
  /// The server hung up on a connection that it had accepted.
  bool server_hung_up() const {
    return ending == Ending::closed_without_a_word || ending == Ending::closed_unseen ||
           ending == Ending::closed_after_greeting || ending == Ending::closed_after_reply ||
           ending == Ending::handshake_reset;
  }
};

/// What a piece of evidence found: a sentence with its figures, and how strongly it holds.
struct Finding {
  std::string sentence;
  double strength = 1.0;  ///< scales the weights of the evidence, usually 0 to 1
};

}  // namespace doorslam::diagnose
