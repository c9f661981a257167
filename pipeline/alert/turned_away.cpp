#include "pipeline/alert/turned_away.h"

#include <algorithm>
#include <cstdlib>

#include "pipeline/diagnose/ending.h"
#include "pipeline/diagnose/guide/guide.h"
#include "pipeline/diagnose/opening.h"
#include "pipeline/diagnose/verdict.h"

namespace doorslam::alert {

namespace {

using diagnose::Cause;

/// Fewer may be chance, and what is spread over a longer time need not be one event.
constexpr std::uint64_t kLeastTurnedAway = 5;
constexpr flowtable::DurationNs kCloseTogetherNs = 300 * flowtable::kSecondNs;

/// Told apart by what becomes of other connections, and by nothing that the connection itself shows.
constexpr bool is_told_by_others(Cause cause) {
  switch (cause) {
    case Cause::acl_denied:
    case Cause::connection_limit:
    case Cause::rate_limit:
    case Cause::app_crash:
    case Cause::maintenance:
    case Cause::unknown:
      return true;
    default:
      return false;
  }
}

bool was_seen_whole(const tcp::ConnectionSummary& summary) {
  return !summary.one_sided && !summary.mid_stream && !summary.orientation_guessed && summary.side[0].gap_bytes == 0 &&
         summary.side[1].gap_bytes == 0;
}

}  // namespace

bool is_turned_away(const diagnose::DiagnosedConnection& connection) {
  const diagnose::Diagnosis& diagnosis = connection.diagnosis;
  if (!is_told_by_others(diagnosis.cause) || diagnosis.signature) return false;
  if (diagnosis.cause != Cause::unknown && diagnosis.confidence >= kSureOfCause) return false;
  if (!was_seen_whole(connection.summary)) return false;
  const diagnose::Ending ending = diagnose::ending_of(connection.summary, connection.evidence.get());
  return ending == diagnose::Ending::closed_without_a_word;
}

bool may_only_take(const diagnose::DiagnosedConnection& connection) {
  const tcp::ConnectionSummary& summary = connection.summary;
  if (summary.side[0].payload_bytes == 0 || !diagnose::usual_protocol(summary.responder.port).empty()) return false;
  if (!connection.evidence) return true;
  const tcp::PayloadHead& words = connection.evidence->of(tcp::Side::originator).head;
  return !tells_protocol(diagnose::opening_of(words)) && diagnose::server_closed_by_fin(*connection.evidence);
}

void TurnedAway::count(const diagnose::DiagnosedConnection& connection) noexcept {
  const tcp::ConnectionSummary& summary = connection.summary;
  first_ns_ = total_ == 0 ? summary.start_ns : std::min(first_ns_, summary.start_ns);
  latest_[total_++ % latest_.size()] = {summary.start_ns, connection.diagnosis.cause == Cause::unknown};
  if (summary.originator.address == latest_client_) {
    latest_ns_ = std::max(latest_ns_, summary.start_ns);
  } else if (summary.start_ns >= latest_ns_) {
    other_client_ns_ = latest_ns_;
    latest_client_ = summary.originator.address;
    latest_ns_ = summary.start_ns;
  } else {
    other_client_ns_ = std::max(other_client_ns_, summary.start_ns);
  }
  causes_ |= 1U << static_cast<unsigned>(connection.diagnosis.cause);
}

void TurnedAway::start_over() {
  const std::uint64_t untold = untold_ + (held_ ? held_->refused() : 0);
  *this = TurnedAway();
  untold_ = untold;
}

void TurnedAway::hold(const diagnose::DiagnosedConnection& connection, std::size_t exact, std::size_t most_frames,
                      const KeyHash& hash) {
  if (!held_) held_ = std::make_unique<OpenIncident>(IncidentScope::endpoint, connection, exact, hash);
  held_->add(connection);
  held_->keep_frames(connection, most_frames);
}

bool TurnedAway::is_outage() const noexcept {
  const bool is_one_cause = (causes_ & (causes_ - 1)) == 0;
  if (is_one_cause && !has_met(Cause::unknown)) return false;
  if (other_client_ns_ == flowtable::kNoTime || latest_ns_ - other_client_ns_ > kCloseTogetherNs) return false;
  std::uint64_t close = 0;
  std::uint64_t unknown = 0;
  for (const Latest& one : std::span(latest_).first(std::min<std::uint64_t>(total_, latest_.size()))) {
    if (std::abs(latest_ns_ - one.start_ns) > kCloseTogetherNs) continue;
    ++close;
    unknown += one.is_unknown;
  }
  return close >= (2 * unknown >= close ? kLeastTurnedAway : kLeastToTakeOver);
}

bool are_enough(std::span<const OpenIncident* const> parts, std::uint64_t more) {
  std::uint64_t connections = more;
  for (const OpenIncident* const part : parts) connections += part->refused();
  return connections >= kLeastTurnedAway;
}

Cause likeliest_cause(std::span<const OpenIncident* const> parts) {
  std::uint64_t connections = 0;
  for (const OpenIncident* const part : parts) connections += part->refused();
  Cause best = Cause::unknown;
  double most = 0.0;
  for (const diagnose::CauseTraits& traits : diagnose::kCauses) {
    double probability = 0.0;
    std::uint64_t read_so = 0;
    for (const OpenIncident* const part : parts) {
      probability += part->probability_sum(traits.cause);
      read_so += part->count_read_as(traits.cause);
    }
    const bool is_likely = probability >= diagnose::kLeastConfidence * static_cast<double>(connections);
    if (!traits.refusal || probability <= most || (!is_likely && 2 * read_so < connections)) continue;
    most = probability;
    best = traits.cause;
  }
  return best;
}

}  // namespace doorslam::alert
