#include "pipeline/diagnose/analysis.h"

#include <algorithm>
#include <limits>

#include "pipeline/diagnose/capture_quality.h"
#include "pipeline/diagnose/verdict.h"

namespace doorslam::diagnose {

namespace {

using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::TimeNs;
using tcp::ConnectionEvent;
using tcp::Evidence;
using tcp::PayloadHead;
using tcp::Side;
using tcp::SideEvidence;

/// A server that closes later than this after its last answer did not close because of it.
constexpr flowtable::DurationNs kSameBreathNs = 50 * kMillisecondNs;
/// As much of the first words as two sessions with different refusal texts differ in, and time stamps do not.
constexpr std::size_t kDigestedWords = 12;

/// FNV-1a over the server's first words; digits are taken as one, so that times and counters do not make words new.
std::uint32_t digest_of_words(const PayloadHead& head) {
  if (head.length == 0 || head.incomplete) return 0;
  std::uint32_t digest = 2166136261U;
  for (std::size_t i = 0; i < std::min<std::size_t>(head.length, kDigestedWords); ++i) {
    const std::uint8_t octet = head.bytes[i];
    // The first three may be a reply code, where each digit counts.
    digest = (digest ^ (i >= 3 && octet >= '0' && octet <= '9' ? std::uint8_t{'0'} : octet)) * 16777619U;
  }
  return digest | 1U;
}

Outcome outcome_of(Ending ending, std::span<const SignatureHit> words) {
  const bool refusing = !words.empty() && is_refusal(words.front().signature->main_cause());
  switch (ending) {
    case Ending::closed_without_a_word:
    case Ending::closed_unseen:
    case Ending::handshake_reset:
      return Outcome::refused_silently;
    case Ending::left_without_a_word:
      return Outcome::left;
    case Ending::server_silent:
    case Ending::handshake_ignored:
      return Outcome::unanswered;
    default:
      return refusing ? Outcome::refused_in_words : Outcome::served;
  }
}

/// The server ended a session in the middle: the client had not closed, and no answer had just been given.
bool was_cut_short(Ending ending, const Evidence* evidence) {
  if (ending == Ending::closed_unseen) return true;
  if (ending != Ending::closed_after_reply && ending != Ending::closed_after_greeting) return false;
  if (evidence == nullptr) return false;
  const SideEvidence& server = evidence->of(Side::responder);
  const TimeNs closed = server_close_time(*evidence);
  const bool unanswered = evidence->of(Side::originator).last_payload_ns > server.last_payload_ns;
  return unanswered || closed - server.last_payload_ns > kSameBreathNs;
}

/// Served and closed in good order by a client that had its answers: nothing to judge.
bool is_plain(const tcp::ConnectionSummary& summary, Ending ending) {
  return summary.plainly_served && (ending == Ending::left_after_reply || ending == Ending::still_open);
}

}  // namespace

Analysis::Analysis(const AnalysisOptions& options, ScannerSource scanner)
    : options_(options), scanner_(std::move(scanner)), ledger_(options.ledger) {}

void Analysis::collect(const tcp::EventBatch& batch) {
  for (const ConnectionEvent& event : batch.events) {
    Arrival& arrival = arrivals_.emplace_back(Arrival{event, nullptr});
    if (event.evidence >= 0) {
      arrival.evidence = std::make_unique<Evidence>(batch.evidence[static_cast<std::size_t>(event.evidence)]);
    }
  }
}

void Analysis::advance(TimeNs watermark_ns, std::vector<DiagnosedConnection>& out) {
  std::sort(arrivals_.begin(), arrivals_.end(),
            [](const Arrival& a, const Arrival& b) { return tcp::happened_before(a.event, b.event); });
  auto arrival = arrivals_.begin();
  for (; arrival != arrivals_.end() && arrival->event.time_ns <= watermark_ns; ++arrival) follow(*arrival, out);
  arrivals_.erase(arrivals_.begin(), arrival);
  judge_due(watermark_ns, out);
}

void Analysis::finish(std::vector<DiagnosedConnection>& out) {
  // Far enough for every settle time to be over.
  advance(std::numeric_limits<TimeNs>::max() / 2, out);
}

void Analysis::follow(Arrival& arrival, std::vector<DiagnosedConnection>& out) {
  // Judged before, not after: what is known then must not depend on how the events came in batches.
  judge_due(arrival.event.time_ns - 1, out);
  if (arrival.event.kind == tcp::EventKind::established) {
    ledger_.accepted(arrival.event.summary, arrival.event.time_ns);
  } else {
    follow_end(arrival, out);
  }
}

void Analysis::follow_end(Arrival& arrival, std::vector<DiagnosedConnection>& out) {
  ++counters_.connections;
  Pending pending;
  pending.summary = arrival.event.summary;
  pending.evidence = std::move(arrival.evidence);
  const Evidence* evidence = pending.evidence.get();
  pending.ending = ending_of(pending.summary, evidence);
  pending.due_ns = arrival.event.time_ns + options_.settle_ns;
  if (evidence != nullptr && !is_plain(pending.summary, pending.ending)) read_words(pending);
  pending.outcome = outcome_of(pending.ending, pending.server_words);
  mark_server(pending);
  ledger_.ended(pending.summary, EndedNote{.outcome = pending.outcome,
                                           .closed_ns = close_time(pending.summary, evidence),
                                           .cut_short = was_cut_short(pending.ending, evidence),
                                           .words = pending.words});
  if (is_plain(pending.summary, pending.ending)) {
    DiagnosedConnection& served = out.emplace_back();
    served.summary = pending.summary;
    served.diagnosis.cause = Cause::served;
    served.diagnosis.confidence = 0.99;
    served.judged_ns = arrival.event.time_ns;
    return;
  }
  pending_.push_back(std::move(pending));
  if (pending_.size() > options_.capacity_pending) {
    ++counters_.judged_early;
    judge_oldest(arrival.event.time_ns, out);
  }
}

void Analysis::read_words(Pending& pending) {
  const Evidence& e = *pending.evidence;
  pending.words = digest_of_words(e.of(Side::responder).head);
  for (const Side side : {Side::responder, Side::originator}) {
    const SideEvidence& speaker = e.of(side);
    if (speaker.head.length == 0 && speaker.last_words_length == 0) continue;
    SignatureScanner* scanner = scanner_ ? scanner_() : nullptr;
    if (scanner == nullptr) return;
    const packet::ByteView last_words{speaker.last_words.data(), speaker.last_words_length};
    const auto hits = scanner->scan(speaker.head, last_words, side, pending.summary.responder.port);
    auto& kept = side == Side::responder ? pending.server_words : pending.client_words;
    kept.assign(hits.begin(), hits.end());
  }
}

void Analysis::mark_server(const Pending& pending) {
  if (pending.evidence == nullptr) return;
  const Evidence& e = *pending.evidence;
  const SideEvidence& server = e.of(Side::responder);
  if (e.syn_ack_ns != kNoTime) ledger_.saw_syn_ack(pending.summary.responder.address, server.first.ttl);
  if (pending.ending == Ending::syn_reset) ledger_.syn_was_reset(pending.summary.responder, server.rst_ns);
  if (pending.ending == Ending::handshake_ignored) {
    ledger_.handshake_was_ignored(pending.summary.responder, pending.summary.start_ns);
  }
}

void Analysis::judge_due(TimeNs now_ns, std::vector<DiagnosedConnection>& out) {
  while (!pending_.empty() && pending_.front().due_ns <= now_ns) judge_oldest(pending_.front().due_ns, out);
}

void Analysis::judge_oldest(TimeNs now_ns, std::vector<DiagnosedConnection>& out) {
  ++counters_.judged;
  Pending& pending = pending_.front();
  const Evidence* e = pending.evidence.get();
  const TimeNs closed = e == nullptr ? kNoTime : server_close_time(*e);
  Case c{pending.summary};
  c.packets = e;
  c.ending = pending.ending;
  c.outcome = pending.outcome;
  c.accepted_ns = e != nullptr && e->handshake_ns != kNoTime ? e->handshake_ns : pending.summary.start_ns;
  c.closed_ns = closed != kNoTime ? closed : pending.summary.end_ns;
  c.host_ttl = ledger_.syn_ack_ttl(pending.summary.responder.address);
  c.server_words = pending.server_words;
  c.client_words = pending.client_words;
  if (const ServerMarks* marks = ledger_.marks_of(pending.summary.responder)) c.marks = *marks;
  c.contrast = ledger_.contrast(Subject{.server = pending.summary.responder,
                                        .client = pending.summary.originator.address,
                                        .connection_id = pending.summary.id,
                                        .accepted_ns = c.accepted_ns,
                                        .closed_ns = c.closed_ns,
                                        .words = pending.words});
  DiagnosedConnection& judged = out.emplace_back();
  judged.diagnosis = judge(c);
  judged.diagnosis.caveats = caveats_of(pending.summary, e);
  if (e != nullptr) {
    judged.diagnosis.banner = banner_of(e->of(Side::responder).head, options_.banner_length);
    judged.evidence = *e;
  }
  judged.summary = pending.summary;
  judged.judged_ns = now_ns;
  pending_.pop_front();
}

}  // namespace doorslam::diagnose
