#pragma once

#include <cstdint>
#include <string_view>

#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/evidence.h"

/// How a connection ended on the wire, before anyone asks why. The first thing an analyst notes.
namespace doorslam::diagnose {

enum class Ending : std::uint8_t {
  syn_unanswered,         ///< SYN, and nothing came back
  syn_reset,              ///< SYN, RST
  syn_icmp,               ///< SYN, ICMP destination unreachable
  half_open_abandoned,    ///< SYN, SYN-ACK, and the client resets or says no more
  handshake_ignored,      ///< the client's ACK or data met retransmitted SYN-ACKs or silence
  handshake_reset,        ///< the RST answers the final ACK; nobody has sent payload
  closed_without_a_word,  ///< accepted, then the server's FIN or RST; no payload from the server
  closed_unseen,          ///< the server closed; the capture does not have what went before
  closed_after_greeting,  ///< the server spoke first, then closed; no payload from the client before
  closed_after_reply,     ///< both spoke, the server closed first
  left_without_a_word,    ///< the client closed or reset before the server said anything
  left_after_greeting,    ///< the client heard the greeting and left without a request
  left_after_reply,       ///< both spoke, the client closed first
  server_silent,          ///< the request is ACKed, no answer came, nobody closed
  client_silent,          ///< the server's data is not ACKed any more
  client_stalled,         ///< the client's window stays closed
  let_go,                 ///< not followed to its end: the table was full, the capture ended too soon to tell, what
                          ///< there is has wrong checksums, or nobody had spoken and its packets were not kept
  still_open,             ///< nothing remarkable, but the end was not seen
};

std::string_view name_of(Ending ending);

/// `evidence` is null where the connection was plainly served or the evidence pool was exhausted; then conn_state,
/// history and stage decide.
Ending ending_of(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence);

/// The client never answered the SYN-ACK, not even by a RST.
bool was_left_half_open(const tcp::ConnectionSummary& summary, Ending ending);

/// When the connection stopped to count as an open session: the first FIN or RST, else the last packet.
flowtable::TimeNs close_time(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence);

/// A server that closes later than this after its last answer did not close because of it.
inline constexpr flowtable::DurationNs kSameBreathNs = 10 * flowtable::kMillisecondNs;

/// What the tap sees of a round trip between it and the server; 0 where the handshake was not seen.
flowtable::DurationNs server_round_trip(const tcp::Evidence& evidence);

/// Segments in a row with which the server asked for a sign of life at last (data again, probes of a closed window,
/// keep-alives) and got none.
std::uint32_t unanswered_probes(const tcp::Evidence& evidence);

/// How often this side sent payload again that was not acknowledged to the end, where that shows that it did not get
/// through: four times or more, both sides having been captured; of the server's, only where the client was there
/// meanwhile (without it the client has vanished). Otherwise 0.
std::uint32_t sent_in_vain(const tcp::Evidence& evidence, tcp::Side side);

/// When the server's kernel accepted the connection, as far as the capture tells: the handshake's end, or the SYN-ACK
/// where the capture lacks the third segment and a FIN stands in its place; else the first packet.
flowtable::TimeNs accepted_time(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence);

/// What the acknowledgements of the one side that was captured tell of the other, up to its own close. A FIN shows as
/// the one octet that is acknowledged last; hardly anyone sends a single octet of payload, and whoever does, as an echo
/// of what is typed, does so again and again.
struct Unseen {
  std::uint32_t octets = 0;              ///< of payload
  flowtable::TimeNs last_octets_ns = 0;  ///< when the last of them were acknowledged; kNoTime: none were
  flowtable::TimeNs closed_ns = 0;       ///< when its FIN was; kNoTime: it had not closed before the captured side did
};

/// All zero where packets of both sides are there, or of none.
Unseen unseen_by_acks(const tcp::Evidence& evidence);

/// Only this side was captured, from the beginning of the evidence on.
bool is_alone(const tcp::Evidence& evidence, tcp::Side side);

/// When the server's side ended it (FIN or RST, or the acknowledgement of its FIN where only the client was captured),
/// or kNoTime.
flowtable::TimeNs server_close_time(const tcp::Evidence& evidence);

/// By FIN, not by RST, as far as the capture tells.
bool server_closed_by_fin(const tcp::Evidence& evidence);

/// When this side last sent payload, or when the last of it was acknowledged where only the other side was captured;
/// kNoTime where it sent none.
flowtable::TimeNs last_words_time(const tcp::Evidence& evidence, tcp::Side side);

/// The other side has acknowledged all that this one sent, but perhaps its FIN.
bool all_acknowledged(const tcp::SideEvidence& side);

/// The client's last payload came after the server's, in the order of the packets where both bear one stamp.
bool client_had_last_word(const tcp::Evidence& evidence);

/// What a client said last to a server that had not closed yet: what it says after the close, as one that uses a
/// session again that is over, is no part of it.
struct LastHeard {
  flowtable::TimeNs time_ns = 0;  ///< kNoTime: nothing, or the ladder does not go back so far
  bool unanswered = false;        ///< the server said nothing after it
};

LastHeard last_heard(const tcp::Evidence& evidence);

/// The client has spoken, and the server not before it.
bool client_spoke_first(const tcp::ConnectionSummary& summary);

/// How the server ended a session in which it had spoken.
enum class Cut : std::uint8_t {
  none,           ///< it did not, or in one breath with its answer, or with its only words
  on_last_words,  ///< by FIN, in one breath after words of the client that got no other answer: they asked for it
  at_rest,        ///< by FIN, when all that had been asked was answered: timers and orderly restarts do so
  in_midst,       ///< with a request unread or unanswered, or by RST
};

/// Its close left nothing unanswered that the client had said before it, as far as the capture tells: a FIN, and after
/// its own last words.
bool server_closed_at_rest(const tcp::Evidence& evidence);

/// `evidence` null: none.
Cut cut_of(Ending ending, const tcp::Evidence* evidence);

}  // namespace doorslam::diagnose
