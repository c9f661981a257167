#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/base/named.h"

namespace doorslam::tcp {

/// Who sent a segment: the end that opened the connection (client), or the other (server).
enum class Side : std::uint8_t { originator = 0, responder = 1 };

constexpr Side other(Side side) { return side == Side::originator ? Side::responder : Side::originator; }
constexpr std::size_t index_of(Side side) { return static_cast<std::size_t>(side); }

/// Zeek's conn_state vocabulary (https://docs.zeek.org, base/protocols/conn/main.zeek).
enum class ConnState : std::uint8_t { S0, S1, SF, REJ, S2, S3, RSTO, RSTR, RSTOS0, RSTRH, SH, SHR, OTH };

inline constexpr std::array<std::string_view, 13> kConnStateNames = {
    "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"};

constexpr std::string_view name_of(ConnState state) { return kConnStateNames[static_cast<std::size_t>(state)]; }

/// How far the connection got before it ended, in the contract's words.
enum class Stage : std::uint8_t { syn, handshake, accepted, greeting, request, response, established };

inline constexpr std::array<std::string_view, 7> kStageNames = {"syn",     "handshake", "accepted",   "greeting",
                                                                "request", "response",  "established"};

constexpr std::string_view name_of(Stage stage) { return kStageNames[static_cast<std::size_t>(stage)]; }

/// Why the tracker let go of a connection.
enum class EndReason : std::uint8_t {
  closed,       ///< FIN from both sides, or RST, and the linger time passed
  expired,      ///< silent for the timeout of its state
  reused,       ///< a new SYN took the tuple
  evicted,      ///< the table was full
  capture_end,  ///< the source ended, or doorslam was told to stop
};

inline constexpr auto kEndReasonNames = names_of<EndReason>({
    {EndReason::closed, "closed"},
    {EndReason::expired, "expired"},
    {EndReason::reused, "reused"},
    {EndReason::evicted, "evicted"},
    {EndReason::capture_end, "capture_end"},
});

constexpr std::string_view name_of(EndReason reason) { return kEndReasonNames[static_cast<std::size_t>(reason)]; }

/// Zeek's history string, in place. The tracker keeps the first 24 (PackedHistory); what comes after them is not told.
struct History {
  std::array<char, 31> letters{};
  std::uint8_t length = 0;

  std::string_view view() const noexcept { return {letters.data(), length}; }
};

/// Totals of one side of a connection.
struct SideTotals {
  std::uint64_t packets = 0;
  std::uint64_t payload_bytes = 0;  ///< distinct sequence space, as Zeek's orig_bytes/resp_bytes
  std::uint32_t gap_bytes = 0;      ///< ACKed by the other side, never seen: capture loss
  std::uint16_t retransmissions = 0;
  std::uint16_t zero_windows = 0;  ///< segments that advertised a zero window
};

/// The habits of the host that answered the SYN: what tells several servers behind one address apart. What the client's
/// own SYN asked for shows in them as well (options, and with them the window).
struct AnsweringStack {
  std::uint8_t ttl = 0;      ///< as captured; 0: no SYN-ACK was kept
  std::uint8_t options = 0;  ///< TcpOptions::present
  std::uint16_t window = 0;  ///< as sent
  bool dont_fragment = false;
  bool ip_id_zero = false;  ///< as Linux does it; others count or draw

  friend bool operator==(const AnsweringStack&, const AnsweringStack&) = default;
};

/// Everything known of a connection that holds for every connection, with or without Evidence.
struct ConnectionSummary {
  flowtable::Endpoint originator;
  flowtable::Endpoint responder;
  flowtable::TimeNs start_ns = 0;  ///< first packet
  flowtable::TimeNs end_ns = 0;    ///< last packet
  std::uint64_t id = 0;            ///< number of its first packet in the source: unique within a run
  std::array<SideTotals, 2> side;  ///< by index_of(Side)
  History history;
  ConnState conn_state = ConnState::OTH;
  Stage stage = Stage::syn;
  EndReason end_reason = EndReason::closed;
  std::uint16_t vlan = 0;
  bool mid_stream : 1 = false;  ///< no SYN of the originator seen
  /// Neither SYN nor SYN-ACK seen; the well-known or lower port is the responder.
  bool orientation_guessed : 1 = false;
  bool one_sided : 1 = false;  ///< packets of one side only although the other must have answered
  /// Requests and responses went to and fro; its Evidence, if any is left, is of its beginning.
  bool plainly_served : 1 = false;
  bool evidence_missing : 1 = false;  ///< there was no room for its Evidence
  bool tunneled : 1 = false;
  std::uint16_t duplicates = 0;  ///< mirror duplicates dropped
  AnsweringStack answered_by;    ///< only with EventKind::established; so the next
  /// The TSval of the SYN-ACK (RFC 7323), as the client has echoed it: what the server host's clock showed then. 0: it
  /// sent none, or which SYN-ACK was echoed is not known.
  std::uint32_t answered_at_clock = 0;
};

}  // namespace doorslam::tcp
