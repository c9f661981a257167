#include "pipeline/alert/incident.h"

#include <algorithm>
#include <array>

#include "pipeline/alert/incident_routes.h"
#include "pipeline/alert/open_incident.h"
#include "pipeline/alert/silent_outage.h"
#include "pipeline/alert/turned_away.h"

namespace doorslam::alert {

using diagnose::Cause;
using diagnose::DiagnosedConnection;
using flowtable::TimeNs;

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

/// What is served stands beside incidents; what is refused goes to one of them, unless it is expected, or held back.
class IncidentLog::Impl {
 public:
  explicit Impl(const IncidentOptions& options) : routes_(options, capture_), outages_(routes_) {}

  void reconfigure(const IncidentOptions& options) { routes_.reconfigure(options); }

  void observe(const DiagnosedConnection& connection, std::vector<AlertEvent>& out) {
    advance(connection.judged_ns, out);
    add_quality(capture_, connection.summary);
    const Cause cause = connection.diagnosis.cause;
    if (cause == Cause::served) return routes_.observe_served(connection.summary);
    const bool in_doubt = !connection.diagnosis.ftp_control && is_turned_away(connection);
    if (!diagnose::is_refusal(cause) && !in_doubt) return;
    if (is_expected(connection)) {
      ++capture_.expected;
      return;
    }
    if (in_doubt && outages_.joins(connection, out)) return;
    const Slot slot = routes_.route(connection);
    routes_.add_to(slot, connection);
    if (connection.diagnosis.ftp_control) return;
    if (is_foldable(connection)) {
      routes_.fold(connection, slot, out);
    } else {
      routes_.note_time(connection.summary);
    }
  }

  void advance(TimeNs now, std::vector<AlertEvent>& out) { routes_.advance(now, out); }
  void finish(std::vector<AlertEvent>& out) { routes_.finish(out); }
  void note_port_drops(std::uint64_t total) noexcept { capture_.port_drops = total; }
  std::uint64_t expected_refusals() const noexcept { return capture_.expected; }
  std::size_t open_count() const noexcept { return routes_.size(); }

 private:
  bool is_expected(const DiagnosedConnection& connection) const {
    return std::ranges::any_of(routes_.options().expected,
                               [&](const ExpectedRefusal& one) { return one.covers(connection); });
  }

  CaptureQuality capture_;
  IncidentRoutes routes_;
  SilentOutages outages_;
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
