#pragma once

#include <vector>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/incident_routes.h"
#include "pipeline/alert/turned_away.h"

namespace doorslam::alert {

/// What endpoints turn away in silence while they serve no newcomer: held back until it is an outage (turned_away.h),
/// then told as one incident. Owned by the incident log, which asks before it routes a connection that
/// is_turned_away(). Not thread-safe.
class SilentOutages {
 public:
  /// `routes` must outlive this.
  explicit SilentOutages(IncidentRoutes& routes);

  /// Whether somebody was served is known by then: refusals are judged later than what is served. True: it is in the
  /// incident of an outage, or held back until there is one.
  bool joins(const diagnose::DiagnosedConnection& connection, std::vector<AlertEvent>& out);

 private:
  bool joins_what_is_over(const ServedHistory& served, const diagnose::DiagnosedConnection& connection,
                          std::vector<AlertEvent>& out);
  bool tell(TurnedAway& away, const diagnose::DiagnosedConnection& latest, std::vector<AlertEvent>& out);
  void name_cause(TurnedAway& away, const diagnose::DiagnosedConnection& latest, std::vector<AlertEvent>& out);

  IncidentRoutes& routes_;
  BoundedMap<flowtable::Endpoint, TurnedAway> turned_away_;
};

}  // namespace doorslam::alert
