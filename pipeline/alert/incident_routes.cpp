#include "pipeline/alert/incident_routes.h"

#include <algorithm>

namespace doorslam::alert {

using diagnose::Cause;
using diagnose::DiagnosedConnection;
using flowtable::Endpoint;
using flowtable::IpAddress;
using flowtable::TimeNs;

namespace {

constexpr std::size_t kSweepIncidents = 256;
/// An endpoint that has refused nobody for so long begins anew: more than a week, for what happens on one day of it.
constexpr flowtable::DurationNs kTimesForgottenNs = 8LL * 24 * 3600 * flowtable::kSecondNs;

void erase_value(std::vector<Slot>& slots, Slot slot) {
  slots.erase(std::remove(slots.begin(), slots.end(), slot), slots.end());
}

}  // namespace

bool is_foldable(const DiagnosedConnection& connection) {
  const diagnose::Scanned scanned = diagnose::traits_of(connection.diagnosis.cause).scanned;
  return scanned == diagnose::Scanned::always ||
         (scanned == diagnose::Scanned::at_syn && connection.summary.stage == tcp::Stage::syn);
}

DiagnosedConnection read_as(Cause cause, DiagnosedConnection connection) {
  connection.diagnosis.cause = cause;
  return connection;
}

IncidentRoutes::IncidentRoutes(const IncidentOptions& options, const CaptureQuality& capture)
    : options_(options),
      capture_(capture),
      hash_(options.hash_key),
      endpoints_(0, hash_),
      server_fans_(0, hash_),
      ftp_data_(0, hash_),
      client_folds_(0, hash_),
      endpoint_watchers_(0, hash_),
      server_watchers_(0, hash_),
      client_watchers_(0, hash_),
      served_(options.max_endpoints, hash_),
      times_(options.max_open, hash_),
      flaps_(options.max_open, hash_),
      client_fans_(options.max_clients, hash_) {
  reconfigure(options);
}

Slot IncidentRoutes::find(const Endpoint& server, Cause cause) const {
  const auto known = endpoints_.find({server, cause});
  return known == endpoints_.end() ? 0 : known->second;
}

void IncidentRoutes::reconfigure(const IncidentOptions& options) {
  options_ = options;
  // A look at an incident must set the next one later than itself.
  options_.update_interval_ns = std::max(options_.update_interval_ns, flowtable::kMillisecondNs);
  options_.quiet_ns = std::max(options_.quiet_ns, flowtable::kMillisecondNs);
}

void IncidentRoutes::advance(TimeNs now, std::vector<AlertEvent>& out) {
  while (!deadlines_.empty() && deadlines_.top().first <= now) {
    const auto [due_ns, slot] = deadlines_.top();
    deadlines_.pop();
    if (open_.contains(slot)) look_at(slot, due_ns, out);
  }
  now_ = std::max(now_, now);
}

void IncidentRoutes::finish(std::vector<AlertEvent>& out) {
  std::vector<Slot> slots;
  slots.reserve(open_.size());
  for (const auto& [slot, incident] : open_) slots.push_back(slot);
  std::sort(slots.begin(), slots.end());
  for (const Slot slot : slots) close(slot, now_, 0, out);
}

void IncidentRoutes::observe_served(const tcp::ConnectionSummary& summary) {
  served_.touch(summary.responder).add(summary);
  if (times_.size() > 0) {
    if (ConnectionTimes* const times = times_.find(summary.responder)) times->add_served(summary.start_ns);
  }
  tell_watchers(endpoint_watchers_, summary.responder, summary);
  tell_watchers(server_watchers_, summary.responder.address, summary);
  tell_watchers(client_watchers_, summary.originator.address, summary);
}

template <class Watchers, class Key>
void IncidentRoutes::tell_watchers(const Watchers& watchers, const Key& key, const tcp::ConnectionSummary& summary) {
  if (watchers.empty()) return;
  const auto found = watchers.find(key);
  if (found == watchers.end()) return;
  for (const Slot slot : found->second) {
    open_.at(slot).add_served(summary.originator.address, summary.start_ns, held_until(summary));
  }
}

void IncidentRoutes::note_time(const tcp::ConnectionSummary& refused) {
  ConnectionTimes* times = times_.find(refused.responder);
  const bool is_news = times == nullptr || refused.start_ns - times->last_refused_ns() > kTimesForgottenNs;
  times = &times_.touch(refused.responder);
  if (is_news) *times = times_of(served_.find(refused.responder), refused.start_ns);
  times->add_refused(refused.start_ns);
}

ConnectionTimes IncidentRoutes::times_of(const ServedHistory* served, TimeNs refused_ns) {
  TimeNs begin_ns = refused_ns;
  if (served != nullptr) {
    for (const ServedHistory::Visit& visit : served->visits) begin_ns = std::min(begin_ns, visit.start_ns);
  }
  ConnectionTimes times(begin_ns);
  if (served != nullptr) {
    for (const ServedHistory::Visit& visit : served->visits) times.add_served(visit.start_ns);
  }
  return times;
}

/// The incident as it is to be told.
Incident IncidentRoutes::told(const OpenIncident& incident) {
  Incident out = incident.snapshot(options_.sample_clients);
  if (incident.scope() != IncidentScope::endpoint) return out;
  if (const ConnectionTimes* const times = times_.find(incident.server())) out.times = times->pattern();
  return out;
}

void IncidentRoutes::add_to(Slot slot, const DiagnosedConnection& connection) {
  open_.at(slot).add(connection);
  open_.at(slot).keep_frames(connection, options_.frame_samples);
}

Slot IncidentRoutes::route(const DiagnosedConnection& connection, TimeNs since_ns) {
  const Cause cause = connection.diagnosis.cause;
  const tcp::ConnectionSummary& summary = connection.summary;
  // Its port was drawn for this one transfer, and says nothing.
  if (connection.diagnosis.ftp_control) {
    const auto known = ftp_data_.find({summary.responder.address, cause});
    if (known != ftp_data_.end()) return known->second;
    if (open_.size() < options_.max_open) return create(IncidentScope::server, connection);
  }
  if (is_foldable(connection)) {
    const auto sweep = client_folds_.find({summary.originator.address, cause});
    if (sweep != client_folds_.end()) return sweep->second;
    if (const Slot folded = folded_on(summary, cause); folded != 0) return folded;
  }
  const auto known = endpoints_.find({summary.responder, cause});
  if (known != endpoints_.end()) return known->second;
  if (open_.size() >= options_.max_open) {
    Slot& everywhere = everywhere_[static_cast<std::size_t>(cause)];
    if (everywhere == 0) everywhere = create(IncidentScope::everywhere, connection);
    return everywhere;
  }
  const Slot slot = create(IncidentScope::endpoint, connection);
  open_.at(slot).reach_back_to(since_ns);
  if (const ServedHistory* served = served_.find(summary.responder)) recall(*served, open_.at(slot));
  return slot;
}

/// The incident of many ports of this server that it belongs to: of its cause, or the scan of its client, whatever
/// each port answered; 0: none.
Slot IncidentRoutes::folded_on(const tcp::ConnectionSummary& summary, Cause cause) const {
  const auto fan = server_fans_.find(summary.responder.address);
  if (fan == server_fans_.end()) return 0;
  if (const Slot folded = fan->second.folded_by(cause); folded != 0) return folded;
  const auto scan = std::ranges::find_if(fan->second.folded, [&](const FanPart& part) {
    return open_.at(part.slot).concerns_only(summary.originator.address);
  });
  return scan == fan->second.folded.end() ? 0 : scan->slot;
}

void IncidentRoutes::recall(const ServedHistory& served, OpenIncident& incident) {
  incident.add_served_before(served.count - served.visits.size());
  for (const ServedHistory::Visit& visit : served.visits) {
    incident.add_served(visit.client, visit.start_ns, visit.held_until_ns);
  }
}

/// Opens an incident that has counted nothing yet. It is announced when the log next looks at it: at once, or after
/// the time in which it may fold.
Slot IncidentRoutes::create(IncidentScope scope, const DiagnosedConnection& first) {
  const Slot slot = ++last_slot_;
  OpenIncident& incident = open_.emplace(slot, OpenIncident(scope, first, options_.exact_clients, hash_)).first->second;
  incident.last_judged_ns = first.judged_ns;
  incident.foldable = is_foldable(first);
  if (scope == IncidentScope::endpoint) damp(incident, first.judged_ns);
  enlist(slot, incident);
  deadlines_.emplace(first.judged_ns + (incident.foldable ? options_.fold_wait_ns : 0), slot);
  return slot;
}

/// What comes and goes stays open longer each time.
void IncidentRoutes::damp(OpenIncident& incident, TimeNs now_ns) {
  constexpr std::uint32_t kMostDoublings = 4;
  const Flap* const flap = flaps_.find({incident.server(), incident.cause()});
  if (flap == nullptr || now_ns - flap->closed_ns > options_.flap_ns) return;
  incident.set_reopened(flap->reopened + 1);
  incident.quiet_doublings = std::min(incident.reopened(), kMostDoublings);
}

void IncidentRoutes::enlist(Slot slot, const OpenIncident& incident) {
  switch (incident.scope()) {
    case IncidentScope::endpoint:
      endpoints_[{incident.server(), incident.cause()}] = slot;
      endpoint_watchers_[incident.server()].push_back(slot);
      if (incident.foldable) {
        server_fans_[incident.server().address].endpoints.push_back({incident.cause(), slot});
      }
      break;
    case IncidentScope::server:
      server_watchers_[incident.server().address].push_back(slot);
      if (incident.is_of_ftp_data()) {
        ftp_data_[{incident.server().address, incident.cause()}] = slot;
        break;
      }
      server_fans_[incident.server().address].folded.push_back({incident.cause(), slot});
      break;
    case IncidentScope::client:
      client_folds_[{incident.client(), incident.cause()}] = slot;
      client_watchers_[incident.client()].push_back(slot);
      break;
    case IncidentScope::everywhere:
      break;
  }
}

template <class Watchers, class Key>
void IncidentRoutes::unwatch(Watchers& watchers, const Key& key, Slot slot) {
  const auto found = watchers.find(key);
  if (found == watchers.end()) return;
  erase_value(found->second, slot);
  if (found->second.empty()) watchers.erase(found);
}

void IncidentRoutes::leave_fan(Slot slot, const OpenIncident& incident) {
  const auto fan = server_fans_.find(incident.server().address);
  if (fan == server_fans_.end()) return;
  fan->second.erase(slot);
  if (fan->second.endpoints.empty() && fan->second.folded.empty()) server_fans_.erase(fan);
}

void IncidentRoutes::delist(Slot slot, const OpenIncident& incident) {
  switch (incident.scope()) {
    case IncidentScope::endpoint:
      endpoints_.erase({incident.server(), incident.cause()});
      unwatch(endpoint_watchers_, incident.server(), slot);
      leave_fan(slot, incident);
      break;
    case IncidentScope::server:
      unwatch(server_watchers_, incident.server().address, slot);
      if (incident.is_of_ftp_data()) ftp_data_.erase({incident.server().address, incident.cause()});
      leave_fan(slot, incident);
      break;
    case IncidentScope::client:
      client_folds_.erase({incident.client(), incident.cause()});
      unwatch(client_watchers_, incident.client(), slot);
      break;
    case IncidentScope::everywhere:
      everywhere_[static_cast<std::size_t>(incident.cause())] = 0;
      break;
  }
}

void IncidentRoutes::fold(const DiagnosedConnection& connection, Slot slot, std::vector<AlertEvent>& out) {
  const Cause cause = connection.diagnosis.cause;
  const IpAddress server = connection.summary.responder.address;
  const IpAddress client = connection.summary.originator.address;
  if (const std::vector<Slot> parts = ports_to_fold(server, client, cause); !parts.empty()) {
    slot = merge(IncidentScope::server, read_as(commonest_cause(parts), connection), parts, out);
  }
  if (open_.at(slot).scope() == IncidentScope::client) return;
  ClientFan& sweep = client_fans_.touch({client, cause});
  sweep.servers.meet(server, connection.judged_ns);
  sweep.incidents.meet(slot, connection.judged_ns);
  // Incidents that closed or folded meanwhile would make the list grow with every new port.
  if (sweep.incidents.size() > kSweepIncidents) sweep.incidents.erase_if([&](Slot s) { return !open_.contains(s); });
  if (sweep.servers.size() <= options_.fold_servers) return;
  // One server a day is no sweep.
  sweep.servers.forget_before(connection.judged_ns - options_.quiet_ns);
  if (sweep.servers.size() <= options_.fold_servers) return;
  sweep.incidents.forget_before(connection.judged_ns - options_.quiet_ns);
  sweep.incidents.erase_if([&](Slot part) {
    const auto found = open_.find(part);
    return found == open_.end() || !found->second.concerns_only(client);
  });
  const std::vector<Slot> parts = sweep.incidents.things();
  client_fans_.erase({client, cause});
  if (!parts.empty()) merge(IncidentScope::client, connection, parts, out);
}

/// What is to become one incident of many ports: too many of one cause, whoever met them, with what their only client
/// met of other causes; or too many that one client met, of whatever causes. Empty: nothing.
std::vector<Slot> IncidentRoutes::ports_to_fold(const IpAddress& server, const IpAddress& client, Cause cause) const {
  const auto fan = server_fans_.find(server);
  if (fan == server_fans_.end() || fan->second.endpoints.size() <= options_.fold_ports) return {};
  std::vector<Slot> of_cause;
  std::vector<Slot> of_client;
  bool of_others = false;
  for (const FanPart& part : fan->second.endpoints) {
    const bool is_clients = open_.at(part.slot).concerns_only(client);
    if (part.cause == cause) of_cause.push_back(part.slot);
    if (is_clients) of_client.push_back(part.slot);
    of_others |= part.cause == cause && !is_clients;
  }
  if (of_cause.size() > options_.fold_ports && of_others) return of_cause;
  if (of_client.size() > options_.fold_ports) return of_client;
  return {};
}

Cause IncidentRoutes::commonest_cause(const std::vector<Slot>& parts) const {
  std::array<std::uint64_t, diagnose::kCauseCount> refused{};
  for (const Slot part : parts) {
    refused[static_cast<std::size_t>(open_.at(part).cause())] += open_.at(part).refused();
  }
  return static_cast<Cause>(std::ranges::max_element(refused) - refused.begin());
}

/// One incident in place of `parts`. Told at once where one of them has been told already.
Slot IncidentRoutes::merge(IncidentScope scope, const DiagnosedConnection& latest, const std::vector<Slot>& parts,
                           std::vector<AlertEvent>& out) {
  const Slot slot = create(scope, latest);
  OpenIncident& whole = open_.at(slot);
  bool told = false;
  for (const Slot part : parts) {
    whole.absorb(open_.at(part));
    told |= open_.at(part).announced;
  }
  if (told) announce(slot, latest.judged_ns, out);
  retire(parts, whole.id(), latest.judged_ns, out);
  return slot;
}

void IncidentRoutes::retire(const std::vector<Slot>& parts, std::uint64_t heir, TimeNs at_ns,
                            std::vector<AlertEvent>& out) {
  for (const Slot part : parts) {
    if (open_.at(part).announced) {
      close(part, at_ns, heir, out);
    } else {
      remove(part);
    }
  }
}

void IncidentRoutes::announce(Slot slot, TimeNs at_ns, std::vector<AlertEvent>& out) {
  OpenIncident& incident = open_.at(slot);
  if (incident.announced) return;
  incident.announced = true;
  incident.next_update_ns = at_ns + options_.update_interval_ns;
  out.push_back({AlertAction::opened, at_ns, told(incident), capture_});
  incident.mark_told();
}

/// When it closes unless there is another refusal.
TimeNs IncidentRoutes::quiet_at(const OpenIncident& incident) const {
  return incident.last_judged_ns + (options_.quiet_ns << incident.quiet_doublings);
}

TimeNs IncidentRoutes::next_look(const OpenIncident& incident) const {
  return std::min(incident.next_update_ns, quiet_at(incident));
}

void IncidentRoutes::look_at(Slot slot, TimeNs due_ns, std::vector<AlertEvent>& out) {
  OpenIncident& incident = open_.at(slot);
  if (!incident.announced) {
    announce(slot, due_ns, out);
  } else if (due_ns >= quiet_at(incident)) {
    return close(slot, due_ns, 0, out);
  } else if (due_ns >= incident.next_update_ns) {
    incident.next_update_ns = due_ns + options_.update_interval_ns;
    if (incident.has_news()) {
      out.push_back({AlertAction::updated, due_ns, told(incident), capture_});
      incident.mark_told();
    }
  }
  deadlines_.emplace(next_look(incident), slot);
}

void IncidentRoutes::close(Slot slot, TimeNs at_ns, std::uint64_t folded_into, std::vector<AlertEvent>& out) {
  OpenIncident& incident = open_.at(slot);
  announce(slot, at_ns, out);
  AlertEvent event{AlertAction::closed, at_ns, told(incident), capture_};
  event.incident.folded_into = folded_into;
  if (incident.scope() == IncidentScope::endpoint && options_.flap_ns > 0) {
    flaps_.touch({incident.server(), incident.cause()}) = Flap{at_ns, incident.reopened()};
  }
  out.push_back(std::move(event));
  remove(slot);
}

void IncidentRoutes::remove(Slot slot) {
  delist(slot, open_.at(slot));
  open_.erase(slot);
}

}  // namespace doorslam::alert
