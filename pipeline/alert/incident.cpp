#include "pipeline/alert/incident.h"

#include <algorithm>
#include <array>
#include <queue>
#include <unordered_map>
#include <utility>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/open_incident.h"

namespace doorslam::alert {

namespace {

using diagnose::Cause;
using diagnose::DiagnosedConnection;
using flowtable::Endpoint;
using flowtable::IpAddress;
using flowtable::TimeNs;

/// Number of an open incident within its log, in order of opening; 0: none.
using Slot = std::uint64_t;

/// Refusals below the application, which a scan makes by the thousand.
bool is_foldable(const DiagnosedConnection& connection) {
  const diagnose::Scanned scanned = diagnose::traits_of(connection.diagnosis.cause).scanned;
  return scanned == diagnose::Scanned::always ||
         (scanned == diagnose::Scanned::at_syn && connection.summary.stage == tcp::Stage::syn);
}

/// The endpoint incidents of one (server, cause), and the incident that took over from them.
struct ServerFan {
  std::vector<Slot> endpoints;
  Slot folded = 0;
};

/// Things met lately, each with the time of the last meeting.
template <class Thing>
class Recent {
 public:
  void meet(const Thing& thing, TimeNs now) {
    const auto known = std::find_if(met_.begin(), met_.end(), [&](const auto& one) { return one.first == thing; });
    if (known == met_.end()) {
      met_.emplace_back(thing, now);
    } else {
      known->second = now;
    }
  }
  void forget_before(TimeNs time_ns) {
    std::erase_if(met_, [time_ns](const auto& one) { return one.second < time_ns; });
  }
  template <class Predicate>
  void erase_if(Predicate&& is_out) {
    std::erase_if(met_, [&](const auto& one) { return is_out(one.first); });
  }
  std::size_t size() const noexcept { return met_.size(); }
  /// In the order of their first meeting.
  std::vector<Thing> things() const {
    std::vector<Thing> things;
    for (const auto& [thing, time_ns] : met_) things.push_back(thing);
    return things;
  }

 private:
  std::vector<std::pair<Thing, TimeNs>> met_;
};

/// What one client met with one cause lately, until it is a sweep.
struct ClientFan {
  Recent<IpAddress> servers;
  Recent<Slot> incidents;
};

/// What was served on an endpoint lately. Refusals are judged after a settle time, served connections at once: those
/// that belong beside an incident have been seen before it opens.
struct ServedHistory {
  static constexpr std::size_t kRemembered = 32;

  struct Visit {
    TimeNs start_ns = 0;
    IpAddress client;
  };

  void add(const tcp::ConnectionSummary& summary) {
    const Visit visit{summary.start_ns, summary.originator.address};
    if (visits.size() < kRemembered) {
      visits.push_back(visit);
    } else {
      visits[count % kRemembered] = visit;
    }
    ++count;
  }

  std::uint64_t count = 0;
  std::vector<Visit> visits;  ///< the latest; a ring once full
};

/// When an incident closed last, and how often it had come back by then.
struct Flap {
  TimeNs closed_ns = 0;
  std::uint32_t reopened = 0;
};

void erase_value(std::vector<Slot>& slots, Slot slot) {
  slots.erase(std::remove(slots.begin(), slots.end(), slot), slots.end());
}

}  // namespace

double CaptureQuality::loss_ratio() const noexcept {
  if (gap_bytes == 0) return 0.0;
  // A FIN that was lost is a gap, and no payload.
  return static_cast<double>(gap_bytes) / static_cast<double>(std::max(payload_bytes, gap_bytes));
}

std::string_view action_name(AlertAction action) noexcept {
  constexpr std::array<std::string_view, 3> kNames = {"incident-opened", "incident-updated", "incident-closed"};
  return kNames[static_cast<std::size_t>(action)];
}

std::string_view name_of(IncidentScope scope) noexcept {
  constexpr std::array<std::string_view, 4> kNames = {"endpoint", "server", "client", "everywhere"};
  return kNames[static_cast<std::size_t>(scope)];
}

/// Incidents live in `open_` by slot; the other maps find slots by what a connection is about. Each open incident has
/// exactly one entry in `deadlines_`: when it is due for a look.
class IncidentLog::Impl {
 public:
  explicit Impl(const IncidentOptions& options)
      : options_(options),
        hash_(options.hash_key),
        endpoints_(0, hash_),
        server_fans_(0, hash_),
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

  void reconfigure(const IncidentOptions& options) {
    options_ = options;
    // A look at an incident must set the next one later than itself.
    options_.update_interval_ns = std::max(options_.update_interval_ns, flowtable::kMillisecondNs);
    options_.quiet_ns = std::max(options_.quiet_ns, flowtable::kMillisecondNs);
  }

  void observe(const DiagnosedConnection& connection, std::vector<AlertEvent>& out) {
    advance(connection.judged_ns, out);
    add_quality(capture_, connection.summary);
    const Cause cause = connection.diagnosis.cause;
    if (cause == Cause::served) return observe_served(connection.summary);
    if (!diagnose::is_refusal(cause)) return;
    if (std::ranges::any_of(options_.expected, [&](const ExpectedRefusal& one) { return one.covers(connection); })) {
      ++capture_.expected;
      return;
    }
    const Slot slot = route(connection);
    open_.at(slot).add(connection);
    open_.at(slot).keep_frames(connection, options_.frame_samples);
    if (is_foldable(connection)) {
      fold(connection, slot, out);
    } else {
      note_time(connection.summary);
    }
  }

  void advance(TimeNs now, std::vector<AlertEvent>& out) {
    while (!deadlines_.empty() && deadlines_.top().first <= now) {
      const auto [due_ns, slot] = deadlines_.top();
      deadlines_.pop();
      if (open_.contains(slot)) look_at(slot, due_ns, out);
    }
    now_ = std::max(now_, now);
  }

  void finish(std::vector<AlertEvent>& out) {
    std::vector<Slot> slots;
    slots.reserve(open_.size());
    for (const auto& [slot, incident] : open_) slots.push_back(slot);
    std::sort(slots.begin(), slots.end());
    for (const Slot slot : slots) close(slot, now_, 0, out);
  }

  void note_port_drops(std::uint64_t total) noexcept { capture_.port_drops = total; }
  std::uint64_t expected_refusals() const noexcept { return capture_.expected; }
  std::size_t open_count() const noexcept { return open_.size(); }

 private:
  void observe_served(const tcp::ConnectionSummary& summary) {
    served_.touch(summary.responder).add(summary);
    if (times_.size() > 0) {
      if (ConnectionTimes* const times = times_.find(summary.responder)) times->add_served(summary.start_ns);
    }
    tell_watchers(endpoint_watchers_, summary.responder, summary);
    tell_watchers(server_watchers_, summary.responder.address, summary);
    tell_watchers(client_watchers_, summary.originator.address, summary);
  }

  /// Remembers when the endpoint refused, from the served ones before its first refusal on.
  void note_time(const tcp::ConnectionSummary& refused) {
    ConnectionTimes* times = times_.find(refused.responder);
    const bool is_news = times == nullptr || refused.start_ns - times->last_refused_ns() > kTimesForgottenNs;
    times = &times_.touch(refused.responder);
    if (is_news) *times = times_of(served_.find(refused.responder), refused.start_ns);
    times->add_refused(refused.start_ns);
  }

  static ConnectionTimes times_of(const ServedHistory* served, TimeNs refused_ns) {
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
  Incident told(const OpenIncident& incident) {
    Incident out = incident.snapshot(options_.sample_clients);
    if (incident.scope() != IncidentScope::endpoint) return out;
    if (const ConnectionTimes* const times = times_.find(incident.server())) out.times = times->pattern();
    return out;
  }

  template <class Watchers, class Key>
  void tell_watchers(const Watchers& watchers, const Key& key, const tcp::ConnectionSummary& summary) {
    if (watchers.empty()) return;
    const auto found = watchers.find(key);
    if (found == watchers.end()) return;
    for (const Slot slot : found->second) open_.at(slot).add_served(summary.originator.address, summary.start_ns);
  }

  /// The incident that a refused connection belongs to, opened where there is none.
  Slot route(const DiagnosedConnection& connection) {
    const Cause cause = connection.diagnosis.cause;
    const tcp::ConnectionSummary& summary = connection.summary;
    if (is_foldable(connection)) {
      const auto sweep = client_folds_.find({summary.originator.address, cause});
      if (sweep != client_folds_.end()) return sweep->second;
      const auto fan = server_fans_.find({summary.responder.address, cause});
      if (fan != server_fans_.end() && fan->second.folded != 0) return fan->second.folded;
    }
    const auto known = endpoints_.find({summary.responder, cause});
    if (known != endpoints_.end()) return known->second;
    if (open_.size() >= options_.max_open) {
      Slot& everywhere = everywhere_[static_cast<std::size_t>(cause)];
      if (everywhere == 0) everywhere = create(IncidentScope::everywhere, connection);
      return everywhere;
    }
    const Slot slot = create(IncidentScope::endpoint, connection);
    if (const ServedHistory* served = served_.find(summary.responder)) recall(*served, open_.at(slot));
    return slot;
  }

  static void recall(const ServedHistory& served, OpenIncident& incident) {
    incident.add_served_before(served.count - served.visits.size());
    for (const ServedHistory::Visit& visit : served.visits) incident.add_served(visit.client, visit.start_ns);
  }

  /// Opens an incident that has counted nothing yet. It is announced when the log next looks at it: at once, or after
  /// the time in which it may fold.
  Slot create(IncidentScope scope, const DiagnosedConnection& first) {
    const Slot slot = ++last_slot_;
    OpenIncident& incident =
        open_.emplace(slot, OpenIncident(scope, first, options_.exact_clients, hash_)).first->second;
    incident.last_judged_ns = first.judged_ns;
    incident.foldable = is_foldable(first);
    if (scope == IncidentScope::endpoint) damp(incident, first.judged_ns);
    enlist(slot, incident);
    deadlines_.emplace(first.judged_ns + (incident.foldable ? options_.fold_wait_ns : 0), slot);
    return slot;
  }

  /// What comes and goes stays open longer each time.
  void damp(OpenIncident& incident, TimeNs now_ns) {
    constexpr std::uint32_t kMostDoublings = 4;
    const Flap* const flap = flaps_.find({incident.server(), incident.cause()});
    if (flap == nullptr || now_ns - flap->closed_ns > options_.flap_ns) return;
    incident.set_reopened(flap->reopened + 1);
    incident.quiet_doublings = std::min(incident.reopened(), kMostDoublings);
  }

  void enlist(Slot slot, const OpenIncident& incident) {
    switch (incident.scope()) {
      case IncidentScope::endpoint:
        endpoints_[{incident.server(), incident.cause()}] = slot;
        endpoint_watchers_[incident.server()].push_back(slot);
        if (incident.foldable) {
          server_fans_[{incident.server().address, incident.cause()}].endpoints.push_back(slot);
        }
        break;
      case IncidentScope::server:
        server_fans_[{incident.server().address, incident.cause()}].folded = slot;
        server_watchers_[incident.server().address].push_back(slot);
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
  static void unwatch(Watchers& watchers, const Key& key, Slot slot) {
    const auto found = watchers.find(key);
    if (found == watchers.end()) return;
    erase_value(found->second, slot);
    if (found->second.empty()) watchers.erase(found);
  }

  void leave_fan(Slot slot, const OpenIncident& incident) {
    const auto fan = server_fans_.find({incident.server().address, incident.cause()});
    if (fan == server_fans_.end()) return;
    erase_value(fan->second.endpoints, slot);
    if (fan->second.folded == slot) fan->second.folded = 0;
    if (fan->second.endpoints.empty() && fan->second.folded == 0) server_fans_.erase(fan);
  }

  void delist(Slot slot, const OpenIncident& incident) {
    switch (incident.scope()) {
      case IncidentScope::endpoint:
        endpoints_.erase({incident.server(), incident.cause()});
        unwatch(endpoint_watchers_, incident.server(), slot);
        leave_fan(slot, incident);
        break;
      case IncidentScope::server:
        unwatch(server_watchers_, incident.server().address, slot);
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

  /// Widens the incident when one server's ports, or one client's servers, have become too many to tell one by one.
  void fold(const DiagnosedConnection& connection, Slot slot, std::vector<AlertEvent>& out) {
    const Cause cause = connection.diagnosis.cause;
    const IpAddress server = connection.summary.responder.address;
    const IpAddress client = connection.summary.originator.address;
    const auto fan = server_fans_.find({server, cause});
    if (fan != server_fans_.end() && fan->second.endpoints.size() > options_.fold_ports) {
      const std::vector<Slot> parts = fan->second.endpoints;
      slot = merge(IncidentScope::server, connection, parts, out);
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

  /// One incident in place of `parts`. Told at once where one of them has been told already.
  Slot merge(IncidentScope scope, const DiagnosedConnection& latest, const std::vector<Slot>& parts,
             std::vector<AlertEvent>& out) {
    const Slot slot = create(scope, latest);
    OpenIncident& whole = open_.at(slot);
    bool told = false;
    for (const Slot part : parts) {
      whole.absorb(open_.at(part));
      told |= open_.at(part).announced;
    }
    if (told) announce(whole, latest.judged_ns, out);
    for (const Slot part : parts) {
      if (open_.at(part).announced) {
        close(part, latest.judged_ns, whole.id(), out);
      } else {
        remove(part);
      }
    }
    return slot;
  }

  void announce(OpenIncident& incident, TimeNs at_ns, std::vector<AlertEvent>& out) {
    incident.announced = true;
    incident.next_update_ns = at_ns + options_.update_interval_ns;
    out.push_back({AlertAction::opened, at_ns, told(incident), capture_});
    incident.mark_told();
  }

  /// When it closes unless there is another refusal.
  TimeNs quiet_at(const OpenIncident& incident) const {
    return incident.last_judged_ns + (options_.quiet_ns << incident.quiet_doublings);
  }

  TimeNs next_look(const OpenIncident& incident) const { return std::min(incident.next_update_ns, quiet_at(incident)); }

  void look_at(Slot slot, TimeNs due_ns, std::vector<AlertEvent>& out) {
    OpenIncident& incident = open_.at(slot);
    if (!incident.announced) {
      announce(incident, due_ns, out);
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

  void close(Slot slot, TimeNs at_ns, std::uint64_t folded_into, std::vector<AlertEvent>& out) {
    OpenIncident& incident = open_.at(slot);
    if (!incident.announced) announce(incident, at_ns, out);
    AlertEvent event{AlertAction::closed, at_ns, told(incident), capture_};
    event.incident.folded_into = folded_into;
    if (incident.scope() == IncidentScope::endpoint && options_.flap_ns > 0) {
      flaps_.touch({incident.server(), incident.cause()}) = Flap{at_ns, incident.reopened()};
    }
    out.push_back(std::move(event));
    remove(slot);
  }

  void remove(Slot slot) {
    delist(slot, open_.at(slot));
    open_.erase(slot);
  }

  static constexpr std::size_t kSweepIncidents = 256;
  /// An endpoint that has refused nobody for so long begins anew: more than a week, for what happens on one day of it.
  static constexpr flowtable::DurationNs kTimesForgottenNs = 8LL * 24 * 3600 * flowtable::kSecondNs;
  using Deadline = std::pair<TimeNs, Slot>;

  IncidentOptions options_;
  KeyHash hash_;
  TimeNs now_ = 0;
  Slot last_slot_ = 0;
  CaptureQuality capture_;
  std::unordered_map<Slot, OpenIncident> open_;
  std::unordered_map<EndpointCause, Slot, KeyHash> endpoints_;
  std::unordered_map<AddressCause, ServerFan, KeyHash> server_fans_;
  std::unordered_map<AddressCause, Slot, KeyHash> client_folds_;
  std::array<Slot, diagnose::kCauseCount> everywhere_{};
  std::unordered_map<Endpoint, std::vector<Slot>, KeyHash> endpoint_watchers_;
  std::unordered_map<IpAddress, std::vector<Slot>, KeyHash> server_watchers_;
  std::unordered_map<IpAddress, std::vector<Slot>, KeyHash> client_watchers_;
  BoundedMap<Endpoint, ServedHistory> served_;
  BoundedMap<Endpoint, ConnectionTimes> times_;  ///< of endpoints that have refused
  BoundedMap<EndpointCause, Flap> flaps_;
  BoundedMap<AddressCause, ClientFan> client_fans_;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
};

IncidentLog::IncidentLog(const IncidentOptions& options) : impl_(std::make_unique<Impl>(options)) {}
IncidentLog::~IncidentLog() = default;
IncidentLog::IncidentLog(IncidentLog&&) noexcept = default;
IncidentLog& IncidentLog::operator=(IncidentLog&&) noexcept = default;

void IncidentLog::observe(const DiagnosedConnection& connection, std::vector<AlertEvent>& out) {
  impl_->observe(connection, out);
}
void IncidentLog::advance(TimeNs now, std::vector<AlertEvent>& out) { impl_->advance(now, out); }
void IncidentLog::finish(std::vector<AlertEvent>& out) { impl_->finish(out); }
void IncidentLog::note_port_drops(std::uint64_t total) noexcept { impl_->note_port_drops(total); }
void IncidentLog::reconfigure(const IncidentOptions& options) { impl_->reconfigure(options); }
std::uint64_t IncidentLog::expected_refusals() const noexcept { return impl_->expected_refusals(); }
std::size_t IncidentLog::open_count() const noexcept { return impl_->open_count(); }

}  // namespace doorslam::alert
