#include "pipeline/diagnose/evidence/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "pipeline/base/text.h"
#include "pipeline/diagnose/evidence/servers.h"
#include "pipeline/diagnose/evidence/spell.h"

namespace doorslam::diagnose::evidence {

namespace {

/// How firmly a ceiling explains a refusal at it: the log of how much rarer such a figure is among the served, as far
/// as the refused met it at all. 0 to 1.
double firmness(const LoadFigure& figure) {
  constexpr double kNoFit = 0.2;
  constexpr double kGoodFit = 0.6;
  const double served = figure.served_below + figure.served_from;
  const double by_chance = (figure.served_from + 0.5) / (served + 1.0);
  const double fits = std::clamp((figure.fit() - kNoFit) / (kGoodFit - kNoFit), 0.0, 1.0);
  return std::clamp(std::log(0.95 / by_chance) / 3.0, 0.0, 1.0) * fits;
}

/// A ceiling that most of the served broke through as well is chance, not a limit.
bool is_limit(const LoadFigure& figure) {
  constexpr double kLeastFirmness = 0.15;
  return figure.at_ceiling() && firmness(figure) >= kLeastFirmness;
}

/// The refusals began for all alike, and ended with no session less: what stood open was not the reason.
bool ended_with_as_many_open(const Case& c) {
  const Spell& spell = c.contrast.spell;
  return spell.has_ended && spell.open_at_end >= spell.least_open && is_nobody_served_any_more(c);
}

bool is_limit_on_all(const Case& c) { return is_limit(c.contrast.load.open_total) && !ended_with_as_many_open(c); }

/// Arrivals are counted from some beginning, and time parts the served from the refused better than they do.
bool is_told_by_time(const Case& c) { return is_nobody_served_any_more(c) || are_some_served_no_more(c); }

/// A client that is refused below the ceiling as well, and never served, is refused for another reason.
bool explains(const Case& c, const LoadFigure& figure) {
  const Contrast& k = c.contrast;
  const bool is_always_refused = k.same_client.served == 0 && k.same_client.refused > 0 && k.clients.served > 0;
  return is_limit(figure) && !(is_always_refused && 3 * figure.refused_below >= figure.refused_from);
}

/// A ceiling that fits worse may still be evidence, but is none to tell a person of.
constexpr double kLeastFitToTell = 0.5;
/// One that was refused stands above any line that is drawn below it.
constexpr std::uint32_t kLeastRefusedToTell = 2;

std::string step_in_words(const LoadFigure& figure) {
  return fmt::format("{} of {} served came below {}, {} of {} refused at {} or more", figure.served_below,
                     figure.served_below + figure.served_from, figure.ceiling, figure.refused_from,
                     figure.refused_from + figure.refused_below, figure.ceiling);
}

}  // namespace

/// An address list refuses the same clients every time and lets the others in.
std::optional<Finding> client_always_refused(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.same_client.served > 0 || k.clients.served == 0) return std::nullopt;
  // The others were served at another time, when this one was not there.
  if (is_nobody_served_any_more(c)) return std::nullopt;
  const std::uint32_t times = k.same_client.refused + 1;
  // HTTP refuses requests: a client that always asks for the same thing is always refused, whatever its address.
  const bool of_requests = !c.server_words.empty() && c.server_words.front().signature->protocol == "http";
  return Finding{fmt::format("this client was refused {} of {} times, while {} served", times, times,
                             counted(k.clients.served, "other client was", "other clients were")),
                 std::min(1.0, 0.5 + 0.17 * (times - 1)) * (of_requests ? 0.5 : 1.0)};
}

/// Whoever is sometimes let in is not on an address list.
std::optional<Finding> client_served_at_other_times(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.same_client.served == 0) return std::nullopt;
  // By another server behind the address, which has a list of its own.
  const ServersBehind* const servers = servers_of_which_one_refuses(c);
  if (servers != nullptr && servers->same_client_served_here == 0) return std::nullopt;
  // Unless the list has changed.
  if (are_some_served_no_more(c)) return std::nullopt;
  return Finding{fmt::format("the same client was served {} and refused {} on this port",
                             counted(k.same_client.served, "time", "times"),
                             counted(k.same_client.refused + 1, "time", "times"))};
}

/// Two disjoint groups, the served and the refused, look like a list.
std::optional<Finding> several_clients_refused_only(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.clients.both > 0 || k.clients.refused == 0 || k.clients.served == 0) return std::nullopt;
  return Finding{fmt::format("{} were only refused, {} only served, none both",
                             counted(k.clients.refused + 1, "client", "clients"),
                             counted(k.clients.served, "client", "clients"))};
}

/// Clients who are refused now and served then show that others in their place were not refused by address either.
std::optional<Finding> refused_clients_served_too(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.same_client.served > 0 || k.clients.both == 0) return std::nullopt;
  if (is_limit_on_all(c) || is_limit(k.load.open_client) || servers_of_which_one_refuses(c)) return std::nullopt;
  if (are_some_served_no_more(c)) return std::nullopt;
  const std::string who = k.clients.refused == 1
                              ? "the only other client that was refused here was"
                              : fmt::format("{} of the {} other clients that were refused here {}", k.clients.both,
                                            k.clients.refused, k.clients.both == 1 ? "was" : "were");
  return Finding{who + " served at other times",
                 std::min(1.0, static_cast<double>(k.clients.both) / (k.clients.refused + 1.0))};
}

/// A limit is reached by those whom it serves.
std::optional<Finding> nobody_served(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.served > 0) return std::nullopt;
  return Finding{fmt::format("nobody was served on this port in sight, {} refused",
                             counted(k.refused + 1, "connection was", "connections were"))};
}

/// A list is for some: where everybody is refused, nothing tells it from a program that always closes.
std::optional<Finding> several_clients_and_none_served(const Case& c) {
  const Contrast& k = c.contrast;
  if (c.outcome != Outcome::refused_silently || k.served > 0 || k.clients.refused == 0) return std::nullopt;
  return Finding{fmt::format("all of {} were refused, and nobody was served to compare them with",
                             counted(k.clients.refused + 1, "client", "clients"))};
}

/// A limit shows as a step: served below it, refused from it on.
std::optional<Finding> above_session_ceiling(const Case& c) {
  const LoadFigure& open = c.contrast.load.open_total;
  if (!c.looks_refused() || !explains(c, open) || ended_with_as_many_open(c)) return std::nullopt;
  // One that was refused stands above any line below it, and of one direction it is not sure that it was refused.
  constexpr double kUnsure = 0.3;
  const bool unsure = c.summary.one_sided && open.refused_from < kLeastRefusedToTell;
  return Finding{fmt::format("{} open on this port then: {}", counted(open.subject, "session was", "sessions were"),
                             step_in_words(open)),
                 firmness(open) * (unsure ? kUnsure : 1.0)};
}

/// The same step for the sessions of one address.
std::optional<Finding> above_client_ceiling(const Case& c) {
  const LoadFigure& open = c.contrast.load.open_client;
  if (!c.looks_refused() || !explains(c, open)) return std::nullopt;
  return Finding{fmt::format("this client held {} open already: {}", counted(open.subject, "session", "sessions"),
                             step_in_words(open)),
                 firmness(open)};
}

/// Others were let in at the same load, so no limit on sessions can have refused this one.
std::optional<Finding> below_every_ceiling(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.served == 0 || k.load.open_total.subject == 0) return std::nullopt;
  if (is_limit_on_all(c) || is_limit(k.load.open_client)) return std::nullopt;
  if (k.load.open_total.served_as_high == 0) return std::nullopt;
  const double share = static_cast<double>(k.load.open_total.served_as_high) / k.served;
  return Finding{fmt::format("{} open then; {} of {} served ones were let in at as many or more",
                             counted(k.load.open_total.subject, "session was", "sessions were"),
                             k.load.open_total.served_as_high, k.served),
                 std::min(1.0, 0.4 + 2.0 * share)};
}

/// A limit on sessions counts some; with none open, and others served, it cannot have been reached.
std::optional<Finding> no_session_open(const Case& c) {
  if (!c.looks_refused() || !c.contrast.subject_accepted) return std::nullopt;
  if (c.contrast.load.open_total.subject > 0 || c.contrast.served == 0) return std::nullopt;
  // A session on which nothing has been said yet holds a place as well.
  if (c.contrast.speech.idle_beside > 0) return std::nullopt;
  return Finding{"no other session was open on this port at that moment", c.summary.mid_stream ? 0.5 : 1.0};
}

/// A rate limit counts arrivals, not sessions: it refuses although places are free.
std::optional<Finding> arrivals_too_fast(const Case& c) {
  const Contrast& k = c.contrast;
  if (!c.looks_refused() || k.served == 0 || is_told_by_time(c)) return std::nullopt;
  if (is_limit(k.load.arrivals_total) && k.load.arrivals_total.ceiling >= kLeastRate) {
    return Finding{fmt::format("{} had arrived in the second before: {}",
                               counted(k.load.arrivals_total.subject, "connection", "connections"),
                               step_in_words(k.load.arrivals_total)),
                   firmness(k.load.arrivals_total)};
  }
  if (is_limit(k.load.arrivals_client) && k.load.arrivals_client.ceiling >= kLeastRate) {
    return Finding{
        fmt::format("this client had come {} in the minute before: {}",
                    counted(k.load.arrivals_client.subject, "time", "times"), step_in_words(k.load.arrivals_client)),
        firmness(k.load.arrivals_client)};
  }
  return std::nullopt;
}

/// A rate limit refuses the fast: where few came, or others came as fast and were served, it was not the rate. But a
/// quota of an hour or a day needs no burst, and a server that names the rate knows.
std::optional<Finding> arrivals_slow(const Case& c) {
  const Contrast& k = c.contrast;
  constexpr double kNamed = 0.75;
  if (!c.server_words.empty() && c.server_words.front().signature->weight_of(Cause::rate_limit) >= kNamed)
    return std::nullopt;
  if (!c.looks_refused() || !k.subject_accepted || k.served == 0) return std::nullopt;
  if (is_limit(k.load.arrivals_total) && k.load.arrivals_total.ceiling >= kLeastRate) return std::nullopt;
  if (is_limit(k.load.arrivals_client) && k.load.arrivals_client.ceiling >= kLeastRate) return std::nullopt;
  const std::uint32_t arrived = k.load.arrivals_total.subject;
  const std::uint32_t of_client = k.load.arrivals_client.subject;
  const std::string in_minute =
      fmt::format("{} of this client in the minute before", of_client == 0 ? "none" : counted(of_client, "connection"));
  if (arrived == 0) return Finding{"no other connection had arrived in the second before, and " + in_minute};
  const std::string in_second = counted(arrived, "connection", "connections") + " had arrived in the second before, ";
  const std::uint32_t as_many = k.load.arrivals_total.served_as_high;
  if (as_many > 0) {
    return Finding{fmt::format("{}{}; {} of {} in that second", in_second, in_minute, as_many,
                               counted(k.served, "served one met as many", "served ones met as many"))};
  }
  if (arrived < kLeastRate) return Finding{"only " + in_second + in_minute};
  const LoadFigure& rate = k.load.arrivals_total;
  if (rate.refused_below == 0) return std::nullopt;
  return Finding{fmt::format("{}{}; but {} of {} refused came when fewer than {} had arrived", in_second, in_minute,
                             rate.refused_below, rate.refused_below + rate.refused_from, rate.ceiling)};
}

std::optional<LearnedLimit> learned_limit(const Case& c, Cause cause) {
  struct Candidate {
    LimitKind kind;
    const LoadFigure& figure;
    std::uint32_t least;  ///< lower ceilings than that are no rate
  };
  const Contrast& k = c.contrast;
  const std::array<Candidate, 2> of_sessions{
      {{LimitKind::sessions, k.load.open_total, 1}, {LimitKind::client_sessions, k.load.open_client, 1}}};
  const std::array<Candidate, 2> of_arrivals{{{LimitKind::arrivals, k.load.arrivals_total, kLeastRate},
                                              {LimitKind::client_arrivals, k.load.arrivals_client, kLeastRate}}};
  if (cause != Cause::connection_limit && cause != Cause::rate_limit) return std::nullopt;
  std::optional<LearnedLimit> best;
  for (const auto& [kind, figure, least] : cause == Cause::connection_limit ? of_sessions : of_arrivals) {
    if (kind == LimitKind::sessions && ended_with_as_many_open(c)) continue;
    if (!explains(c, figure) || figure.ceiling < least || figure.fit() < kLeastFitToTell) continue;
    if (figure.refused_from < kLeastRefusedToTell) continue;
    // Where both explain as much, that of one client does: without one, its figure would not part them so well.
    if (best && firmness(figure) < best->confidence) continue;
    best = LearnedLimit{.kind = kind,
                        .ceiling = figure.ceiling,
                        .met = figure.subject,
                        .refused_from = figure.refused_from,
                        .refused_below = figure.refused_below,
                        .served_from = figure.served_from,
                        .served_below = figure.served_below,
                        .confidence = firmness(figure)};
  }
  return best;
}

}  // namespace doorslam::diagnose::evidence
