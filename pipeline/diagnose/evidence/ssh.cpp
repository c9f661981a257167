#include "pipeline/diagnose/evidence/ssh.h"

#include <algorithm>
#include <cstdint>

#include "pipeline/diagnose/protocol_marks.h"

namespace doorslam::diagnose::evidence {

namespace {

using tcp::Side;

/// Octets from the beginning to the end of the side's KEXINIT, where that is the first packet after its
/// identification, as it has to be (RFC 4253, sections 4.2, 6 and 7.1); 0: it is not there.
std::uint64_t octets_to_end_of_kexinit(const tcp::PayloadHead& head) {
  constexpr std::uint8_t kKexInit = 20;
  constexpr std::uint64_t kLongestPacket = 35'000;
  if (!speaks_ssh(head) || head.incomplete) return 0;
  const packet::ByteView words = head.view();
  const auto line_end = std::ranges::find(words, std::uint8_t{'\n'});
  if (line_end == words.end()) return 0;
  const packet::ByteView packet = words.subspan(static_cast<std::size_t>(line_end - words.begin()) + 1);
  if (packet.size() < 6 || packet[5] != kKexInit) return 0;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < 4; ++i) length = length << 8U | packet[i];
  return length > kLongestPacket ? 0 : words.size() - packet.size() + 4 + length;
}

}  // namespace

/// Both have named their algorithms, and the server says no more: its part of the exchange would follow at once.
std::optional<Finding> ssh_without_keys(const Case& c) {
  if (c.ending != Ending::closed_after_reply && c.ending != Ending::left_after_reply) return std::nullopt;
  if (c.packets == nullptr || c.summary.one_sided || c.summary.mid_stream) return std::nullopt;
  const tcp::SideTotals& client = c.summary.side[index_of(Side::originator)];
  const tcp::SideTotals& server = c.summary.side[index_of(Side::responder)];
  if (client.gap_bytes + server.gap_bytes > 0) return std::nullopt;
  const std::uint64_t of_client = octets_to_end_of_kexinit(c.client()->head);
  const std::uint64_t of_server = octets_to_end_of_kexinit(c.server()->head);
  if (of_client == 0 || of_server == 0) return std::nullopt;
  if (client.payload_bytes != of_client || server.payload_bytes != of_server) return std::nullopt;
  return Finding{
      "both sides named their SSH algorithms, and no keys were exchanged: they have none in common, or the client only "
      "looked"};
}

}  // namespace doorslam::diagnose::evidence
