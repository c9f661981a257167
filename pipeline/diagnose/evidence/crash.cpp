#include "pipeline/diagnose/evidence/crash.h"

#include <fmt/format.h>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/evidence/idle.h"
#include "pipeline/diagnose/first_reading.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using tcp::SideEvidence;

/// Captures and kernels disagree on the order of a close and a SYN that comes with it by no more than this.
constexpr flowtable::DurationNs kAtOnceNs = 100 * kMillisecondNs;
/// A service that is back by then was not gone, or in good hands.
constexpr flowtable::DurationNs kServedAgainNs = 2 * kSecondNs;
/// A closure so long after the end may still be its consequence: clients try again within seconds.
constexpr flowtable::DurationNs kAfterwardsNs = 10 * kSecondNs;

/// So many must have died with a session of which the words are lost.
constexpr std::uint32_t kWitnessesWithoutWords = 3;
/// Others that ended at the same age: one may be chance.
constexpr std::uint32_t kSameAge = 2;

/// A server that takes longer over a request runs into somebody's timer.
constexpr flowtable::DurationNs kLongestWork = 4500 * kMillisecondNs;

/// How long the server had the client's last words, all of which it had read, before it hung up on them by FIN; 0:
/// otherwise.
flowtable::DurationNs worked_on_last_words(const Case& c) {
  if (c.ending != Ending::closed_without_a_word && c.ending != Ending::closed_after_reply) return 0;
  if (c.packets == nullptr || c.summary.one_sided || !client_had_last_word(*c.packets)) return 0;
  const SideEvidence& client = c.packets->of(tcp::Side::originator);
  const SideEvidence& server = c.packets->of(tcp::Side::responder);
  if (client.payload_segments == 0 || !all_acknowledged(client)) return 0;
  // With words unread it would have been a RST.
  if (server.fin_ns == kNoTime || server.fin_ns != c.closed_ns) return 0;
  return server.fin_ns - client.last_payload_ns - server_round_trip(*c.packets);
}

/// Told to go on the first occasion, by words that do not say that the server itself ends.
bool was_refused_in_words(const Case& c) {
  if (c.outcome != Outcome::refused_in_words || !c.hung_up_soon) return false;
  return own_end_told_by(c.server_words) == OwnEnd::untold;
}

/// The port's closure that followed this end, or null.
const PortClosure* port_closed_soon(const Case& c) {
  if (!c.server_hung_up() || !c.marks) return nullptr;
  const PortClosure* closure = c.marks->closure_between(c.closed_ns - kAtOnceNs, c.closed_ns + kAfterwardsNs);
  if (closure == nullptr || closure->last_accept_ns > c.closed_ns + kAtOnceNs) return nullptr;
  // Whom it let in after this end and served, a living process served: what closed the port came later.
  const flowtable::TimeNs again_ns = c.contrast.served_again_ns;
  return again_ns != kNoTime && again_ns < closure->first_reset_ns ? nullptr : closure;
}

/// Nobody is answered on this port, and whoever says something is closed on as long after its last words: that is the
/// server's way, whatever it is, and nothing befell it.
bool is_its_way(const Case& c) {
  const Contrast& k = c.contrast;
  return k.served == 0 && k.timers.same_pause >= kSameAge && k.timers.same_pause >= 4 * k.timers.other_pause;
}

/// Hung up on words without a word in return: the words had been read, and were neither refused at once nor timed out.
bool hung_up_in_time(const Case& c) {
  // Access rules and limits are applied at once, and timers run for seconds.
  constexpr flowtable::DurationNs kLeast = 200 * kMillisecondNs;
  const auto worked = worked_on_last_words(c);
  if (waited_for_the_rest(c) > 0) return false;
  return worked >= kLeast && worked <= kLongestWork && c.contrast.timers.same_age < kSameAge;
}

/// The same clients every time, and others served: look-ups, and a list.
bool tells_clients_apart(const Case& c) {
  const Contrast& k = c.contrast;
  return k.clients.served > 0 && k.same_client.served == 0 && k.clients.both == 0;
}

}  // namespace

bool is_port_closed_afterwards(const Case& c) { return port_closed_soon(c) != nullptr; }

std::uint32_t ended_with_it(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up() || was_refused_in_words(c)) return 0;
  // A timer, a client's farewell or an end whose beginning is not known is ordinary, but not where nothing listens
  // afterwards.
  const bool closed_after = is_port_closed_afterwards(c);
  if (c.ending == Ending::closed_unseen && !closed_after) return 0;
  const std::uint32_t together = closed_after ? k.endings.stopped + k.endings.unseen : k.endings.cut_short;
  return together < k.endings.went_on ? 0 : together;
}

bool hung_up_over_a_request(const Case& c) { return hung_up_in_time(c) && !is_its_way(c); }

bool are_idle_sessions_ended_together(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up() || k.endings.at_rest == 0 || k.endings.at_rest < k.endings.went_on) return false;
  if (c.ending == Ending::closed_unseen || is_port_closed_afterwards(c)) return false;
  return k.served_again_ns == kNoTime || k.served_again_ns - c.closed_ns > kServedAgainNs;
}

/// Printers, log receivers and the like: they read what comes, all of it, and close when they have done with it.
std::optional<Finding> read_it_all_and_closed(const Case& c) {
  constexpr double kLittle = 0.7;
  if (c.ending != Ending::closed_without_a_word || c.packets == nullptr) return std::nullopt;
  if (!hung_up_in_time(c) || !is_its_way(c)) return std::nullopt;
  const SideEvidence& client = c.packets->of(tcp::Side::originator);
  const std::uint64_t octets = c.summary.side[index_of(tcp::Side::originator)].payload_bytes;
  const bool is_transfer = octets >= kTransferOctets || client.payload_segments >= kTransferSegments;
  return Finding{
      fmt::format("the server read all {} octets and closed {} later without a word, as evenly as with {}; nobody is "
                  "answered on this port",
                  octets, in_words(c.closed_ns - client.last_payload_ns),
                  counted(c.contrast.timers.same_pause, "other connection", "other connections")),
      is_transfer ? 1.0 : kLittle};
}

/// When a process dies, its kernel closes all of its sockets in the same instant.
std::optional<Finding> sessions_ended_together(const Case& c) {
  const std::uint32_t together = ended_with_it(c);
  if (together == 0) return std::nullopt;
  // Where nothing listens afterwards, fewer witnesses do.
  const std::uint32_t witnesses = together + (is_port_closed_afterwards(c) ? 1 : 0);
  // Refusals in words, if these were captured, would look the same.
  if (c.outcome == Outcome::unseen && witnesses < kWitnessesWithoutWords) return std::nullopt;
  return Finding{
      fmt::format("{} cut short within {} of this one, {} went on",
                  counted(together, "other session of this server was", "other sessions of this server were"),
                  in_words(kTogetherNs),
                  c.contrast.endings.went_on == 0 ? "none" : grouped(c.contrast.endings.went_on)),
      witnesses >= 3 ? 1.0 : (witnesses == 2 ? 0.75 : 0.4)};
}

std::optional<Finding> idle_sessions_ended_together(const Case& c) {
  if (!are_idle_sessions_ended_together(c)) return std::nullopt;
  return Finding{
      fmt::format("{} closed within {} of this one, all of them idle and answered, and nobody was served in the {} "
                  "after",
                  counted(c.contrast.endings.at_rest, "other session was", "other sessions were"),
                  in_words(kTogetherNs), in_words(kServedAgainNs))};
}

/// A server that has time for it tells its clients why it leaves them: those whom it tells nothing leave for the same
/// reason.
std::optional<Finding> others_told_of_crash(const Case& c) {
  if (!c.server_hung_up() || !c.server_words.empty() || c.contrast.endings.told_of_crash == 0) return std::nullopt;
  return Finding{fmt::format("within {} the server told {} that it had crashed", in_words(kTogetherNs),
                             counted(c.contrast.endings.told_of_crash, "other client", "other clients"))};
}

/// The same of a planned stop.
std::optional<Finding> others_told_of_stop(const Case& c) {
  if (!c.server_hung_up() || !c.server_words.empty() || c.contrast.endings.told_of_stop == 0) return std::nullopt;
  if (c.contrast.endings.told_of_crash > 0) return std::nullopt;
  return Finding{fmt::format("within {} the server told {} that it was not available for now", in_words(kTogetherNs),
                             counted(c.contrast.endings.told_of_stop, "other client", "other clients"))};
}

/// A crash spares nobody.
std::optional<Finding> sessions_went_on(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up() || k.endings.went_on == 0 || ended_with_it(c) > 0) return std::nullopt;
  // But one worker of several may die alone.
  if (hung_up_over_a_request(c)) return std::nullopt;
  return Finding{fmt::format("{} of this server went on undisturbed",
                             counted(k.endings.went_on, "other session", "other sessions"))};
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
  if (!c.server_hung_up() || k.served_again_ns == kNoTime || ended_with_it(c) > 0) return std::nullopt;
  if (hung_up_over_a_request(c)) return std::nullopt;
  const auto after = k.served_again_ns - c.closed_ns;
  if (after > kServedAgainNs) return std::nullopt;
  return Finding{fmt::format("the next client was served {} later", in_words(after))};
}

/// Lists and limits are applied before a request is read, and whoever dies over one does so sooner.
std::optional<Finding> timed_out_over_a_request(const Case& c) {
  if (c.ending != Ending::closed_without_a_word || worked_on_last_words(c) <= kLongestWork) return std::nullopt;
  if (waited_for_the_rest(c) > 0) return std::nullopt;
  return Finding{
      fmt::format("the server had acknowledged the request, and closed {} later without a word: a timer ran out",
                  in_words(c.closed_ns - c.client()->last_payload_ns))};
}

/// Refusals come at once, or after a look-up that concerns this client; a timer meets whoever comes.
std::optional<Finding> closed_at_one_age(const Case& c) {
  const Contrast& k = c.contrast;
  if (c.ending != Ending::closed_without_a_word || k.timers.same_age < kSameAge) return std::nullopt;
  if (tells_clients_apart(c)) return std::nullopt;
  return Finding{fmt::format("{} begun at other times ended without a word at the same age of {}: a timer ran out",
                             counted(k.timers.same_age, "connection", "connections"),
                             in_words(c.closed_ns - c.accepted_ns))};
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
