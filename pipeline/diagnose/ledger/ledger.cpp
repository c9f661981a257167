#include "pipeline/diagnose/ledger/ledger.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <limits>

#include "flowtable/prefetch.h"
#include "pipeline/diagnose/stray.h"

namespace doorslam::diagnose {

namespace {

using flowtable::Endpoint;
using flowtable::IpAddress;
using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using flowtable::TimeNs;

std::uint32_t in_milliseconds(flowtable::DurationNs duration) noexcept {
  constexpr flowtable::DurationNs kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<flowtable::DurationNs>(duration / kMillisecondNs, 0, kMost));
}

}  // namespace

Ledger::Ledger(const LedgerOptions& options)
    : options_(options),
      place_mask_(std::bit_ceil(options.capacity_notes) - 1),
      notes_(place_mask_ + 1),
      milestones_(place_mask_ + 1),
      far_older_by_(place_mask_ + 1),
      servers_(options.capacity_servers, EndpointKeys{options.hash_key}),
      host_ttl_(options.capacity_hosts, AddressKeys{options.hash_key}),
      places_(kNotesRead + kRowsAfter),
      table_(kRowsAfter + kRowsBefore, options.hash_key) {}

/// The serial number of a new note, which takes the place of the oldest one where they are too many.
std::uint64_t Ledger::provide_note(TimeNs now_ns) {
  constexpr std::uint64_t kFetchedVictims = 8;
  const std::uint64_t serial = next_serial_++;
  if (serial >= options_.capacity_notes) {
    const std::uint64_t victim = serial - options_.capacity_notes;
    const Note& oldest = notes_[victim & place_mask_];
    const bool is_open = oldest.outcome == Outcome::open;
    notes_forgotten_ += is_open || oldest.closed_ns + options_.window_ns >= now_ns ? 1 : 0;
    if (is_open) open_notes_.take(oldest.connection_id);
    const Note& later = notes_[(victim + kFetchedVictims) & place_mask_];
    if (later.outcome == Outcome::open) open_notes_.prefetch(later.connection_id);
  }
  return serial;
}

void Ledger::expect_note(const tcp::ConnectionSummary& connection, bool has_ended) const noexcept {
  servers_.prefetch_entry(connection.responder);
  if (!has_ended) return;
  const std::uint64_t serial = open_notes_.find(connection.id);
  if (serial != IdIndex::kAbsent) flowtable::prefetch_line(&notes_[serial & place_mask_]);
}

/// The milestone that counts the note, or will.
void Ledger::expect_milestone(const tcp::ConnectionSummary& connection, bool has_ended) const noexcept {
  std::uint64_t milestone = kNone;
  if (has_ended) {
    const std::uint64_t serial = open_notes_.find(connection.id);
    if (serial != IdIndex::kAbsent) milestone = number_of_milestone(serial, notes_[serial & place_mask_]);
  } else if (const Server* const server = servers_.find(connection.responder)) {
    milestone = server->milestone;
  }
  if (milestone != kNone) flowtable::prefetch_line(&milestones_[milestone & place_mask_]);
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
  const std::uint64_t serial = provide_note(now_ns);
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

void Ledger::syn_was_reset(const Endpoint& endpoint, const IpAddress& client, TimeNs now_ns) {
  // Only endpoints that were seen to accept matter: a port scan must not push the real servers out.
  Server* const server = servers_.find(endpoint);
  if (server == nullptr) return;
  ServerMarks& marks = server->marks;
  reset_clients_forgotten_ += marks.syn_resets.note(client, now_ns) ? 1 : 0;
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

const PortClosure* ServerMarks::closure_between(TimeNs from_ns, TimeNs to_ns) const {
  const PortClosure* first = nullptr;
  for (const PortClosure& closure : closures) {
    if (closure.first_reset_ns == kNoTime || closure.first_reset_ns < from_ns || closure.first_reset_ns > to_ns)
      continue;
    if (first == nullptr || closure.first_reset_ns < first->first_reset_ns) first = &closure;
  }
  return first;
}

std::uint32_t ServerMarks::closures_between(TimeNs from_ns, TimeNs to_ns) const {
  return static_cast<std::uint32_t>(std::ranges::count_if(closures, [&](const PortClosure& closure) {
    return closure.first_reset_ns != kNoTime && closure.first_reset_ns >= from_ns && closure.first_reset_ns <= to_ns;
  }));
}

TimeNs ServerMarks::overflow_beside(std::uint64_t connection_id) const {
  const auto& [latest, before] = overflows;
  return latest.time_ns != kNoTime && latest.connection_id == connection_id ? before.time_ns : latest.time_ns;
}

void Ledger::handshake_was_ignored(const tcp::ConnectionSummary& connection) {
  auto& [latest, before] = servers_.touch(connection.responder).marks.overflows;
  before = latest;
  latest = {.time_ns = connection.start_ns, .connection_id = connection.id};
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

/// The note from which a judgement reads back: late enough for the rows after the subject's end.
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
  // From the first milestone after the end on there may be fewer than the rows wanted; from the next one there are
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

void Ledger::fill_row(TableRow& row, const Note& note, const Subject& subject) noexcept {
  const bool open = note.outcome == Outcome::open;
  row.is_subject = note.connection_id == subject.connection_id;
  const bool is_after = note.accepted_ns > subject.closed_ns;
  row.accepted_ns = note.accepted_ns;
  row.closed_ns = open ? kStillOpen : note.closed_ns;
  row.client = note.client;
  // What was open before the subject's end and still is has outlived the settle time: it is being served.
  row.outcome = open && !is_after && !row.is_subject ? Outcome::served : note.outcome;
  row.cut = note.cut;
  row.client_spoke_first = note.client_spoke_first;
  row.hung_up_soon = note.hung_up_soon;
  row.by_unusual_words = false;
  row.unproven = note.unproven;
  row.own_end = note.own_end;
  row.beginning_unseen = note.beginning_unseen;
  row.stack = note.stack;
  row.clock = note.clock;
  row.idle_ns = note.idle_ms * kMillisecondNs;
  row.words = note.words;
  row.opening = static_cast<Opening>(note.opening);
  row.load = {};
}

/// The chain of notes is followed from one to the next: without this, each step would wait for memory.
void Ledger::fetch_far_older(std::uint64_t serial) const noexcept {
  const std::uint32_t by = far_older_by_[serial & place_mask_];
  if (by == 0) return;
  const std::uint64_t place = (serial - by) & place_mask_;
  flowtable::prefetch_line(&notes_[place]);
  flowtable::prefetch_line(&far_older_by_[place]);
}

/// The note before that milestone, or further back: from milestone to milestone past all notes that were accepted by
/// one time, and closed before the other. Those stepped over count as read, of which there are kNotesRead at most.
std::uint64_t Ledger::step_over(std::uint64_t milestone, TimeNs closed_before_ns, TimeNs accepted_by_ns,
                                std::size_t& read) const noexcept {
  while (read < kNotesRead) {
    const std::uint64_t before = older_than(milestone, milestones_[milestone & place_mask_].before_by);
    if (before == kNone || next_serial_ - before > options_.capacity_notes) break;
    const Milestone& passed = milestones_[before & place_mask_];
    if (passed.open > 0 || passed.latest_accept_ns > accepted_by_ns || passed.latest_close_ns >= closed_before_ns)
      break;
    read += kMilestone;
    milestone = before;
  }
  return older_than(milestone, notes_[milestone & place_mask_].older_by);
}

void Ledger::lay_out(const Subject& subject) {
  table_.clear();
  laid_out_ = {};
  if (servers_.find(subject.server) == nullptr) return;
  const TimeNs since = subject.accepted_ns - options_.window_ns;
  std::uint64_t serial = first_to_read(servers_.touch(subject.server), subject.closed_ns);
  // Newest first: those up to the subject's end fill their places from the back; of those after it, the last ones read
  // are the next in time and replace the others.
  std::array<Note*, kRowsAfter> notes_after;
  std::size_t after = 0;
  std::size_t before = 0;
  std::size_t first = kNotesRead;
  const auto consider = [&](Note& note) {
    if (note.accepted_ns > subject.closed_ns) {
      notes_after[after++ % kRowsAfter] = &note;
      return;
    }
    // A session of hours holds its place, however long ago it began.
    const TimeNs closed = note.outcome == Outcome::open ? kStillOpen : note.closed_ns;
    if (closed < since) return;
    const bool beside = closed > subject.accepted_ns;
    if (!beside && note.connection_id != subject.connection_id && ++before > kRowsBefore) return;
    places_[--first] = {note.accepted_ns, &note};
  };
  for (std::size_t read = 0; read < kNotesRead; ++read) {
    Note* note = note_numbered(serial);
    if (note == nullptr) break;
    fetch_far_older(serial);
    consider(*note);
    // With rows enough, only what was open beside the subject counts.
    serial = note->is_milestone
                 ? step_over(serial, before >= kRowsBefore ? subject.accepted_ns : since, subject.closed_ns, read)
                 : older_than(serial, note->older_by);
  }
  std::size_t end = kNotesRead;
  for (std::size_t left = std::min(after, kRowsAfter); left-- > 0;) {
    Note* const note = notes_after[--after % kRowsAfter];
    places_[end++] = {note->accepted_ns, note};
  }
  laid_out_ = std::span(places_).subspan(first, end - first);
  const auto is_earlier = [](const LaidOut& a, const LaidOut& b) { return a.accepted_ns < b.accepted_ns; };
  // One that was filed late stands out of order.
  if (!std::is_sorted(laid_out_.begin(), laid_out_.end(), is_earlier)) {
    std::stable_sort(laid_out_.begin(), laid_out_.end(), is_earlier);
  }
  for (const LaidOut& row : laid_out_) fill_row(table_.add(), *row.note, subject);
}

Contrast Ledger::contrast(const Subject& subject) {
  lay_out(subject);
  const ServerMarks* const marks = marks_of(subject.server);
  if (marks == nullptr) return {};
  Contrast out = table_.contrast(subject, marks->stacks);
  table_.count_acceptances(subject, out.acceptances);
  table_.count_syn_resets(subject, marks->syn_resets, out.acceptances);
  return out;
}

void Ledger::turned_out(std::uint64_t connection_id, Outcome outcome) noexcept {
  const auto is_subject = [connection_id](const LaidOut& row) { return row.note->connection_id == connection_id; };
  const auto found = std::ranges::find_if(laid_out_, is_subject);
  if (found != laid_out_.end() && found->note->outcome != Outcome::open) found->note->outcome = outcome;
}

}  // namespace doorslam::diagnose
