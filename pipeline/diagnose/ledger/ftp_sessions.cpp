#include "pipeline/diagnose/ledger/ftp_sessions.h"

#include <algorithm>
#include <bit>

#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::diagnose {

namespace {

constexpr std::size_t kPairs = 4096;
/// Sessions that follow each other as soon as this are one: a client that logs in for each transfer.
constexpr flowtable::DurationNs kSameVisitNs = 30 * flowtable::kSecondNs;
/// A client tries its next port when the last one has failed and the server has named another.
constexpr int kMostTried = 20;
constexpr flowtable::DurationNs kTriedWithinNs = 30 * flowtable::kSecondNs;
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

/// Different ports are counted by the 64 values of their low bits: neighbours and drawn ones differ in these.
void FtpSessions::note_not_let_in(const tcp::ConnectionSummary& summary) {
  if (!may_be_for_data(summary.responder.port)) return;
  Span* const span = sessions_.find({summary.responder.address, summary.originator.address});
  if (span == nullptr || !was_in_session(*span, summary.start_ns)) return;
  if (span->tried != 0 && span->tried_since_ns - summary.start_ns > kTriedWithinNs) return;  // a SYN sent for minutes
  if (span->tried == 0 || summary.start_ns - span->tried_since_ns > kTriedWithinNs) {
    span->tried = 0;
    span->tried_since_ns = summary.start_ns;
  }
  span->tried_since_ns = std::min(span->tried_since_ns, summary.start_ns);
  span->tried |= std::uint64_t{1} << (summary.responder.port & 63U);
  if (std::popcount(span->tried) <= kMostTried) return;
  const bool goes_on =
      span->probed_until_ns != flowtable::kNoTime && span->tried_since_ns - span->probed_until_ns <= kTriedWithinNs;
  span->probed_from_ns = goes_on ? std::min(span->probed_from_ns, span->tried_since_ns) : span->tried_since_ns;
  span->probed_until_ns = std::max(span->probed_until_ns, summary.start_ns);
}

bool FtpSessions::was_in_session(const Span& span, flowtable::TimeNs at_ns) {
  return span.begin_ns <= at_ns && (span.open > 0 || at_ns <= span.end_ns);
}

std::optional<flowtable::Endpoint> FtpSessions::control_of(const tcp::ConnectionSummary& summary) const {
  const flowtable::IpAddress& from = summary.originator.address;
  const flowtable::IpAddress& to = summary.responder.address;
  if (summary.originator.port == kDataPort) {
    const Span* const active = sessions_.find({from, to});
    if (active != nullptr && was_in_session(*active, summary.start_ns)) return flowtable::Endpoint{from, kControlPort};
  }
  if (!may_be_for_data(summary.responder.port)) return std::nullopt;
  const Span* const span = sessions_.find({to, from});
  if (span == nullptr || !was_in_session(*span, summary.start_ns)) return std::nullopt;
  const bool was_probed = span->probed_from_ns <= summary.start_ns && summary.start_ns <= span->probed_until_ns;
  if (was_probed) return std::nullopt;
  return flowtable::Endpoint{to, kControlPort};
}

}  // namespace doorslam::diagnose
