#include "pipeline/diagnose/capture_quality.h"

#include <fmt/format.h>

#include "pipeline/base/text.h"

namespace doorslam::diagnose {

std::vector<std::string> caveats_of(const tcp::ConnectionSummary& summary, const tcp::Evidence* evidence) {
  std::vector<std::string> caveats;
  if (summary.one_sided) caveats.emplace_back("only one direction of this connection was captured");
  // Of one that is seen from the server's side alone, the SYN lacks because the whole direction does.
  if (summary.mid_stream && !summary.one_sided) {
    caveats.emplace_back("the capture began after the connection did: its handshake is missing");
  }
  if (summary.orientation_guessed) caveats.emplace_back("which end is the server was guessed from the port numbers");
  const std::uint64_t gaps = std::uint64_t{summary.side[0].gap_bytes} + summary.side[1].gap_bytes;
  if (gaps > 0) {
    caveats.push_back(fmt::format("{} acknowledged but not captured", counted(gaps, "octet was", "octets were")));
  }
  if (summary.duplicates > 0) {
    caveats.push_back(fmt::format("{} of its packets came twice from the mirror; {} dropped", summary.duplicates,
                                  summary.duplicates == 1 ? "the copy was" : "the copies were"));
  }
  if (summary.end_reason == tcp::EndReason::evicted) {
    caveats.emplace_back("the flow table was full and let go of it before its end (flows.capacity)");
  }
  if (summary.evidence_missing)
    caveats.emplace_back("its packets were not kept: there was no room for them (evidence.capacity)");
  if (evidence == nullptr) return caveats;
  if (evidence->begins_late) {
    caveats.emplace_back("its beginning was not kept: half of the evidence pool was in use (evidence.capacity)");
  } else if (evidence->of(tcp::Side::responder).head.incomplete) {
    caveats.emplace_back("the server's first words are incomplete in the capture");
  }
  return caveats;
}

std::string banner_of(const tcp::PayloadHead& head, std::size_t limit) {
  std::string octets;
  for (const std::uint8_t octet : head.view()) octets += static_cast<char>(octet);
  return escaped(octets, limit);
}

}  // namespace doorslam::diagnose
