#include "pipeline/alert/silent_outage.h"

#include <algorithm>
#include <array>

namespace doorslam::alert {

using diagnose::Cause;
using diagnose::DiagnosedConnection;
using flowtable::Endpoint;
using flowtable::TimeNs;

SilentOutages::SilentOutages(IncidentRoutes& routes)
    : routes_(routes), turned_away_(routes.options().max_open, routes.hash()) {}

bool SilentOutages::joins(const DiagnosedConnection& connection, std::vector<AlertEvent>& out) {
  const tcp::ConnectionSummary& summary = connection.summary;
  const bool is_unknown = connection.diagnosis.cause == Cause::unknown;
  const ServedHistory* const served = routes_.served_history(summary.responder);
  const TimeNs served_ns = served == nullptr ? flowtable::kNoTime : served->latest_ns;
  if (served_ns >= summary.start_ns) return joins_what_is_over(*served, connection, out);
  if (served == nullptr && may_only_take(connection)) return is_unknown;
  TurnedAway& away = turned_away_.touch(summary.responder);
  const bool is_over = away.told() != 0 && !routes_.contains(away.told());
  if (is_over || !away.includes(served_ns)) away.start_over();
  away.count(connection);
  if (away.told() == 0 && is_unknown) {
    away.hold(connection, routes_.options().exact_clients, routes_.options().frame_samples, routes_.hash());
  } else if (away.told() != 0) {
    routes_.add_to(away.told(), connection);
    name_cause(away, connection, out);
  }
  const bool joins_it = away.told() != 0 || (away.is_outage() && tell(away, connection, out));
  if (joins_it || is_unknown) routes_.note_time(summary);
  return joins_it || is_unknown;
}

/// Somebody was served who came after it: it is one of the last of an outage that is told, or only counts.
bool SilentOutages::joins_what_is_over(const ServedHistory& served, const DiagnosedConnection& connection,
                                       std::vector<AlertEvent>& out) {
  const tcp::ConnectionSummary& summary = connection.summary;
  TurnedAway* const away = turned_away_.find(summary.responder);
  const bool is_told = away != nullptr && away->told() != 0 && routes_.contains(away->told());
  if (is_told && summary.start_ns >= away->first_ns() && away->includes(served.latest_before(summary.start_ns))) {
    OpenIncident& outage = routes_.at(away->told());
    outage.add_last(connection);
    outage.keep_frames(connection, routes_.options().frame_samples);
    name_cause(*away, connection, out);
    routes_.note_time(summary);
    return true;
  }
  const bool is_unknown = connection.diagnosis.cause == Cause::unknown;
  if (is_unknown) turned_away_.lodge(summary.responder).pass_over();
  return is_unknown;
}

/// One incident of all that the endpoint turned away since it serves no newcomer, `latest` included. False: not yet, as
/// most of them belong to incidents that began earlier.
bool SilentOutages::tell(TurnedAway& away, const DiagnosedConnection& latest, std::vector<AlertEvent>& out) {
  const Endpoint& server = latest.summary.responder;
  std::vector<Slot> guessed;
  std::vector<const OpenIncident*> parts;
  if (away.held() != nullptr) parts.push_back(away.held());
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    const Slot known = away.has_met(cause) ? routes_.find(server, cause) : 0;
    if (known == 0) continue;
    const OpenIncident& part = routes_.at(known);
    if (part.first_ns() < away.first_ns() || part.mean_confidence() >= kSureOfCause) continue;
    guessed.push_back(known);
    parts.push_back(&part);
  }
  const bool is_held = latest.diagnosis.cause == Cause::unknown;
  if (!are_enough(parts, is_held ? 0 : 1)) return false;
  const Slot slot = routes_.route(read_as(likeliest_cause(parts), latest), away.first_ns());
  OpenIncident& whole = routes_.at(slot);
  if (away.held() != nullptr) whole.absorb(*away.held());
  std::erase(guessed, slot);
  for (const Slot part : guessed) whole.absorb(routes_.at(part));
  if (!is_held) routes_.add_to(slot, latest);
  whole.add_turned_away_before(away.take_untold());
  away.tell_by(slot);
  routes_.announce(slot, latest.judged_ns, out);
  routes_.retire(guessed, whole.id(), latest.judged_ns, out);
  return true;
}

/// What was told without a cause may come to show one: then it is told anew, with it.
void SilentOutages::name_cause(TurnedAway& away, const DiagnosedConnection& latest, std::vector<AlertEvent>& out) {
  constexpr std::uint64_t kLeastToName = 10;
  const OpenIncident& nameless = routes_.at(away.told());
  if (nameless.cause() != Cause::unknown || nameless.refused() < kLeastToName) return;
  if (nameless.scope() != IncidentScope::endpoint) return;
  const Cause cause = likeliest_cause(std::array{&nameless});
  if (cause == Cause::unknown) return;
  const Slot slot = routes_.route(read_as(cause, latest), nameless.first_ns());
  OpenIncident& whole = routes_.at(slot);
  whole.absorb(nameless);
  routes_.announce(slot, latest.judged_ns, out);
  routes_.retire({away.told()}, whole.id(), latest.judged_ns, out);
  away.tell_by(slot);
}

}  // namespace doorslam::alert
