#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/evidence.h"

/// The packets of a connection as a trace view shows them.
namespace doorslam::alert {

/// One line of the ladder, in words.
struct LadderLine {
  enum class Kind : std::uint8_t { segment, icmp, left_out };

  Kind kind = Kind::segment;
  flowtable::DurationNs since_start_ns = 0;  ///< since the connection's first packet
  tcp::Side side = tcp::Side::originator;    ///< sender; of an ICMP error: of the packet that it is about
  std::string flags;                         ///< "SYN", "PSH,ACK", …
  std::uint32_t seq = 0;                     ///< relative
  std::uint32_t ack = 0;                     ///< relative; meaningless without ACK
  bool has_ack = false;
  std::uint16_t length = 0;  ///< payload octets
  std::uint16_t window = 0;  ///< as sent
  std::uint8_t ttl = 0;
  std::uint32_t number = 0;       ///< segment: its place among all of the connection, from 0
  std::uint32_t count = 0;        ///< left_out: packets not kept
  flowtable::IpAddress reporter;  ///< icmp: who sent it
  std::string note;               ///< what an analyst would remark; may be empty
};

/// All that `evidence` has kept, in order of time, with the packets not kept as one line. `quote_server` puts the
/// server's first and last words into the notes; the client's, which may hold a password, are never shown.
std::vector<LadderLine> ladder_of(const tcp::ConnectionSummary& summary, const tcp::Evidence& evidence,
                                  bool quote_server = true);

struct LadderStyle {
  bool unicode = true;  ///< "──▶", else "-->"
  std::size_t indent = 2;
  std::size_t width = 0;  ///< notes are cut to fit; 0: never
};

/// Fixed columns, a line each, notes last, never wrapped.
std::string render(const std::vector<LadderLine>& lines, const LadderStyle& style = {});

}  // namespace doorslam::alert
