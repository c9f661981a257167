#include "pipeline/diagnose/ledger.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>
#include <span>
#include <tuple>

namespace doorslam::diagnose {

namespace {

using flowtable::Endpoint;
using flowtable::IpAddress;
using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using flowtable::TimeNs;

constexpr TimeNs kStillOpen = std::numeric_limits<TimeNs>::max();
/// A kernel closes a dead process's sockets within this.
constexpr flowtable::DurationNs kTogetherNs = 30 * kMillisecondNs;
constexpr flowtable::DurationNs kArrivalsTotalNs = kSecondNs;
constexpr flowtable::DurationNs kArrivalsClientNs = 60 * kSecondNs;

std::uint64_t mix(std::uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15ULL;
  x ^= x >> 29;
  return x;
}

/// An address as two words: comparing its octets one by one is slower.
std::array<std::uint64_t, 2> words_of(const IpAddress& a) {
  return std::bit_cast<std::array<std::uint64_t, 2>>(a.octets);
}

/// Two sessions that were idle equally long have met the server's idle timer, not its death.
bool is_same_timer(flowtable::DurationNs a, flowtable::DurationNs b) {
  if (std::min(a, b) < kSecondNs) return false;
  return std::abs(a - b) <= std::max<flowtable::DurationNs>(20 * kMillisecondNs, a / 50);
}

/// Counts by figure; higher figures than this are all alike.
constexpr std::size_t kHighestFigure = 255;
using Histogram = std::array<std::uint32_t, kHighestFigure + 1>;

std::uint32_t sum_from(const Histogram& histogram, std::size_t first) {
  return std::accumulate(histogram.begin() + static_cast<std::ptrdiff_t>(first), histogram.end(), std::uint32_t{0});
}

/// The figure that parts served and refused best: where the shares of the two from there on differ most (Youden's J).
std::uint32_t ceiling_of(const Histogram& served, const Histogram& refused) {
  const std::uint32_t all_served = sum_from(served, 0);
  const std::uint32_t all_refused = sum_from(refused, 0);
  if (all_served == 0 || all_refused == 0) return 0;
  std::uint32_t ceiling = 0;
  double best = 0.0;
  std::uint32_t served_from = all_served - served[0];
  std::uint32_t refused_from = all_refused - refused[0];
  for (std::size_t figure = 1; figure <= kHighestFigure && refused_from > 0; ++figure) {
    const double parted =
        static_cast<double>(refused_from) / all_refused - static_cast<double>(served_from) / all_served;
    if (parted > best) {
      best = parted;
      ceiling = static_cast<std::uint32_t>(figure);
    }
    served_from -= served[figure];
    refused_from -= refused[figure];
  }
  return ceiling;
}

/// What connections met at their acceptance, the subject beside the others.
LoadFigure figure_of(std::span<const TableRow> table, std::uint32_t TableRow::*value) {
  LoadFigure figure;
  Histogram served{};
  Histogram refused{};
  for (const TableRow& row : table) {
    const std::size_t at = std::min<std::size_t>(row.*value, kHighestFigure);
    if (row.is_subject) figure.subject = row.*value;
    if (row.is_subject || row.refused()) {
      ++refused[at];
    } else if (row.served()) {
      ++served[at];
    }
  }
  figure.served_as_high = sum_from(served, std::min<std::size_t>(figure.subject, kHighestFigure));
  figure.ceiling = ceiling_of(served, refused);
  if (figure.ceiling == 0) return figure;
  figure.served_from = sum_from(served, figure.ceiling);
  figure.served_below = sum_from(served, 0) - figure.served_from;
  figure.refused_from = sum_from(refused, figure.ceiling);
  figure.refused_below = sum_from(refused, 0) - figure.refused_from;
  return figure;
}

}  // namespace

std::uint64_t Ledger::Addresses::hash(const IpAddress& a) noexcept {
  const auto [low, high] = words_of(a);
  return mix(low + mix(high + static_cast<std::uint64_t>(a.version)));
}

bool Ledger::Addresses::same(const IpAddress& a, const IpAddress& b) noexcept {
  return words_of(a) == words_of(b) && a.version == b.version;
}

std::uint64_t Ledger::Endpoints::hash(const Endpoint& e) noexcept { return mix(Addresses::hash(e.address) + e.port); }

bool Ledger::Endpoints::same(const Endpoint& a, const Endpoint& b) noexcept {
  return a.port == b.port && Addresses::same(a.address, b.address);
}

Ledger::Ledger(const LedgerOptions& options)
    : options_(options),
      place_mask_(std::bit_ceil(options.capacity_notes) - 1),
      servers_(options.capacity_servers),
      host_ttl_(options.capacity_hosts) {
  notes_.reserve(place_mask_ + 1);
  table_.reserve(kRowsAfter + kRowsBefore);
  closings_.reserve(kRowsAfter + kRowsBefore);
  usual_words_.reserve(kRowsAfter + kRowsBefore);
}

Ledger::Note* Ledger::note_numbered(std::uint64_t serial) {
  if (serial == kNone || next_serial_ - serial > options_.capacity_notes) return nullptr;
  return &notes_[serial & place_mask_];
}

std::uint64_t Ledger::older_than(std::uint64_t serial, std::uint32_t by) const { return by == 0 ? kNone : serial - by; }

/// The serial number of a new note, which takes the place of the oldest one where they are too many.
std::uint64_t Ledger::provide_note() {
  const std::uint64_t serial = next_serial_++;
  if (serial >= options_.capacity_notes) {
    ++notes_forgotten_;
    const Note& oldest = notes_[(serial - options_.capacity_notes) & place_mask_];
    if (oldest.outcome == Outcome::open) open_notes_.take(oldest.connection_id);
  }
  if (notes_.size() <= place_mask_) notes_.emplace_back();
  return serial;
}

void Ledger::accepted(const tcp::ConnectionSummary& connection, TimeNs now_ns) {
  Server& server = servers_.touch(connection.responder);
  const std::uint64_t serial = provide_note();
  const auto distance_to = [serial](std::uint64_t older) {
    return older == kNone || serial - older > std::numeric_limits<std::uint32_t>::max()
               ? std::uint32_t{0}
               : static_cast<std::uint32_t>(serial - older);
  };
  notes_[serial & place_mask_] = Note{.accepted_ns = now_ns,
                                      .closed_ns = kStillOpen,
                                      .connection_id = connection.id,
                                      .older_by = distance_to(server.newest),
                                      .milestone_by = distance_to(server.milestone),
                                      .client = connection.originator.address};
  server.newest = serial;
  if (server.until_milestone == 0) {
    server.milestone = serial;
    server.until_milestone = kMilestone;
  }
  --server.until_milestone;
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
  if (Note* note = note_numbered(serial)) {
    note->closed_ns = ended.closed_ns;
    note->outcome = ended.outcome;
    note->cut_short = ended.cut_short;
    note->words = ended.words;
    note->only_greeted = ended.only_greeted;
    note->beginning_unseen = ended.beginning_unseen;
    note->idle_ns = ended.idle_ns;
  }
}

void Ledger::syn_was_reset(const Endpoint& endpoint, TimeNs now_ns) {
  // Only endpoints that were seen to accept matter: a port scan must not push the real servers out.
  Server* const server = servers_.find(endpoint);
  if (server == nullptr) return;
  ServerMarks& marks = server->marks;
  const bool known =
      marks.closure_count > 0 &&
      marks.closures[(marks.closure_count - 1) % marks.closures.size()].first_reset_ns > marks.last_accept_ns;
  if (known) return;
  PortClosure closure{.first_reset_ns = now_ns, .last_accept_ns = marks.last_accept_ns};
  std::uint64_t serial = server->newest;
  for (const Note* note = note_numbered(serial); note != nullptr; note = note_numbered(serial)) {
    serial = older_than(serial, note->older_by);
    if (marks.last_accept_ns - note->accepted_ns > kSecondNs) break;
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

void Ledger::handshake_was_ignored(const Endpoint& server, TimeNs now_ns) {
  servers_.touch(server).marks.last_overflow_ns = now_ns;
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

/// The note from which a judgement reads back: late enough for the rows behind the subject's end.
std::uint64_t Ledger::first_to_read(const Server& server, TimeNs closed_ns) {
  std::uint64_t serial = server.newest;
  std::uint64_t milestone = server.milestone;
  for (const Note* note = note_numbered(milestone); note != nullptr && note->accepted_ns > closed_ns;) {
    const std::uint64_t earlier = older_than(milestone, note->milestone_by);
    note = note_numbered(earlier);
    // From the milestone on there may be fewer than the rows wanted; from the one behind it there are enough.
    if (note != nullptr && note->accepted_ns > closed_ns) serial = milestone;
    milestone = earlier;
  }
  return serial;
}

void Ledger::lay_out(const Subject& subject) {
  table_.clear();
  if (servers_.find(subject.server) == nullptr) return;
  const TimeNs since = subject.accepted_ns - options_.window_ns;
  std::uint64_t serial = first_to_read(servers_.touch(subject.server), subject.closed_ns);
  std::size_t after = 0;
  std::size_t before = 0;
  for (std::size_t read = 0; read < kNotesRead; ++read) {
    const Note* note = note_numbered(serial);
    if (note == nullptr) break;
    serial = older_than(serial, note->older_by);
    // A session of hours holds its place, however long ago it began.
    const bool open = note->outcome == Outcome::open;
    const TimeNs closed = open ? kStillOpen : note->closed_ns;
    if (closed < since) continue;
    const bool is_subject = note->connection_id == subject.connection_id;
    const bool is_after = note->accepted_ns > subject.closed_ns;
    const bool beside = !is_after && closed > subject.accepted_ns;
    if (!is_subject && !beside && !is_after && ++before > kRowsBefore) continue;
    // What was open before the subject's end and still is has outlived the settle time: it is being served.
    const Outcome outcome = open && !is_after && !is_subject ? Outcome::served : note->outcome;
    const TableRow row{.accepted_ns = note->accepted_ns,
                       .closed_ns = closed,
                       .client = note->client,
                       .outcome = outcome,
                       .cut_short = note->cut_short,
                       .only_greeted = note->only_greeted,
                       .beginning_unseen = note->beginning_unseen,
                       .is_subject = is_subject,
                       .idle_ns = note->idle_ns,
                       .words = note->words};
    // Newest first: of those behind the subject's end, the last ones read are the next in time and replace the others.
    if (is_after && after >= kRowsAfter) {
      table_[after % kRowsAfter] = row;
    } else {
      table_.push_back(row);
    }
    after += is_after ? 1 : 0;
  }
}

/// Words that were the last ones, on a server that greets those whom it serves otherwise, were a refusal. Where nobody
/// gets beyond the greeting (daytime, whois) the greeting is the service.
void Ledger::find_unusual_greetings() {
  usual_words_.clear();
  for (const TableRow& row : table_) {
    if (row.served() && !row.only_greeted && row.words != 0) usual_words_.push_back(row.words);
  }
  if (usual_words_.empty()) return;
  std::sort(usual_words_.begin(), usual_words_.end());
  for (TableRow& row : table_) {
    if (!row.served() || !row.only_greeted || row.words == 0) continue;
    if (!std::binary_search(usual_words_.begin(), usual_words_.end(), row.words)) {
      row.outcome = Outcome::refused_in_words;
    }
  }
}

void Ledger::count_clients(const Subject& subject, Contrast& out) {
  std::sort(table_.begin(), table_.end(), [](const TableRow& a, const TableRow& b) {
    return std::tie(a.client, a.accepted_ns) < std::tie(b.client, b.accepted_ns);
  });
  for (auto row = table_.begin(); row != table_.end();) {
    const IpAddress client = row->client;
    std::uint32_t served = 0;
    std::uint32_t refused = 0;
    std::uint32_t both_counts_subject = 0;
    for (; row != table_.end() && row->client == client; ++row) {
      if (row->is_subject) {
        both_counts_subject = 1;
      } else if (row->served()) {
        ++served;
      } else if (row->refused()) {
        ++refused;
      }
    }
    out.served += served;
    out.refused += refused;
    out.clients_both += (served > 0 && refused + both_counts_subject > 0) ? 1 : 0;
    if (client == subject.client) {
      out.same_client_served = served;
      out.same_client_refused = refused;
    } else {
      out.clients_served += served > 0 ? 1 : 0;
      out.clients_refused += refused > 0 ? 1 : 0;
    }
  }
}

void Ledger::count_endings(const Subject& subject, Contrast& out) const {
  for (const TableRow& row : table_) {
    if (row.is_subject) {
      out.subject_accepted = true;
      continue;
    }
    if (row.served() && row.words != 0 && subject.words != 0) {
      ++(row.words == subject.words ? out.served_same_words : out.served_other_words);
    }
    if (row.accepted_ns > subject.closed_ns) {
      if (row.served() && (out.served_again_ns == kNoTime || row.accepted_ns < out.served_again_ns)) {
        out.served_again_ns = row.accepted_ns;
      }
      continue;
    }
    if (row.closed_ns < subject.closed_ns - kTogetherNs) continue;
    const bool together = row.closed_ns <= subject.closed_ns + kTogetherNs;
    if (together && row.beginning_unseen) {
      ++out.unseen_together;
    } else if (together && row.cut_short && !is_same_timer(row.idle_ns, subject.idle_ns)) {
      ++out.ended_together;
    } else if (!together && row.is_session()) {
      ++out.went_on;
    }
  }
}

/// Expects the table sorted by client and time: each client's run is short and in order.
void Ledger::measure_client_load() {
  constexpr std::size_t kLookBack = 64;
  for (std::size_t first = 0; first < table_.size();) {
    std::size_t last = first;
    while (last < table_.size() && table_[last].client == table_[first].client) ++last;
    for (std::size_t i = first; i < last; ++i) {
      TableRow& row = table_[i];
      for (std::size_t j = i; j-- > first && i - j < kLookBack;) {
        row.open_client += table_[j].is_session() && table_[j].closed_ns > row.accepted_ns ? 1 : 0;
        row.arrivals_client += row.accepted_ns - table_[j].accepted_ns <= kArrivalsClientNs ? 1 : 0;
      }
    }
    first = last;
  }
}

/// Open sessions over all clients: those opened so far less those closed so far. Sorts the table by time.
void Ledger::measure_total_load() {
  std::sort(table_.begin(), table_.end(),
            [](const TableRow& a, const TableRow& b) { return a.accepted_ns < b.accepted_ns; });
  closings_.clear();
  for (const TableRow& row : table_) {
    if (row.is_session()) closings_.push_back(row.closed_ns);
  }
  std::sort(closings_.begin(), closings_.end());
  std::uint32_t opened = 0;
  std::uint32_t closed = 0;
  std::size_t recent = 0;
  for (std::size_t i = 0; i < table_.size(); ++i) {
    TableRow& row = table_[i];
    while (closed < closings_.size() && closings_[closed] <= row.accepted_ns) ++closed;
    while (row.accepted_ns - table_[recent].accepted_ns > kArrivalsTotalNs) ++recent;
    row.open_total = opened > closed ? opened - closed : 0;
    row.arrivals_total = static_cast<std::uint32_t>(i - recent);
    opened += row.is_session() ? 1 : 0;
  }
}

void Ledger::count_load(Contrast& out) const {
  out.open_total = figure_of(table_, &TableRow::open_total);
  out.open_client = figure_of(table_, &TableRow::open_client);
  out.arrivals_total = figure_of(table_, &TableRow::arrivals_total);
  out.arrivals_client = figure_of(table_, &TableRow::arrivals_client);
}

Contrast Ledger::contrast(const Subject& subject) {
  Contrast out;
  lay_out(subject);
  find_unusual_greetings();
  count_endings(subject, out);
  count_clients(subject, out);
  measure_client_load();
  measure_total_load();
  count_load(out);
  return out;
}

}  // namespace doorslam::diagnose
