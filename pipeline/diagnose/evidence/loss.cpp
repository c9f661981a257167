#include "pipeline/diagnose/evidence/loss.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.h"

namespace doorslam::diagnose::evidence {

/// Causes that are read from something not being there are doubtful where something is known to be missing.
std::optional<Finding> packets_lost_meanwhile(const Case& c) {
  if (c.packets_lost == 0) return std::nullopt;
  return Finding{fmt::format("the sensor lost {} meanwhile: what seems missing may only not have been seen",
                             counted(c.packets_lost, "packet", "packets"))};
}

namespace {

/// Acknowledged and never seen: a mirror port that drops. What is read from packets that are not there, or from the
/// order and the number of connections, may then be the capture's doing.
std::optional<Finding> holes_of_capture(const Case& c) {
  constexpr std::uint32_t kFew = 3;
  constexpr double kLittle = 0.03;
  constexpr double kMuch = 0.08;
  if (c.holes < kFew || c.server_words.size() + c.client_words.size() > 0) return std::nullopt;
  const double share = static_cast<double>(c.holes) / c.holes_among;
  if (share < kLittle) return std::nullopt;
  return Finding{fmt::format("of the last {} connections {} lack octets that were acknowledged: the capture has holes",
                             c.holes_among, c.holes),
                 std::min(1.0, share / kMuch)};
}

}  // namespace

/// A close whose company and history may be lost.
std::optional<Finding> holes_beside_a_close(const Case& c) {
  return c.server_hung_up() ? holes_of_capture(c) : std::nullopt;
}

/// An answer that was not seen, to packets that were not seen again.
std::optional<Finding> holes_beside_silence(const Case& c) {
  const bool asked_once = c.packets != nullptr && c.packets->syns < 2;
  const bool silent = (c.ending == Ending::syn_unanswered && asked_once) || c.ending == Ending::handshake_ignored;
  return silent ? holes_of_capture(c) : std::nullopt;
}

/// A single SYN in a capture of the clients' direction: what answered it would not be seen, and a RST ends it.
std::optional<Finding> answers_not_captured(const Case& c) {
  if (c.ending != Ending::syn_unanswered || c.packets == nullptr || c.packets->syns > 1 || !c.marks)
    return std::nullopt;
  if (c.marks->last_accept_ns == flowtable::kNoTime || c.marks->stacks.count() > 0 || c.host_ttl != 0)
    return std::nullopt;
  return Finding{
      "the server accepted others, but no packet of its direction was captured: a RST would not be seen either, and "
      "the SYN did not come again"};
}

/// See closed_without_payload(): of a server that was not captured, and whose close nobody acknowledged.
std::optional<Finding> reset_only_supposed(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr) return std::nullopt;
  if (!is_alone(*c.packets, tcp::Side::originator) || server_close_time(*c.packets) != flowtable::kNoTime)
    return std::nullopt;
  return Finding{"that the server refused it is only supposed: its direction was not captured"};
}

}  // namespace doorslam::diagnose::evidence
