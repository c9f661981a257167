#include "pipeline/diagnose/evidence/idle.h"

#include <fmt/format.h>

#include <string_view>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/opening.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::DurationNs;
using flowtable::kSecondNs;
using tcp::Side;
using tcp::SideEvidence;

/// Who is refused by list or limit is so at once, or after a look-up.
constexpr DurationNs kLeastWaitNs = kSecondNs;

/// How long the server waited for the first words of a client that had none, before it closed by FIN; 0: otherwise.
DurationNs waited_for_first_words(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr) return 0;
  const bool server_alone = is_alone(*c.packets, Side::responder);
  if (c.summary.one_sided && !server_alone && !is_alone(*c.packets, Side::originator)) return 0;
  const bool has_spoken =
      c.packets->of(Side::originator).payload_segments > 0 || (server_alone && unseen_by_acks(*c.packets).octets > 0);
  if (has_spoken || !server_closed_by_fin(*c.packets)) return 0;
  return c.closed_ns - c.accepted_ns;
}

/// All who were served spoke first, and so would this one have: a server that waits for it for seconds is ready to
/// serve it, if it serves it at all. Browsers keep connections in reserve. One that was served shows that of itself;
/// for another, several connections are to show it.
bool is_unused_where_clients_speak_first(const Case& c) {
  constexpr std::uint32_t kSeveral = 3;
  const Contrast& k = c.contrast;
  if (waited_for_first_words(c) < kLeastWaitNs || k.speech.served_on_asking == 0 || k.speech.served_unasked > 0)
    return false;
  return k.same_client.served > 0 || k.speech.served_on_asking >= kSeveral;
}

/// A request line of HTTP/1, and not yet the empty line that ends the header (RFC 9112, section 2.1); of HTTP/0.9, its
/// one line.
bool is_unfinished_http(std::string_view words) {
  const std::size_t end_of_line = words.find('\n');
  if (end_of_line == std::string_view::npos) return true;
  if (words.substr(0, end_of_line).find(" HTTP/") == std::string_view::npos) return false;
  return words.find("\n\r\n") == std::string_view::npos && words.find("\n\n") == std::string_view::npos;
}

/// Less than the record announces (RFC 8446, section 5.1).
bool is_unfinished_hello(packet::ByteView octets) {
  constexpr std::size_t kHeader = 5;
  return octets.size() < kHeader || octets.size() - kHeader < std::size_t{octets[3]} * 256 + octets[4];
}

/// All that the client has said, and by the rules of its protocol not the end of a request.
bool is_unfinished(const tcp::PayloadHead& head, std::uint64_t octets_sent) {
  if (head.incomplete || head.length < octets_sent) return false;
  switch (opening_of(head)) {
    case Opening::http:
      return is_unfinished_http({reinterpret_cast<const char*>(head.bytes.data()), head.length});
    case Opening::tls:
      return is_unfinished_hello(head.view());
    default:
      return false;
  }
}

}  // namespace

DurationNs waited_for_the_rest(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr || c.summary.one_sided) return 0;
  const SideEvidence& client = c.packets->of(Side::originator);
  if (client.payload_segments == 0 || !all_acknowledged(client)) return 0;
  if (!server_closed_by_fin(*c.packets)) return 0;
  if (!is_unfinished(client.head, c.summary.side[index_of(Side::originator)].payload_bytes)) return 0;
  const DurationNs waited = c.closed_ns - client.last_payload_ns;
  return waited < kLeastWaitNs ? 0 : waited;
}

/// See is_unused_where_clients_speak_first().
std::optional<Finding> unused_where_clients_speak_first(const Case& c) {
  constexpr double kByOthersAlone = 0.85;
  constexpr double kByOneOther = 0.75;
  if (!is_unused_where_clients_speak_first(c)) return std::nullopt;
  return Finding{
      fmt::format("the client said nothing for {}, then the server closed; on {} the client spoke first",
                  in_words(waited_for_first_words(c)),
                  counted(c.contrast.speech.served_on_asking, "served connection", "served connections")),
      c.contrast.same_client.served > 0 ? 1.0 : (c.contrast.clients.served > 1 ? kByOthersAlone : kByOneOther)};
}

/// Servers put up with a silent client for tens of seconds (header and login timeouts); a refusal does not wait so
/// long, whatever the server looks up first.
std::optional<Finding> unused_and_timed_out(const Case& c) {
  constexpr DurationNs kLoginTimeout = 15 * kSecondNs;
  const DurationNs waited = waited_for_first_words(c);
  if (waited < kLoginTimeout || is_unused_where_clients_speak_first(c)) return std::nullopt;
  return Finding{fmt::format("the client said nothing for {}, then the server closed", in_words(waited))};
}

/// A server that has read a part of a request waits for the rest. Nobody dies over that, and no list waits for it.
std::optional<Finding> request_unfinished(const Case& c) {
  const DurationNs waited = waited_for_the_rest(c);
  if (waited == 0) return std::nullopt;
  return Finding{
      fmt::format("the client's request had not come to its end: the server waited {} for the rest, then "
                  "closed",
                  in_words(waited))};
}

}  // namespace doorslam::diagnose::evidence
