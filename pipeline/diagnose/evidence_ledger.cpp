#include "pipeline/diagnose/evidence_ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "pipeline/diagnose/figures.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;

/// How firmly a ceiling explains a refusal at it: the log of how much rarer such a figure is among the served. 0 to 1.
double firmness(const LoadFigure& figure) {
  const double served = figure.served_below + figure.served_from;
  const double by_chance = (figure.served_from + 0.5) / (served + 1.0);
  return std::clamp(std::log(0.95 / by_chance) / 3.0, 0.0, 1.0);
}

/// A ceiling that most of the served broke through as well is chance, not a limit.
bool is_limit(const LoadFigure& figure) {
  constexpr double kLeastFirmness = 0.15;
  return figure.at_ceiling() && firmness(figure) >= kLeastFirmness;
}

std::string step_in_words(const LoadFigure& figure) {
  return fmt::format("{} of {} served came below {}, {} of {} refused at {} or more", figure.served_below,
                     figure.served_below + figure.served_from, figure.ceiling, figure.refused_from,
                     figure.refused_from + figure.refused_below, figure.ceiling);
}

}  // namespace

/// An address list refuses the same clients every time and lets the others in.
std::optional<Finding> client_always_refused(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.same_client_served > 0 || k.clients_served == 0) return std::nullopt;
  const std::uint32_t times = k.same_client_refused + 1;
  return Finding{fmt::format("this client was refused {} of {} times, while {} were served", times, times,
                             counted(k.clients_served, "other client", "other clients")),
                 std::min(1.0, 0.5 + 0.17 * (times - 1))};
}

/// Whoever is sometimes let in is not on an address list.
std::optional<Finding> client_served_at_other_times(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.same_client_served == 0) return std::nullopt;
  return Finding{fmt::format("the same client was served {} and refused {} on this port",
                             counted(k.same_client_served, "time", "times"),
                             counted(k.same_client_refused + 1, "time", "times"))};
}

/// Two disjoint groups, the served and the refused, look like a list.
std::optional<Finding> several_clients_refused_only(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.clients_both > 0 || k.clients_refused == 0 || k.clients_served == 0) return std::nullopt;
  return Finding{fmt::format("{} were only refused, {} only served, none both",
                             counted(k.clients_refused + 1, "client", "clients"),
                             counted(k.clients_served, "client", "clients"))};
}

std::optional<Finding> nobody_served(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.served > 0) return std::nullopt;
  return Finding{fmt::format("nobody was served on this port in sight, {} refused",
                             counted(k.refused + 1, "connection was", "connections were"))};
}

/// A limit shows as a step: served below it, refused from it on.
std::optional<Finding> above_session_ceiling(const Case& c) {
  const LoadFigure& open = c.contrast.open_total;
  if (!c.looks_refused() || !is_limit(open)) return std::nullopt;
  return Finding{fmt::format("{} open on this port then: {}", counted(open.subject, "session was", "sessions were"),
                             step_in_words(open)),
                 firmness(open)};
}

/// The same step for the sessions of one address.
std::optional<Finding> above_client_ceiling(const Case& c) {
  const LoadFigure& open = c.contrast.open_client;
  if (!c.looks_refused() || !is_limit(open)) return std::nullopt;
  return Finding{fmt::format("this client held {} open already: {}", counted(open.subject, "session", "sessions"),
                             step_in_words(open)),
                 firmness(open)};
}

/// Others were let in at the same load, so no limit on sessions can have refused this one.
std::optional<Finding> below_every_ceiling(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.served == 0 || k.open_total.subject == 0) return std::nullopt;
  if (is_limit(k.open_total) || is_limit(k.open_client)) return std::nullopt;
  if (k.open_total.served_as_high == 0) return std::nullopt;
  const double share = static_cast<double>(k.open_total.served_as_high) / k.served;
  return Finding{
      fmt::format("{} open then; {} of {} served ones were let in at as many or more",
                  counted(k.open_total.subject, "session was", "sessions were"), k.open_total.served_as_high, k.served),
      std::min(1.0, 0.4 + 2.0 * share)};
}

std::optional<Finding> no_session_open(const Case& c) {
  if (!c.looks_refused() || !c.contrast.subject_accepted) return std::nullopt;
  if (c.contrast.open_total.subject > 0 || c.contrast.served == 0) return std::nullopt;
  return Finding{"no other session was open on this port at that moment", c.summary.mid_stream ? 0.5 : 1.0};
}

/// A rate limit counts arrivals, not sessions: it refuses although places are free.
std::optional<Finding> arrivals_too_fast(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.served == 0) return std::nullopt;
  if (is_limit(k.arrivals_total) && k.arrivals_total.ceiling >= 3) {
    return Finding{
        fmt::format("{} had arrived in the second before: {}",
                    counted(k.arrivals_total.subject, "connection", "connections"), step_in_words(k.arrivals_total)),
        firmness(k.arrivals_total)};
  }
  if (is_limit(k.arrivals_client) && k.arrivals_client.ceiling >= 3) {
    return Finding{fmt::format("this client had come {} in the minute before: {}",
                               counted(k.arrivals_client.subject, "time", "times"), step_in_words(k.arrivals_client)),
                   firmness(k.arrivals_client)};
  }
  return std::nullopt;
}

std::optional<Finding> arrivals_slow(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || !k.subject_accepted || k.served == 0) return std::nullopt;
  if (is_limit(k.arrivals_total) && k.arrivals_total.ceiling >= 3) return std::nullopt;
  if (is_limit(k.arrivals_client) && k.arrivals_client.ceiling >= 3) return std::nullopt;
  return Finding{
      fmt::format("{} had arrived in the second before, {} of this client in the minute before; {} of {} served "
                  "ones met as many",
                  k.arrivals_total.subject, k.arrivals_client.subject, k.arrivals_total.served_as_high, k.served)};
}

/// When a process dies, its kernel closes all of its sockets in the same instant.
std::optional<Finding> sessions_ended_together(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up()) return std::nullopt;
  // Sessions from before the capture count only where nothing listened afterwards: a FIN alone is an ordinary end.
  const bool closed_after = port_closed_afterwards(c).has_value();
  if (c.ending == Ending::closed_unseen && !closed_after) return std::nullopt;
  const std::uint32_t together = k.ended_together + (closed_after ? k.unseen_together : 0);
  if (together == 0 || together < k.went_on) return std::nullopt;
  return Finding{
      fmt::format("{} cut short within 30 ms of this one, {} went on",
                  counted(together, "other session of this server was", "other sessions of this server were"),
                  k.went_on),
      together >= 3 ? 1.0 : (together == 2 ? 0.75 : 0.4)};
}

/// A crash spares nobody.
std::optional<Finding> sessions_went_on(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up() || k.went_on == 0 || k.ended_together >= k.went_on) return std::nullopt;
  return Finding{
      fmt::format("{} of this server went on undisturbed", counted(k.went_on, "other session", "other sessions"))};
}

std::optional<Finding> port_closed_afterwards(const Case& c) {
  if (!c.server_hung_up() || !c.marks) return std::nullopt;
  const PortClosure* closure =
      c.marks->closure_between(c.closed_ns - 100 * kMillisecondNs, c.closed_ns + 10 * kSecondNs);
  if (closure == nullptr || closure->last_accept_ns > c.closed_ns + 100 * kMillisecondNs) return std::nullopt;
  return Finding{fmt::format("{} later the port answered a SYN with RST: nothing listened any more",
                             in_words(closure->first_reset_ns - c.closed_ns))};
}

/// A service that serves the next client at once has not crashed.
std::optional<Finding> served_again_soon(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.server_hung_up() || k.served_again_ns == kNoTime || k.ended_together > 0) return std::nullopt;
  const auto after = k.served_again_ns - c.closed_ns;
  if (after > 2 * kSecondNs) return std::nullopt;
  return Finding{fmt::format("the next client was served {} later", in_words(after))};
}

}  // namespace doorslam::diagnose::evidence
