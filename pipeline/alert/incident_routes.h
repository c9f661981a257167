#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/incident.h"
#include "pipeline/alert/incident_memory.h"
#include "pipeline/alert/open_incident.h"

namespace doorslam::alert {

/// Refusals below the application, which a scan makes by the thousand.
bool is_foldable(const diagnose::DiagnosedConnection& connection);

/// The incidents that are open, and which of them a connection belongs to.
///
/// Theory of operation. Incidents live in `open_` by slot; the other maps find slots by what a connection is about.
/// Each open incident has exactly one entry in `deadlines_`: when it is due for a look, and is told, told anew or
/// closed. Beside them, what is remembered of endpoints: whom they served lately, and when they refused. Owned by the
/// incident log; bounded as IncidentOptions says. Packet time alone decides. Not thread-safe.
class IncidentRoutes {
 public:
  /// `capture`: goes into every event, as it stands then; must outlive this.
  IncidentRoutes(const IncidentOptions& options, const CaptureQuality& capture);

  /// As IncidentLog::reconfigure.
  void reconfigure(const IncidentOptions& options);
  const IncidentOptions& options() const noexcept { return options_; }
  const KeyHash& hash() const noexcept { return hash_; }

  /// The incident that a refused connection belongs to, opened where there is none: as one that began at `since_ns`,
  /// where refusals before this one belong to it.
  Slot route(const diagnose::DiagnosedConnection& connection,
             flowtable::TimeNs since_ns = std::numeric_limits<flowtable::TimeNs>::max());
  void add_to(Slot slot, const diagnose::DiagnosedConnection& connection);
  /// Widens the incident when one server's ports, or one client's servers, have become too many to tell one by one.
  void fold(const diagnose::DiagnosedConnection& connection, Slot slot, std::vector<AlertEvent>& out);

  /// Counts a served connection in all open incidents that it stands beside, and remembers it.
  void observe_served(const tcp::ConnectionSummary& summary);
  /// Null: nobody was served there, as far as remembered.
  const ServedHistory* served_history(const flowtable::Endpoint& server) { return served_.find(server); }
  /// Remembers when the endpoint refused, from the served ones before its first refusal on.
  void note_time(const tcp::ConnectionSummary& refused);

  bool contains(Slot slot) const { return open_.contains(slot); }
  OpenIncident& at(Slot slot) { return open_.at(slot); }
  std::size_t size() const noexcept { return open_.size(); }
  /// The incident of this endpoint and cause; 0: none.
  Slot find(const flowtable::Endpoint& server, diagnose::Cause cause) const;

  /// Tells of an incident for the first time, unless that was done.
  void announce(Slot slot, flowtable::TimeNs at_ns, std::vector<AlertEvent>& out);
  /// Ends incidents that another has taken over; nobody hears of those that were not told yet.
  void retire(const std::vector<Slot>& parts, std::uint64_t heir, flowtable::TimeNs at_ns,
              std::vector<AlertEvent>& out);

  /// As IncidentLog.
  void advance(flowtable::TimeNs now, std::vector<AlertEvent>& out);
  void finish(std::vector<AlertEvent>& out);

 private:
  static ConnectionTimes times_of(const ServedHistory* served, flowtable::TimeNs refused_ns);
  static void recall(const ServedHistory& served, OpenIncident& incident);
  template <class Watchers, class Key>
  void tell_watchers(const Watchers& watchers, const Key& key, const tcp::ConnectionSummary& summary);
  template <class Watchers, class Key>
  static void unwatch(Watchers& watchers, const Key& key, Slot slot);

  Slot folded_on(const tcp::ConnectionSummary& summary, diagnose::Cause cause) const;
  std::vector<Slot> ports_to_fold(const flowtable::IpAddress& server, const flowtable::IpAddress& client,
                                  diagnose::Cause cause) const;
  diagnose::Cause commonest_cause(const std::vector<Slot>& parts) const;
  Slot merge(IncidentScope scope, const diagnose::DiagnosedConnection& latest, const std::vector<Slot>& parts,
             std::vector<AlertEvent>& out);

  Slot create(IncidentScope scope, const diagnose::DiagnosedConnection& first);
  void damp(OpenIncident& incident, flowtable::TimeNs now_ns);
  void enlist(Slot slot, const OpenIncident& incident);
  void leave_fan(Slot slot, const OpenIncident& incident);
  void delist(Slot slot, const OpenIncident& incident);
  void remove(Slot slot);

  Incident told(const OpenIncident& incident);
  flowtable::TimeNs quiet_at(const OpenIncident& incident) const;
  flowtable::TimeNs next_look(const OpenIncident& incident) const;
  void look_at(Slot slot, flowtable::TimeNs due_ns, std::vector<AlertEvent>& out);
  void close(Slot slot, flowtable::TimeNs at_ns, std::uint64_t folded_into, std::vector<AlertEvent>& out);

  using Deadline = std::pair<flowtable::TimeNs, Slot>;

  IncidentOptions options_;
  const CaptureQuality& capture_;
  KeyHash hash_;
  flowtable::TimeNs now_ = 0;
  Slot last_slot_ = 0;
  std::unordered_map<Slot, OpenIncident> open_;
  std::unordered_map<EndpointCause, Slot, KeyHash> endpoints_;
  std::unordered_map<flowtable::IpAddress, ServerFan, KeyHash> server_fans_;
  std::unordered_map<AddressCause, Slot, KeyHash> ftp_data_;
  std::unordered_map<AddressCause, Slot, KeyHash> client_folds_;
  std::array<Slot, diagnose::kCauseCount> everywhere_{};
  std::unordered_map<flowtable::Endpoint, std::vector<Slot>, KeyHash> endpoint_watchers_;
  std::unordered_map<flowtable::IpAddress, std::vector<Slot>, KeyHash> server_watchers_;
  std::unordered_map<flowtable::IpAddress, std::vector<Slot>, KeyHash> client_watchers_;
  BoundedMap<flowtable::Endpoint, ServedHistory> served_;
  BoundedMap<flowtable::Endpoint, ConnectionTimes> times_;  ///< of endpoints that have refused
  BoundedMap<EndpointCause, Flap> flaps_;
  BoundedMap<AddressCause, ClientFan> client_fans_;
  std::priority_queue<Deadline, std::vector<Deadline>, std::greater<>> deadlines_;
};

/// The connection as one of an incident of this cause.
diagnose::DiagnosedConnection read_as(diagnose::Cause cause, diagnose::DiagnosedConnection connection);

}  // namespace doorslam::alert
