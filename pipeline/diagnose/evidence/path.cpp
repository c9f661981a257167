#include "pipeline/diagnose/evidence/path.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/evidence/handshake.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::kNoTime;
using tcp::Side;
using tcp::SideEvidence;

/// The session had begun: its end is no refusal of the connection.
bool was_in_session(const Case& c) {
  switch (c.ending) {
    case Ending::closed_after_greeting:
    case Ending::closed_after_reply:
    case Ending::left_after_greeting:
    case Ending::left_after_reply:
    case Ending::still_open:
      return c.packets != nullptr;
    default:
      return false;
  }
}

/// The largest segment of the server's that was not acknowledged; 0 where none is kept.
std::uint32_t largest_in_vain(const tcp::Evidence& e) {
  std::uint32_t largest = 0;
  e.for_each_rung([&](const tcp::Rung& rung, std::uint32_t) {
    if (rung.side != Side::responder || rung.seq < e.of(Side::responder).acked) return;
    largest = std::max<std::uint32_t>(largest, rung.length);
  });
  return largest;
}

}  // namespace

/// A living stack acknowledges what reaches it, whatever its application does (RFC 9293, section 3.10.7.4).
std::optional<Finding> client_data_in_vain(const Case& c) {
  if (!was_in_session(c)) return std::nullopt;
  const std::uint32_t times = sent_in_vain(*c.packets, Side::originator);
  if (times == 0) return std::nullopt;
  return Finding{
      fmt::format("the client sent its last words {} more times and nobody acknowledged them, not even the server's "
                  "kernel: the session was cut off on the way, or its host is gone",
                  times)};
}

/// Path MTU discovery that fails (RFC 2923, section 2.1): what is short arrives, what is long never does.
std::optional<Finding> server_data_in_vain(const Case& c) {
  constexpr std::uint32_t kLong = 1000;
  if (!was_in_session(c)) return std::nullopt;
  const std::uint32_t times = sent_in_vain(*c.packets, Side::responder);
  if (times == 0) return std::nullopt;
  const std::uint32_t octets = largest_in_vain(*c.packets);
  if (octets >= kLong) {
    return Finding{fmt::format(
        "the server sent segments of {} octets {} more times, and the client, which was there and sent packets of its "
        "own, never acknowledged one: short ones pass, long ones do not (MTU)",
        octets, times)};
  }
  return Finding{
      fmt::format("the server sent its words {} more times, and the client, which was there and sent "
                  "packets of its own, never acknowledged them",
                  times)};
}

/// A server that ends a session says so by FIN, or by a RST that acknowledges. Without ACK it is the answer of somebody
/// who knows nothing of the session (RFC 9293, section 3.10.7.1): a packet filter, or a host that began anew.
std::optional<Finding> bare_reset_in_session(const Case& c) {
  if (c.ending != Ending::closed_after_reply && c.ending != Ending::closed_after_greeting) return std::nullopt;
  if (c.packets == nullptr || c.summary.one_sided || is_reset_from_elsewhere(c)) return std::nullopt;
  const SideEvidence& client = c.packets->of(Side::originator);
  const SideEvidence& server = c.packets->of(Side::responder);
  if (server.rst_ns == kNoTime || server.rst_with_ack || server.fin_ns != kNoTime) return std::nullopt;
  // With octets missing, its FIN may be among them.
  if (c.summary.side[0].gap_bytes + c.summary.side[1].gap_bytes > 0) return std::nullopt;
  if (!client_had_last_word(*c.packets) || client.fin_ns != kNoTime) return std::nullopt;
  return Finding{
      "a RST without ACK answers the client in the midst of the session: who sent it knew nothing of the session, as a "
      "packet filter does, or a host that began anew"};
}

}  // namespace doorslam::diagnose::evidence
