#include "pipeline/diagnose/ledger/ftp_sessions.h"

#include <algorithm>

#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::diagnose {

namespace {

constexpr std::size_t kPairs = 4096;
/// Sessions that follow each other as soon as this are one: a client that logs in for each transfer.
constexpr flowtable::DurationNs kSameVisitNs = 30 * flowtable::kSecondNs;
/// Below 1024 are the ports of services (RFC 6335, section 6), which no server offers for data; nor does it those above
/// that are known for something else.
bool may_be_for_data(std::uint16_t port) { return port >= 1024 && usual_protocol(port).empty(); }

}  // namespace

std::uint64_t FtpSessions::PairKeys::hash(const Pair& pair) const noexcept {
  return hash_key.hash(pair.client, hash_key.hash(pair.server));
}

FtpSessions::FtpSessions(const flowtable::HashKey& hash_key) : sessions_(kPairs, PairKeys{hash_key}) {}

void FtpSessions::begin(const tcp::ConnectionSummary& summary, flowtable::TimeNs at_ns) {
  Span& span = sessions_.touch({summary.responder.address, summary.originator.address});
  if (span.open == 0 && at_ns - span.end_ns > kSameVisitNs) span.begin_ns = at_ns;
  ++span.open;
}

void FtpSessions::end(const tcp::ConnectionSummary& summary, flowtable::TimeNs at_ns) {
  Span* const span = sessions_.find({summary.responder.address, summary.originator.address});
  if (span == nullptr || span->open == 0) return;
  --span->open;
  span->end_ns = std::max(span->end_ns, at_ns);
}

bool FtpSessions::was_in_session(const Pair& pair, flowtable::TimeNs at_ns) const {
  const Span* const span = sessions_.find(pair);
  return span != nullptr && span->begin_ns <= at_ns && (span->open > 0 || at_ns <= span->end_ns);
}

std::optional<flowtable::Endpoint> FtpSessions::control_of(const tcp::ConnectionSummary& summary) const {
  const flowtable::IpAddress& from = summary.originator.address;
  const flowtable::IpAddress& to = summary.responder.address;
  if (summary.originator.port == kDataPort && was_in_session({from, to}, summary.start_ns)) {
    return flowtable::Endpoint{from, kControlPort};
  }
  if (may_be_for_data(summary.responder.port) && was_in_session({to, from}, summary.start_ns)) {
    return flowtable::Endpoint{to, kControlPort};
  }
  return std::nullopt;
}

}  // namespace doorslam::diagnose
