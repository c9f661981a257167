#include "pipeline/diagnose/ledger.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>

#include "pipeline/diagnose/stray.h"

namespace doorslam::diagnose {

namespace {

using flowtable::Endpoint;
using flowtable::IpAddress;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using flowtable::TimeNs;

std::uint32_t in_milliseconds(flowtable::DurationNs duration) noexcept {
  constexpr flowtable::DurationNs kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<flowtable::DurationNs>(duration / flowtable::kMillisecondNs, 0, kMost));
}

}  // namespace

Ledger::Ledger(const LedgerOptions& options)
    : options_(options),
      place_mask_(std::bit_ceil(options.capacity_notes) - 1),
      servers_(options.capacity_servers, Endpoints{options.hash_key}),
      host_ttl_(options.capacity_hosts, Addresses{options.hash_key}) {
  notes_.reserve(place_mask_ + 1);
  milestones_.reserve(place_mask_ + 1);
  far_older_by_.reserve(place_mask_ + 1);
  laid_out_.reserve(kRowsAfter + kRowsBefore);
  table_.reserve(kRowsAfter + kRowsBefore);
  closed_by_.reserve(kRowsAfter + kRowsBefore);
  usual_words_.reserve(kRowsAfter + kRowsBefore);
}

/// The serial number of a new note, which takes the place of the oldest one where they are too many.
std::uint64_t Ledger::provide_note() {
  constexpr std::uint64_t kFetchedVictims = 8;
  const std::uint64_t serial = next_serial_++;
  if (serial >= options_.capacity_notes) {
    ++notes_forgotten_;
    const std::uint64_t victim = serial - options_.capacity_notes;
    const Note& oldest = notes_[victim & place_mask_];
    if (oldest.outcome == Outcome::open) open_notes_.take(oldest.connection_id);
    const Note& later = notes_[(victim + kFetchedVictims) & place_mask_];
    if (later.outcome == Outcome::open) open_notes_.prefetch(later.connection_id);
  }
  if (notes_.size() <= place_mask_) {
    notes_.emplace_back();
    milestones_.emplace_back();
    far_older_by_.emplace_back();
  }
  return serial;
}

/// How far back the note is that stands kFetchedAhead before this new one; 0 where there is none.
std::uint32_t Ledger::note_far_older(Server& server, std::uint64_t serial) const noexcept {
  const auto low = static_cast<std::uint32_t>(serial);
  std::uint32_t& place = server.latest[server.note_count % kFetchedAhead];
  const std::uint32_t by = server.note_count < kFetchedAhead ? 0 : low - place;
  place = low;
  ++server.note_count;
  return by;
}

void Ledger::begin_milestone(Server& server, std::uint64_t serial, TimeNs now_ns) {
  const std::uint32_t before_by = distance(server.milestone, serial);
  if (note_numbered(server.milestone) != nullptr) milestones_[server.milestone & place_mask_].behind_by = before_by;
  milestones_[serial & place_mask_] = {.latest_accept_ns = now_ns, .before_by = before_by};
  server.milestone = serial;
  server.until_milestone = kMilestone;
}

void Ledger::accepted(const tcp::ConnectionSummary& connection, TimeNs now_ns) {
  // Out of the midst of a connection, a scan must not push the real servers out; nor must what is nothing but a stray
  // fill the notes.
  if (is_stray(connection) && servers_.find(connection.responder) == nullptr) return;
  const bool proven = !connection.mid_stream || was_answered(connection);
  Server& server = proven ? servers_.touch(connection.responder) : servers_.lodge(connection.responder);
  const std::uint64_t serial = provide_note();
  const bool is_milestone = server.until_milestone == 0;
  Note& note = notes_[serial & place_mask_];
  note = Note{.accepted_ns = now_ns,
              .closed_ns = kStillOpen,
              .connection_id = connection.id,
              .clock = connection.answered_at_clock,
              .older_by = distance(server.newest, serial),
              .milestone_by = distance(server.milestone, serial),
              .client = connection.originator.address,
              .is_milestone = is_milestone};
  note.stack = server.marks.stacks.number_of(connection.answered_by) & 0xfU;
  far_older_by_[serial & place_mask_] = note_far_older(server, serial);
  server.newest = serial;
  if (is_milestone) begin_milestone(server, serial, now_ns);
  --server.until_milestone;
  if (Milestone* const milestone = milestone_of(serial, note)) {
    ++milestone->open;
    milestone->latest_accept_ns = std::max(milestone->latest_accept_ns, now_ns);
  }
  server.marks.last_accept_ns = std::max(server.marks.last_accept_ns, now_ns);  // one may be filed late
  open_notes_.put(connection.id, serial);
}

void Ledger::ended(const tcp::ConnectionSummary& connection, const EndedNote& ended) {
  std::uint64_t serial = open_notes_.take(connection.id);
  if (serial == IdIndex::kAbsent) {
    // A connection whose beginning the capture lacks was never seen to be accepted.
    if (!connection.mid_stream) return;
    accepted(connection, connection.start_ns);
    serial = open_notes_.take(connection.id);
  }
  if (ended.outcome == Outcome::served && !ended.hung_up_soon && !ended.unproven && ended.words != 0) {
    if (Server* const server = servers_.find(connection.responder)) server->session_words = ended.words;
  }
  if (Note* note = note_numbered(serial)) {
    note->closed_ns = ended.closed_ns;
    note->outcome = ended.outcome;
    note->cut = ended.cut;
    note->client_spoke_first = ended.client_spoke_first;
    note->words = ended.words;
    note->opening = static_cast<std::uint8_t>(ended.opening) & 0xfU;
    note->hung_up_soon = ended.hung_up_soon;
    note->unproven = ended.unproven;
    note->own_end = ended.own_end;
    note->beginning_unseen = ended.beginning_unseen;
    note->idle_ms = in_milliseconds(ended.idle_ns);
    Milestone* const milestone = milestone_of(serial, *note);
    if (milestone == nullptr || ended.outcome == Outcome::open) return;
    --milestone->open;
    milestone->latest_close_ns = std::max(milestone->latest_close_ns, ended.closed_ns);
  }
}

bool Ledger::begins_otherwise(const Endpoint& endpoint, std::uint32_t words) const {
  const Server* const server = servers_.find(endpoint);
  return server != nullptr && words != 0 && server->session_words != 0 && server->session_words != words;
}

void Ledger::syn_was_reset(const Endpoint& endpoint, TimeNs now_ns) {
  // Only endpoints that were seen to accept matter: a port scan must not push the real servers out.
  Server* const server = servers_.find(endpoint);
  if (server == nullptr) return;
  ServerMarks& marks = server->marks;
  // A reset is filed when its connection is over, so the port may have accepted others since.
  std::uint64_t serial = last_accepted_by(*server, now_ns);
  const Note* note = note_numbered(serial);
  if (note == nullptr) return;
  const TimeNs last_accept_ns = note->accepted_ns;
  for (PortClosure& known : marks.closures) {
    if (known.first_reset_ns == kNoTime || known.last_accept_ns != last_accept_ns) continue;
    known.first_reset_ns = std::min(known.first_reset_ns, now_ns);
    return;
  }
  PortClosure closure{.first_reset_ns = now_ns, .last_accept_ns = last_accept_ns};
  for (std::size_t read = 0; note != nullptr && read < kNotesRead; note = note_numbered(serial), ++read) {
    serial = older_than(serial, note->older_by);
    if (last_accept_ns - note->accepted_ns > kSecondNs) break;
    ++closure.accepted_in_last_second;
  }
  marks.closures[marks.closure_count++ % marks.closures.size()] = closure;
}

std::uint8_t AnsweringStacks::number_of(const tcp::AnsweringStack& stack) noexcept {
  if (stack.ttl == 0) return 0;
  for (std::uint8_t number = 1; number <= count_; ++number) {
    if (numbered(number) == stack) return number;
  }
  if (count_ == kMost) return 0;
  stacks_[count_] = stack;
  return ++count_;
}

bool AnsweringStacks::has_ttl(std::uint8_t ttl) const noexcept {
  return std::any_of(stacks_.begin(), stacks_.begin() + count_,
                     [ttl](const tcp::AnsweringStack& stack) { return stack.ttl == ttl; });
}

const PortClosure* ServerMarks::closure_between(TimeNs from_ns, TimeNs to_ns) const {
  const PortClosure* first = nullptr;
  for (const PortClosure& closure : closures) {
    if (closure.first_reset_ns == kNoTime || closure.first_reset_ns < from_ns || closure.first_reset_ns > to_ns)
      continue;
    if (first == nullptr || closure.first_reset_ns < first->first_reset_ns) first = &closure;
  }
  return first;
}

void Ledger::handshake_was_ignored(const Endpoint& server, TimeNs now_ns) {
  servers_.touch(server).marks.last_overflow_ns = now_ns;
}

void Ledger::handshake_was_left(const Endpoint& server, TimeNs start_ns) {
  servers_.touch(server).marks.half_open.add(start_ns);
}

void Ledger::saw_syn_ack(const IpAddress& host, std::uint8_t ttl) { host_ttl_.touch(host) = ttl; }

const ServerMarks* Ledger::marks_of(const Endpoint& server) const {
  const Server* const found = servers_.find(server);
  return found == nullptr ? nullptr : &found->marks;
}

std::uint8_t Ledger::syn_ack_ttl(const IpAddress& host) const {
  const std::uint8_t* const ttl = host_ttl_.find(host);
  return ttl == nullptr ? std::uint8_t{0} : *ttl;
}

/// Of the milestones at which judgements stood, the nearer in time; the newest one takes its place where that is nearer
/// still.
std::uint64_t& Ledger::nearest_reading(Server& server, TimeNs time_ns) {
  const auto away = [&](std::uint64_t milestone) {
    const Note* const note = note_numbered(milestone);
    return note == nullptr ? std::numeric_limits<TimeNs>::max() : std::abs(note->accepted_ns - time_ns);
  };
  auto& [first, second] = server.read_from;
  const TimeNs from_first = away(first);
  const TimeNs from_second = away(second);
  std::uint64_t& nearer = from_second < from_first ? second : first;
  if (away(server.milestone) >= std::min(from_first, from_second)) return nearer;
  // The other stays where it is as long as it is of use.
  std::uint64_t& replaced = note_numbered(first) == nullptr    ? first
                            : note_numbered(second) == nullptr ? second
                                                               : nearer;
  replaced = server.milestone;
  return replaced;
}

/// The note from which a judgement reads back: late enough for the rows behind the subject's end.
std::uint64_t Ledger::first_to_read(Server& server, TimeNs closed_ns) {
  std::uint64_t& read_from = nearest_reading(server, closed_ns);
  std::uint64_t at = read_from;
  const Note* note = note_numbered(at);
  if (note == nullptr) return server.newest;
  while (note->accepted_ns > closed_ns) {
    const std::uint64_t earlier = older_than(at, note->milestone_by);
    if (note_numbered(earlier) == nullptr) break;
    at = earlier;
    note = note_numbered(at);
  }
  for (std::uint64_t next = milestone_behind(at); next != kNone; next = milestone_behind(at)) {
    const Note& behind = notes_[next & place_mask_];
    if (behind.accepted_ns > closed_ns) break;
    at = next;
    note = &behind;
  }
  read_from = at;
  // From the first milestone behind the end on there may be fewer than the rows wanted; from the next one there are
  // enough.
  std::uint64_t first = note->accepted_ns > closed_ns ? at : milestone_behind(at);
  if (first != kNone) first = milestone_behind(first);
  return first == kNone ? server.newest : first;
}

/// The latest note of an acceptance at or before that time.
std::uint64_t Ledger::last_accepted_by(Server& server, TimeNs time_ns) {
  std::uint64_t serial = first_to_read(server, time_ns);
  for (const Note* note = note_numbered(serial); note != nullptr && note->accepted_ns > time_ns;
       note = note_numbered(serial)) {
    serial = older_than(serial, note->older_by);
  }
  return serial;
}

void Ledger::turned_out(std::uint64_t connection_id, Outcome outcome) noexcept {
  const auto is_subject = [connection_id](const LaidOut& row) { return row.note->connection_id == connection_id; };
  const auto found = std::ranges::find_if(laid_out_, is_subject);
  if (found != laid_out_.end() && found->note->outcome != Outcome::open) found->note->outcome = outcome;
}

}  // namespace doorslam::diagnose
