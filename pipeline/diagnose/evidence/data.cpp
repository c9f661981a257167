#include "pipeline/diagnose/evidence/data.h"

#include <fmt/format.h>

#include "pipeline/diagnose/evidence/crash.h"
#include "pipeline/diagnose/guide/guide.h"
#include "pipeline/diagnose/opening.h"

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

/// An upload that the server ends itself (iperf3), or to which it closed its own direction first (a receiver that has
/// nothing to say). A list or a limit does not read a file first, and a socket that is closed meets one with RST.
std::optional<Finding> took_a_transfer(const Case& c) {
  // What a client sends at once, whether or not anybody reads it: ten segments (RFC 6928).
  constexpr std::uint64_t kSentUnasked = 14'600;
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr) return std::nullopt;
  const tcp::SideEvidence& client = c.packets->of(tcp::Side::originator);
  const std::uint64_t octets = is_alone(*c.packets, tcp::Side::responder)
                                   ? unseen_by_acks(*c.packets).octets
                                   : c.summary.side[index_of(tcp::Side::originator)].payload_bytes;
  const bool client_alone = is_alone(*c.packets, tcp::Side::originator);
  const bool all_acked = c.summary.one_sided || all_acknowledged(client);
  if (octets < kTransferOctets || !all_acked || (client_alone && octets <= kSentUnasked)) return std::nullopt;
  if (!server_closed_by_fin(*c.packets) || c.packets->of(tcp::Side::responder).rst_ns != flowtable::kNoTime) {
    return std::nullopt;
  }
  // A request is owed an answer, however long it is; where its beginning is not known, the port tells of one.
  if (tells_protocol(opening_of(client.head))) return std::nullopt;
  const bool is_beginning_known = client.head.length > 0 && !client.head.incomplete;
  if (!is_beginning_known && !usual_protocol(c.summary.responder.port).empty()) return std::nullopt;
  if (ended_with_it(c) > 0 || is_port_closed_afterwards(c)) return std::nullopt;
  // What the server acknowledged shows in its own packets alone.
  const std::string what =
      client_alone ? fmt::format("the client sent {} octets, and the server closed by FIN", octets)
                   : fmt::format("the server took all {} octets that the client sent, and closed by FIN", octets);
  return Finding{what + ": a transfer in one direction"};
}

}  // namespace doorslam::diagnose::evidence
