#include "pipeline/diagnose/evidence/data.h"

#include <fmt/format.h>

namespace doorslam::diagnose::evidence {

/// Whoever is listed an empty folder gets a FIN and no octet (RFC 959, section 3.2).
std::optional<Finding> nothing_to_transfer(const Case& c) {
  if (!c.ftp_control || c.ending != Ending::closed_without_a_word) return std::nullopt;
  if (c.packets == nullptr || !server_closed_by_fin(*c.packets)) return std::nullopt;
  if (c.summary.side[0].payload_bytes + c.summary.side[1].payload_bytes > 0) return std::nullopt;  // it was broken off
  return Finding{
      fmt::format("it is a data connection of an FTP session on port {}, on which the same two talk: closed "
                  "in good order, there was nothing to transfer",
                  c.ftp_control->port)};
}

}  // namespace doorslam::diagnose::evidence
