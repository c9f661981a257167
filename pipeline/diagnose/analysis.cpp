#include "pipeline/diagnose/analysis.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>

#include "flowtable/prefetch.h"
#include "pipeline/diagnose/capture_quality.h"
#include "pipeline/diagnose/evidence/loss.h"
#include "pipeline/diagnose/first_reading.h"
#include "pipeline/diagnose/stray.h"
#include "pipeline/diagnose/verdict.h"

namespace doorslam::diagnose {

namespace {

using flowtable::kNoTime;
using flowtable::TimeNs;
using tcp::ConnectionEvent;
using tcp::Evidence;
using tcp::Side;
using tcp::SideEvidence;

/// Events between a fetch and its use: enough to have arrived, few enough not to be pushed out again.
constexpr std::size_t kMilestonesAhead = 4;
constexpr std::size_t kNotesAhead = 2 * kMilestonesAhead;
constexpr std::size_t kEndsAhead = 3 * kMilestonesAhead;
constexpr std::size_t kEventsAhead = 4 * kMilestonesAhead;
/// After its last packet, one more may have been on its way.
constexpr flowtable::DurationNs kAnswerAwaitedNs = flowtable::kSecondNs;

/// Some server had it among its connections, as far as can be told.
bool was_accepted(const tcp::ConnectionSummary& summary, Ending ending) {
  switch (ending) {
    case Ending::syn_unanswered:
    case Ending::syn_reset:
    case Ending::syn_icmp:
    case Ending::half_open_abandoned:
      return false;
    default:
      return !is_stray(summary);
  }
}

}  // namespace

Analysis::Analysis(const AnalysisOptions& options, SignatureScanner* scanner)
    : options_(options), scanner_(scanner), ledger_(options.ledger), ftp_sessions_(options.ledger.hash_key) {}

void Analysis::reconfigure(const AnalysisOptions& options, std::shared_ptr<SignatureScanner> scanner) {
  AnalysisOptions now = options;
  now.lingered_ns = options_.lingered_ns;
  now.ledger = options_.ledger;
  now.ledger.window_ns = options.ledger.window_ns;
  options_ = now;
  if (own_scanner_) replaced_.push_back({.scanner = std::move(own_scanner_), .waited = waited_});
  own_scanner_ = std::move(scanner);
  scanner_ = own_scanner_.get();
  ledger_.set_window(options.ledger.window_ns);
}

/// The words of a connection that waits lie in the database of the scanner that has read them.
void Analysis::drop_unused_scanners() {
  if (replaced_.empty()) return;
  Queue* const first = first_by(&Pending::number, std::span(pending_));
  const std::uint64_t judged = first == nullptr ? waited_ : first->front().number;
  while (!replaced_.empty() && judged >= replaced_.front().waited) replaced_.pop_front();
}

void Analysis::collect(tcp::EventBatch& batch) {
  if (batch.events.empty()) return;
  if (!batch.frames_end.empty()) bound_frames(batch);
  if (held_count_ == held_.size()) held_.emplace_back();
  tcp::EventBatch& held = held_[held_count_++];
  std::swap(held, batch);
  batch.clear();
  for (const ConnectionEvent& event : held.events) {
    const Evidence* evidence =
        event.evidence < 0 ? nullptr : held.evidence.data() + static_cast<std::size_t>(event.evidence);
    arrivals_.push_back({.time_ns = event.time_ns, .number = event.number, .event = &event, .evidence = evidence});
  }
}

/// What would be more than may be held, goes.
void Analysis::bound_frames(tcp::EventBatch& batch) {
  if (held_frame_octets_ + *shared_frame_octets_ + batch.frame_octets.size() > options_.frame_memory) {
    std::size_t begin = 0;
    for (const std::size_t end : batch.frames_end) {
      counters_.frames_dropped += end > begin ? 1 : 0;
      begin = end;
    }
    batch.frame_octets.clear();
    batch.frames_end.clear();
  }
  held_frame_octets_ += batch.frame_octets.size();
}

/// Of evidence in held_.
packet::ByteView Analysis::frames_of(const Evidence* evidence) const noexcept {
  if (held_frame_octets_ == 0 || evidence == nullptr) return {};
  for (std::size_t i = 0; i < held_count_; ++i) {
    const std::vector<Evidence>& all = held_[i].evidence;
    const std::less<const Evidence*> before;
    if (all.empty() || before(evidence, all.data()) || !before(evidence, all.data() + all.size())) continue;
    return held_[i].frames_of(static_cast<std::size_t>(evidence - all.data()));
  }
  return {};
}

/// A copy that outlives held_, and is counted for as long as anybody has it.
std::shared_ptr<const tcp::FrameTrace> Analysis::hold_frames(const Evidence* evidence) {
  const packet::ByteView packed = frames_of(evidence);
  if (packed.empty()) return nullptr;
  *shared_frame_octets_ += packed.size();
  return {new tcp::FrameTrace{{packed.begin(), packed.end()}},
          [counted = shared_frame_octets_](const tcp::FrameTrace* trace) {
            *counted -= trace->packed.size();
            delete trace;
          }};
}

void Analysis::advance(TimeNs watermark_ns, std::vector<DiagnosedConnection>& out, std::uint64_t number) {
  advance_some(std::numeric_limits<std::size_t>::max(), watermark_ns, out, number);
}

bool Analysis::advance_some(std::size_t most, TimeNs watermark_ns, std::vector<DiagnosedConnection>& out,
                            std::uint64_t number) {
  drop_unused_scanners();
  order_arrivals();
  const auto is_final = [&](const Arrival& a) {
    return a.time_ns < watermark_ns || (a.time_ns == watermark_ns && a.number <= number);
  };
  for (std::size_t steps = 0;; ++steps) {
    const bool follows = followed_ < arrivals_.size() && is_final(arrivals_[followed_]);
    // Judged before, not after: what is known then must not depend on how the events came in batches.
    const TimeNs now_ns = (follows ? arrivals_[followed_].time_ns : watermark_ns) - 1;
    Queue* const due = due_first();
    const bool judges = due != nullptr && due->front().due_ns <= now_ns;
    if (!follows && !judges) break;
    if (steps == most) return true;
    if (judges) {
      judge_next(*due, due->front().due_ns, out);
    } else {
      follow_next(out);
    }
  }
  drop_followed();
  return false;
}

/// Where some of them have been followed, all are in order.
void Analysis::order_arrivals() {
  if (followed_ != 0 || std::is_sorted(arrivals_.begin(), arrivals_.end())) return;
  std::sort(arrivals_.begin(), arrivals_.end());
}

void Analysis::follow_next(std::vector<DiagnosedConnection>& out) {
  look_ahead();
  follow(arrivals_[followed_++], out);
}

/// Fetches what the next events will read, in steps, as each has to read what the one before has fetched. The first
/// call of a batch does it for all that come next, so that the first of them do not wait one after the other.
void Analysis::look_ahead() noexcept {
  const auto up_to = [this](std::size_t ahead, std::size_t& done, const auto& fetch) {
    const std::size_t end = std::min(followed_ + ahead, arrivals_.size());
    for (; done < end; ++done) fetch(arrivals_[done]);
  };
  const auto has_ended = [](const Arrival& a) { return a.event->kind == tcp::EventKind::ended; };
  up_to(kEventsAhead, expected_.events,
        [](const Arrival& a) { flowtable::prefetch_octets(a.event, sizeof(ConnectionEvent)); });
  up_to(kEndsAhead, expected_.ends, [this](const Arrival& a) { expect(a); });
  up_to(kNotesAhead, expected_.notes, [&](const Arrival& a) { ledger_.expect_note(a.event->summary, has_ended(a)); });
  up_to(kMilestonesAhead, expected_.milestones,
        [&](const Arrival& a) { ledger_.expect_milestone(a.event->summary, has_ended(a)); });
}

/// Fetches what will be read first of an event that comes soon.
void Analysis::expect(const Arrival& arrival) const noexcept {
  ledger_.expect(arrival.event->summary);
  if (arrival.evidence == nullptr) return;
  flowtable::prefetch_line(arrival.evidence);
  for (const SideEvidence& side : arrival.evidence->side) {
    // The facts, and the beginning of the words.
    const char* line = reinterpret_cast<const char*>(&side);
    for (std::size_t i = 0; i < 4; ++i) flowtable::prefetch_line(line + i * 64);
  }
}

/// What is later than the watermark goes on to the next advance; the batches' memory is used again.
void Analysis::drop_followed() {
  tcp::EventBatch late;
  for (std::size_t i = followed_; i < arrivals_.size(); ++i) {
    ConnectionEvent& event = late.events.emplace_back(*arrivals_[i].event);
    if (arrivals_[i].evidence == nullptr) continue;
    event.evidence = static_cast<std::int32_t>(late.evidence.size());
    late.evidence.push_back(*arrivals_[i].evidence);
    if (held_frame_octets_ == 0) continue;
    const packet::ByteView frames = frames_of(arrivals_[i].evidence);
    late.frame_octets.insert(late.frame_octets.end(), frames.begin(), frames.end());
    late.frames_end.push_back(late.frame_octets.size());
  }
  for (std::size_t i = 0; i < held_count_; ++i) held_[i].clear();
  held_count_ = 0;
  held_frame_octets_ = 0;
  arrivals_.clear();
  followed_ = 0;
  expected_ = {};
  collect(late);
}

void Analysis::finish(std::vector<DiagnosedConnection>& out) {
  order_arrivals();
  while (followed_ < arrivals_.size()) {
    judge_due(arrivals_[followed_].time_ns - 1, out);
    follow_next(out);
  }
  drop_followed();
  // Nothing more can come for which one would have to wait longer than another.
  const auto oldest = [this] { return first_by(&Pending::number, std::span(pending_)); };
  TimeNs judged_ns = 0;
  for (Queue* next = oldest(); next != nullptr; next = oldest()) {
    judged_ns = std::max(judged_ns, next->front().due_ns);
    judge_next(*next, judged_ns, out);
  }
}

void Analysis::follow(const Arrival& arrival, std::vector<DiagnosedConnection>& out) {
  if (arrival.event->kind == tcp::EventKind::established) {
    ledger_.accepted(arrival.event->summary, arrival.time_ns);
    ftp_sessions_.accepted(arrival.event->summary, arrival.time_ns);
  } else {
    follow_end(arrival, out);
  }
}

void Analysis::follow_end(const Arrival& arrival, std::vector<DiagnosedConnection>& out) {
  ++counters_.connections;
  const tcp::ConnectionSummary& summary = arrival.event->summary;
  const Evidence* evidence = arrival.evidence;
  const Ending ending = ending_of(*arrival.event, evidence);
  if (!summary.one_sided && summary.stage > tcp::Stage::handshake) {
    holes_.note(summary.side[0].gap_bytes + summary.side[1].gap_bytes > 0);
  }
  if (was_left_half_open(summary, ending)) ledger_.handshake_was_left(summary.responder, summary.start_ns);
  Words words;
  if (evidence != nullptr) {
    words = words_of(*evidence, summary.responder.port, ending);
    mark_server(summary, *evidence, ending);
  }
  ftp_sessions_.ended(summary, arrival.time_ns);
  const Outcome outcome = outcome_of(ending, words.server.view(), lost_first_words(summary, evidence));
  const bool soon = hung_up_soon(evidence, ending, words.server.view());
  ledger_.ended(summary, EndedNote{.outcome = outcome,
                                   .closed_ns = close_time(summary, evidence),
                                   .cut = cut_of(ending, evidence),
                                   .client_spoke_first = client_spoke_first(summary, evidence),
                                   .beginning_unseen = ending == Ending::closed_unseen,
                                   .idle_ns = idle_time(evidence),
                                   .words = words.digest,
                                   .hung_up_soon = soon,
                                   .unproven = are_first_words_unproven(ending, words.server.view()),
                                   .own_end = own_end_told_by(words.server.view()),
                                   .opening = words.opening});
  const bool other_words = soon && ledger_.begins_otherwise(summary.responder, words.digest);
  if (!other_words && is_plain(summary, evidence, ending, outcome)) {
    return tell_served(arrival, confidence_of_plain(summary, evidence, soon), out);
  }
  Pending pending{
      .summary = summary,
      .evidence = evidence == nullptr ? nullptr : std::allocate_shared<const Evidence>(evidence_memory_, *evidence),
      .frames = hold_frames(evidence),
      .ending = ending,
      .outcome = outcome,
      .hung_up_soon = soon,
      .words = words};
  if (tells_nothing(summary, evidence, ending)) return judge_one(pending, arrival.time_ns, out);
  if (waiting() >= std::max<std::size_t>(options_.capacity_pending, 1)) {
    judge_early(arrival.time_ns, out);
  }
  wait(std::move(pending), wait_kind_of(summary, ending), arrival.time_ns);
}

Analysis::WaitKind Analysis::wait_kind_of(const tcp::ConnectionSummary& summary, Ending ending) noexcept {
  const bool met_icmp = ending == Ending::syn_icmp && summary.end_reason == tcp::EndReason::expired;
  const bool lingered = summary.end_reason == tcp::EndReason::closed || met_icmp;
  if (was_accepted(summary, ending)) return lingered ? WaitKind::lingered : WaitKind::at_once;
  return lingered ? WaitKind::lingered_unaccepted : WaitKind::at_once_unaccepted;
}

/// Makes room for one more. What a server had accepted keeps its time as long as there is something else.
void Analysis::judge_early(TimeNs now_ns, std::vector<DiagnosedConnection>& out) {
  ++counters_.judged_early;
  const std::span<Queue> all(pending_);
  Queue* first = first_by(&Pending::due_ns, all.subspan(static_cast<std::size_t>(WaitKind::lingered_unaccepted)));
  if (first == nullptr) first = due_first();
  judge_next(*first, now_ns, out);
}

void Analysis::wait(Pending&& pending, WaitKind kind, TimeNs now_ns) {
  const bool lingered = kind == WaitKind::lingered || kind == WaitKind::lingered_unaccepted;
  const flowtable::DurationNs over = lingered ? options_.lingered_ns : 0;
  pending.due_ns = now_ns + std::max<flowtable::DurationNs>(options_.settle_ns - over, 0);
  pending.number = waited_++;
  pending_[static_cast<std::size_t>(kind)].push_back(std::move(pending));
}

std::size_t Analysis::waiting() const noexcept {
  std::size_t sum = 0;
  for (const Queue& queue : pending_) sum += queue.size();
  return sum;
}

/// The queue whose first one has the least key, among equals the one that has waited longest; null where nobody waits.
template <class Key>
Analysis::Queue* Analysis::first_by(Key Pending::*key, std::span<Queue> queues) noexcept {
  const auto rank = [key](Queue& queue) { return std::pair(queue.front().*key, queue.front().number); };
  Queue* first = nullptr;
  for (Queue& queue : queues) {
    if (queue.empty()) continue;
    if (first == nullptr || rank(queue) < rank(*first)) first = &queue;
  }
  return first;
}

Analysis::Words Analysis::words_of(const Evidence& evidence, std::uint16_t server_port, Ending ending) {
  Words words;
  const SideEvidence& server = evidence.of(Side::responder);
  const SideEvidence& client = evidence.of(Side::originator);
  words.digest = digest_of_words(server.head);
  words.opening = opening_of(client.head);
  if (scanner_ == nullptr) return words;
  if (server.head.length + server.last_words_length > 0) {
    const SideEvidence* const asked = client.head.length > 0 ? &client : nullptr;
    auto hits = scanner_->recall(server.head, server.latest_words(), Side::responder, server_port, asked);
    // Words that nobody knows, and the server hung up on them: they may begin like others and be a known refusal.
    const bool suspicious = ending == Ending::closed_after_greeting || ending == Ending::closed_after_reply;
    if (hits.empty() && suspicious) {
      hits = scanner_->scan(server.head, server.latest_words(), Side::responder, server_port, asked);
    }
    words.server.assign(hits);
  }
  if (client.head.length + client.last_words_length > 0) {
    words.client.assign(scanner_->recall(client.head, client.latest_words(), Side::originator, server_port));
  }
  return words;
}

void Analysis::mark_server(const tcp::ConnectionSummary& summary, const Evidence& e, Ending ending) {
  const SideEvidence& server = e.of(Side::responder);
  if (e.syn_ack_ns != kNoTime) ledger_.saw_syn_ack(summary.responder.address, server.first.ttl);
  if (ending == Ending::syn_reset) ledger_.syn_was_reset(summary.responder, summary.originator.address, server.rst_ns);
  if (ending == Ending::handshake_ignored) ledger_.handshake_was_ignored(summary);
}

void Analysis::tell_served(const Arrival& arrival, double confidence, std::vector<DiagnosedConnection>& out) const {
  if (!options_.tells_served) return;
  const tcp::ConnectionSummary& summary = arrival.event->summary;
  DiagnosedConnection& served = out.emplace_back();
  served.summary = summary;
  served.diagnosis.cause = Cause::served;
  served.diagnosis.confidence = confidence;
  served.judged_ns = arrival.time_ns;
}

void Analysis::judge_due(TimeNs now_ns, std::vector<DiagnosedConnection>& out) {
  for (auto* next = due_first(); next != nullptr && next->front().due_ns <= now_ns; next = due_first()) {
    judge_next(*next, next->front().due_ns, out);
  }
}

/// What waits has waited for seconds: fetches what the next judgements will read first.
void Analysis::expect_judgements(const Queue& pending) const noexcept {
  const auto fetch = [](const void* place, std::size_t octets) {
    for (std::size_t i = 0; i < octets; i += 64) flowtable::prefetch_line(static_cast<const char*>(place) + i);
  };
  if (pending.size() > 2) fetch(&pending[2], sizeof(Pending));
  if (pending.size() < 2) return;
  const Pending& next = pending[1];
  ledger_.expect(next.summary);
  if (next.evidence == nullptr) return;
  fetch(next.evidence.get(), sizeof(tcp::ConnectionFacts));
  // The facts, and the beginning of the words.
  for (const SideEvidence& side : next.evidence->side) fetch(&side, 4 * 64);
}

void Analysis::judge_next(Queue& pending, TimeNs now_ns, std::vector<DiagnosedConnection>& out) {
  expect_judgements(pending);
  judge_one(pending.front(), now_ns, out);
  pending.pop_front();
}

void Analysis::judge_one(Pending& pending, TimeNs now_ns, std::vector<DiagnosedConnection>& out) {
  ++counters_.judged;
  const Evidence* e = pending.evidence.get();
  const TimeNs closed = e == nullptr ? kNoTime : server_close_time(*e);
  Case c{pending.summary};
  c.packets = e;
  c.ending = pending.ending;
  c.outcome = pending.outcome;
  c.hung_up_soon = pending.hung_up_soon;
  c.first_words_known = pending.words.digest != 0;
  c.accepted_ns = accepted_time(pending.summary, e);
  c.closed_ns = closed != kNoTime ? closed : pending.summary.end_ns;
  c.packets_lost = losses_.packets_between(pending.summary.start_ns, pending.summary.end_ns + kAnswerAwaitedNs);
  c.holes = holes_.with_holes();
  c.holes_among = holes_.connections();
  c.host_ttl = ledger_.syn_ack_ttl(pending.summary.responder.address);
  c.quote_length = options_.banner_length;
  c.ftp_control = ftp_sessions_.control_of(pending.summary);
  c.server_words = pending.words.server.view();
  c.client_words = pending.words.client.view();
  if (const ServerMarks* marks = ledger_.marks_of(pending.summary.responder)) c.marks = *marks;
  const TimeNs answered = e == nullptr ? kNoTime : e->of(Side::responder).first_payload_ns;
  if (may_contrast(pending.ending, e)) {
    c.contrast = ledger_.contrast(Subject{.server = pending.summary.responder,
                                          .client = pending.summary.originator.address,
                                          .connection_id = pending.summary.id,
                                          .accepted_ns = c.accepted_ns,
                                          .closed_ns = c.closed_ns,
                                          .idle_ns = idle_time(e),
                                          .words = pending.words.digest,
                                          .opening = pending.words.opening,
                                          .closed_at_rest = e != nullptr && server_closed_at_rest(*e),
                                          .beginning_seen = !pending.summary.mid_stream,
                                          .answer_ns = answered == kNoTime ? 0 : answered - c.accepted_ns});
  }
  DiagnosedConnection& judged = out.emplace_back();
  judged.diagnosis = judge(c);
  const Outcome outcome = outcome_by(judged.diagnosis, pending.outcome);
  if (outcome != pending.outcome) ledger_.turned_out(pending.summary.id, outcome);
  if (options_.contributions) judged.diagnosis.contributions = contributions_of(c);
  judged.diagnosis.caveats = caveats_of(pending.summary, e);
  if (const auto lost = evidence::packets_lost_meanwhile(c)) judged.diagnosis.caveats.push_back(lost->sentence);
  if (e != nullptr) {
    judged.diagnosis.banner = banner_of(e->of(Side::responder).head, options_.banner_length);
  }
  judged.summary = pending.summary;
  judged.evidence = std::move(pending.evidence);
  judged.frames = std::move(pending.frames);
  judged.judged_ns = now_ns;
}

}  // namespace doorslam::diagnose
