#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "flowtable/time.h"

/// Hosts behind one address, told apart by the clocks in their SYN-ACKs (TSval, RFC 7323).
///
/// Theory of operation. A host's TSval runs on at one rate. Where it begins is a secret for each pair of addresses
/// (RFC 7323, section 5.4; Linux since 4.12), so that the clocks shown to one client can be compared, and no others.
/// Take the time off, and all that one host has shown to one client is one figure: a line. Two hosts are two lines,
/// however alike they are, because they meet by chance in one case of a million. Hosts that begin anew for each
/// connection show no line, which tells nothing. Initial sequence numbers are no such clock: RFC 6528 begins them anew
/// for each four-tuple.
namespace doorslam::diagnose {

/// What became of the connection in which a clock was shown.
enum class Fate : std::uint8_t { open, served, refused };

/// The clock in the SYN-ACK of one connection.
struct ClockReading {
  flowtable::TimeNs time_ns = 0;  ///< of the handshake
  std::uint32_t clock = 0;        ///< TSval; 0: unknown
  Fate fate = Fate::open;
  bool is_subject = false;  ///< of a judgement
  std::uint8_t line = 0;    ///< found: counted from 1; 0: on no line with another
};

/// Milliseconds (most of today's), 4 ms and 10 ms (older Linux and Windows): ticks in a second.
inline constexpr std::uint32_t kClockRates[] = {1000, 250, 100};

/// Sets the lines of one client's readings, which come by time, for a clock of that rate. The number of lines; 0 where
/// the clocks begin anew time and again. Several lines mean several hosts if readings on them alternate: one host that
/// starts anew, or whose rate is another, changes lines and does not come back.
std::uint8_t find_lines(std::span<ClockReading> readings, std::uint32_t ticks_per_second) noexcept;

/// What the hosts that one client met did with it. `here`: the host that the subject met; of another client, the one
/// that refused it most.
struct HostTally {
  std::uint32_t hosts = 0;  ///< 0: nothing is known, or nobody was refused
  std::uint32_t refused_here = 0;
  std::uint32_t served_here = 0;
  std::uint32_t refused_elsewhere = 0;
  std::uint32_t served_elsewhere = 0;
  std::uint32_t served_meanwhile = 0;  ///< elsewhere, between the first and the last refusal here
  double chance = 1.0;  ///< that as many of the refusals fell to any one of the hosts, drawn blindly; 0 to 1
};

/// Of one client's readings, which come by time. Sets their lines.
HostTally tally_hosts(std::span<ClockReading> readings, std::uint32_t ticks_per_second) noexcept;

/// The rate that puts the most readings on lines, and them on the fewest; 0 where none puts any.
std::uint32_t clock_rate(std::span<ClockReading> readings) noexcept;

}  // namespace doorslam::diagnose
