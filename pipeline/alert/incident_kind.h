#pragma once

#include "pipeline/alert/incident.h"

/// What kind of incident it is: both what is said of it and what is to be done hang on that.
namespace doorslam::alert {

inline bool is_of_one_client(const Incident& incident) noexcept {
  return incident.distinct_clients.count == 1 && !incident.distinct_clients.lower_bound;
}

/// Data connections of FTP that the server opens from its port 20, to its clients (RFC 959, section 3.2).
inline bool is_active_ftp(const Incident& incident) noexcept {
  return incident.ftp_control && incident.ftp_control->address != incident.server.address;
}

/// Told without a cause: only what an endpoint turns away while it serves no newcomer is.
inline bool is_outage(const Incident& incident) noexcept { return incident.cause == diagnose::Cause::unknown; }

}  // namespace doorslam::alert
