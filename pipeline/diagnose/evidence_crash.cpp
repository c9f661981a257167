#include "pipeline/diagnose/evidence_crash.h"

#include <fmt/format.h>

#include "pipeline/base/text.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using tcp::SideEvidence;

/// Captures and kernels disagree on the order of a close and a SYN that comes with it by no more than this.
constexpr flowtable::DurationNs kAtOnceNs = 100 * kMillisecondNs;
/// A closure so long after the end may still be its consequence: clients try again within seconds.
constexpr flowtable::DurationNs kAfterwardsNs = 10 * kSecondNs;

/// The port's closure that followed this end, or null.
const PortClosure* port_closed_soon(const Case& c) {
  if (!c.server_hung_up() || !c.marks) return nullptr;
  const PortClosure* closure = c.marks->closure_between(c.closed_ns - kAtOnceNs, c.closed_ns + kAfterwardsNs);
  return closure == nullptr || closure->last_accept_ns > c.closed_ns + kAtOnceNs ? nullptr : closure;
}

}  // namespace

std::uint32_t ended_with_it(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up()) return 0;
  // A timer, a client's farewell or an end whose beginning is not known is ordinary, but not where nothing listens
  // afterwards.
  const bool closed_after = port_closed_soon(c) != nullptr;
  if (c.ending == Ending::closed_unseen && !closed_after) return 0;
  const std::uint32_t together = closed_after ? k.stopped_together + k.unseen_together : k.ended_together;
  return together < k.went_on ? 0 : together;
}

bool hung_up_over_a_request(const Case& c) {
  // Access rules and limits are applied at once, and timers run for seconds.
  constexpr flowtable::DurationNs kLeast = 200 * kMillisecondNs;
  constexpr flowtable::DurationNs kMost = 4500 * kMillisecondNs;
  if (c.ending != Ending::closed_without_a_word && c.ending != Ending::closed_after_reply) return false;
  if (c.packets == nullptr || c.summary.one_sided) return false;
  const SideEvidence& client = *c.client();
  const SideEvidence& server = *c.server();
  if (!client_had_last_word(*c.packets)) return false;
  if (client.payload_segments == 0 || client.acked + 1 < client.next_seq) return false;
  // A FIN: with words unread it would have been a RST.
  if (server.fin_ns == kNoTime || server.fin_ns != c.closed_ns) return false;
  const auto worked = server.fin_ns - client.last_payload_ns - server_round_trip(*c.packets);
  return worked >= kLeast && worked <= kMost;
}

/// When a process dies, its kernel closes all of its sockets in the same instant.
std::optional<Finding> sessions_ended_together(const Case& c) {
  const std::uint32_t together = ended_with_it(c);
  if (together == 0) return std::nullopt;
  // Where nothing listens afterwards, fewer witnesses do.
  const std::uint32_t witnesses = together + (port_closed_soon(c) != nullptr ? 1 : 0);
  return Finding{
      fmt::format("{} cut short within {} of this one, {} went on",
                  counted(together, "other session of this server was", "other sessions of this server were"),
                  in_words(kTogetherNs), c.contrast.went_on),
      witnesses >= 3 ? 1.0 : (witnesses == 2 ? 0.75 : 0.4)};
}

/// A server that has time for it tells its clients why it leaves them: those whom it tells nothing leave for the same
/// reason.
std::optional<Finding> others_told_of_crash(const Case& c) {
  if (!c.server_hung_up() || !c.server_words.empty() || c.contrast.told_of_crash == 0) return std::nullopt;
  return Finding{fmt::format("within {} the server told {} that it had crashed", in_words(kTogetherNs),
                             counted(c.contrast.told_of_crash, "other client", "other clients"))};
}

/// The same of a planned stop.
std::optional<Finding> others_told_of_stop(const Case& c) {
  if (!c.server_hung_up() || !c.server_words.empty() || c.contrast.told_of_stop == 0) return std::nullopt;
  if (c.contrast.told_of_crash > 0) return std::nullopt;
  return Finding{fmt::format("within {} the server told {} that it was not available for now", in_words(kTogetherNs),
                             counted(c.contrast.told_of_stop, "other client", "other clients"))};
}

/// A crash spares nobody.
std::optional<Finding> sessions_went_on(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up() || k.went_on == 0 || k.ended_together >= k.went_on) return std::nullopt;
  // But one worker of several may die alone.
  if (hung_up_over_a_request(c)) return std::nullopt;
  return Finding{
      fmt::format("{} of this server went on undisturbed", counted(k.went_on, "other session", "other sessions"))};
}

/// A refusal by list or limit leaves the port open for others; a process that is gone does not.
std::optional<Finding> port_closed_afterwards(const Case& c) {
  const PortClosure* closure = port_closed_soon(c);
  if (closure == nullptr) return std::nullopt;
  return Finding{fmt::format("{} later the port answered a SYN with RST: nothing listened any more",
                             in_words(closure->first_reset_ns - c.closed_ns))};
}

/// A service that serves the next client at once has not crashed.
std::optional<Finding> served_again_soon(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up() || k.served_again_ns == kNoTime || k.ended_together > 0) return std::nullopt;
  if (hung_up_over_a_request(c)) return std::nullopt;
  const auto after = k.served_again_ns - c.closed_ns;
  if (after > 2 * kSecondNs) return std::nullopt;
  return Finding{fmt::format("the next client was served {} later", in_words(after))};
}

/// The same in a session in which others had been answered.
std::optional<Finding> died_over_a_later_request(const Case& c) {
  if (c.ending != Ending::closed_after_reply || !hung_up_over_a_request(c)) return std::nullopt;
  return Finding{fmt::format("the server had read the last request, and hung up {} later without an answer",
                             in_words(c.closed_ns - c.client()->last_payload_ns))};
}

/// A worker that dies with its request in hand takes no other with it: its client sees a hang-up, neither at once nor
/// after a timeout.
std::optional<Finding> died_over_a_request(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || !hung_up_over_a_request(c)) return std::nullopt;
  return Finding{
      fmt::format("the server had read the request, and hung up {} later without a word: refusals come at once",
                  in_words(c.closed_ns - c.client()->last_payload_ns))};
}

}  // namespace doorslam::diagnose::evidence
