#include "pipeline/diagnose/ledger.h"

#include <algorithm>
#include <array>
#include <span>

/// What an analyst asks the ledger: the other connections of a server, laid out as a table, and what they say beside
/// the one that is judged.
namespace doorslam::diagnose {

namespace {

using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using flowtable::TimeNs;

constexpr flowtable::DurationNs kArrivalsTotalNs = kSecondNs;
constexpr flowtable::DurationNs kArrivalsClientNs = 60 * kSecondNs;

/// Two sessions that were idle equally long have met the server's idle timer, not its death.
bool is_same_timer(flowtable::DurationNs a, flowtable::DurationNs b) {
  if (std::min(a, b) < kSecondNs) return false;
  return std::abs(a - b) <= std::max<flowtable::DurationNs>(20 * kMillisecondNs, a / 50);
}

/// Connections that begin within this of each other may meet one event rather than one timer.
constexpr flowtable::DurationNs kApartNs = 100 * kMillisecondNs;

/// Counts by figure; higher figures than this are all alike.
constexpr std::size_t kHighestFigure = 255;

/// How many of the served and of the refused met each figure.
struct Histograms {
  std::array<std::uint32_t, kHighestFigure + 1> served;  ///< the first `size` are set
  std::array<std::uint32_t, kHighestFigure + 1> refused;
  std::size_t size = 0;

  explicit Histograms(std::size_t highest) : size(highest + 1) {
    std::fill_n(served.begin(), size, 0);
    std::fill_n(refused.begin(), size, 0);
  }
  std::uint32_t served_from(std::size_t figure) const { return sum_from(served, figure); }
  std::uint32_t refused_from(std::size_t figure) const { return sum_from(refused, figure); }

 private:
  std::uint32_t sum_from(const std::array<std::uint32_t, kHighestFigure + 1>& counts, std::size_t first) const {
    std::uint32_t sum = 0;
    for (std::size_t figure = first; figure < size; ++figure) sum += counts[figure];
    return sum;
  }
};

/// The figure that parts served and refused best.
std::uint32_t ceiling_of(const Histograms& histograms) {
  const std::uint32_t all_served = histograms.served_from(0);
  const std::uint32_t all_refused = histograms.refused_from(0);
  if (all_served == 0 || all_refused == 0) return 0;
  std::uint32_t ceiling = 0;
  double best = 0.0;
  std::uint32_t served_from = all_served - histograms.served[0];
  std::uint32_t refused_from = all_refused - histograms.refused[0];
  for (std::size_t figure = 1; figure < histograms.size && refused_from > 0; ++figure) {
    const double parted =
        Parting{refused_from, all_refused - refused_from, served_from, all_served - served_from}.fit();
    if (parted > best) {
      best = parted;
      ceiling = static_cast<std::uint32_t>(figure);
    }
    served_from -= histograms.served[figure];
    refused_from -= histograms.refused[figure];
  }
  return ceiling;
}

/// What connections met at their acceptance, the subject beside the others. `served`: of the others, all told.
LoadFigure figure_of(std::span<const TableRow> table, std::uint32_t served, std::uint32_t TableRow::*value) {
  std::uint32_t highest = 0;
  for (const TableRow& row : table) highest = std::max(highest, row.*value);
  LoadFigure figure;
  if (highest == 0) {
    figure.served_as_high = served;
    return figure;
  }
  Histograms histograms(std::min<std::size_t>(highest, kHighestFigure));
  for (const TableRow& row : table) {
    const std::size_t at = std::min<std::size_t>(row.*value, kHighestFigure);
    if (row.is_subject) figure.subject = row.*value;
    if (row.own_end != OwnEnd::untold && !row.is_subject) continue;
    if (row.is_subject || row.refused()) {
      ++histograms.refused[at];
    } else if (row.served()) {
      ++histograms.served[at];
    }
  }
  figure.served_as_high = histograms.served_from(std::min<std::size_t>(figure.subject, kHighestFigure));
  figure.ceiling = ceiling_of(histograms);
  if (figure.ceiling == 0) return figure;
  figure.served_from = histograms.served_from(figure.ceiling);
  figure.served_below = histograms.served_from(0) - figure.served_from;
  figure.refused_from = histograms.refused_from(figure.ceiling);
  figure.refused_below = histograms.refused_from(0) - figure.refused_from;
  return figure;
}

/// The first row that was accepted at that time or later. Most sessions are over a few rows after their own.
std::size_t first_row_from(std::span<const TableRow> table, std::size_t own, TimeNs time_ns) {
  if (table[own].accepted_ns >= time_ns) {
    const auto is_before = [time_ns](const TableRow& row) { return row.accepted_ns < time_ns; };
    return static_cast<std::size_t>(std::ranges::partition_point(table.first(own), is_before) - table.begin());
  }
  std::size_t low = own;  // accepted before that time
  std::size_t step = 1;
  while (low + step < table.size() && table[low + step].accepted_ns < time_ns) {
    low += step;
    step *= 2;
  }
  std::size_t high = std::min(low + step, table.size());
  while (high - low > 1) {
    const std::size_t middle = low + (high - low) / 2;
    (table[middle].accepted_ns < time_ns ? low : high) = middle;
  }
  return high;
}

/// The windows of one host differ with what clients offer, and so do its options: only what no client decides counts.
bool is_same_server(const tcp::AnsweringStack& a, const tcp::AnsweringStack& b) {
  if (a.ttl != b.ttl || a.dont_fragment != b.dont_fragment || a.ip_id_zero != b.ip_id_zero) return false;
  return a.options != b.options || a.window == b.window;
}

/// Served and refused by each of those that answered at one endpoint, `here` being the one that the subject met.
class StackCounts {
 public:
  StackCounts(const AnsweringStacks& stacks, std::uint8_t here) : stacks_(stacks), here_(stacks.numbered(here)) {}

  bool is_here(std::uint8_t number) const { return is_same_server(stacks_.numbered(number), here_); }
  void add_served(std::uint8_t number) { ++served_[number]; }
  void add_refused(std::uint8_t number) { ++refused_[number]; }

  void tell(ServersBehind& out) const {
    out.here = here_;
    std::uint32_t most_served = 0;
    for (std::uint8_t number = 1; number <= stacks_.count(); ++number) {
      if (is_here(number)) {
        out.served_here += served_[number];
        continue;
      }
      out.refused_elsewhere += refused_[number];
      out.served_elsewhere += served_[number];
      if (served_[number] + refused_[number] == 0) continue;  // not on the table
      out.others += is_first_of_its_server(number) ? 1 : 0;
      if (served_[number] <= most_served) continue;
      most_served = served_[number];
      out.elsewhere = stacks_.numbered(number);
    }
  }

 private:
  bool is_first_of_its_server(std::uint8_t number) const {
    for (std::uint8_t earlier = 1; earlier < number; ++earlier) {
      if (served_[earlier] + refused_[earlier] == 0) continue;
      if (is_same_server(stacks_.numbered(earlier), stacks_.numbered(number))) return false;
    }
    return true;
  }

  const AnsweringStacks& stacks_;
  const tcp::AnsweringStack& here_;
  std::array<std::uint32_t, AnsweringStacks::kMost + 1> served_{};  ///< by number
  std::array<std::uint32_t, AnsweringStacks::kMost + 1> refused_{};
};

/// Whether the served began to speak as the subject's client did.
void count_opening(Opening served, Opening subject, Contrast& out) {
  if (served == Opening::none || subject == Opening::none) return;
  if (served == subject) {
    ++out.served_same_opening;
    return;
  }
  const bool alike = out.served_other_opening++ == 0 || out.other_opening == served;
  out.other_opening = alike ? served : Opening::none;
}

}  // namespace

TableRow Ledger::row_of(const Note& note, const Subject& subject) const {
  const bool open = note.outcome == Outcome::open;
  const bool is_subject = note.connection_id == subject.connection_id;
  const bool is_after = note.accepted_ns > subject.closed_ns;
  return {.accepted_ns = note.accepted_ns,
          .closed_ns = open ? kStillOpen : note.closed_ns,
          .client = note.client,
          // What was open before the subject's end and still is has outlived the settle time: it is being served.
          .outcome = open && !is_after && !is_subject ? Outcome::served : note.outcome,
          .cut = note.cut,
          .client_spoke_first = note.client_spoke_first,
          .hung_up_soon = note.hung_up_soon,
          .unproven = note.unproven,
          .own_end = note.own_end,
          .beginning_unseen = note.beginning_unseen,
          .is_subject = is_subject,
          .stack = note.stack,
          .clock = note.clock,
          .idle_ns = note.idle_ms * kMillisecondNs,
          .words = note.words,
          .opening = static_cast<Opening>(note.opening)};
}

/// The chain of notes is followed from one to the next: without this, each step would wait for memory.
void Ledger::fetch_far_older(std::uint64_t serial) const noexcept {
  const std::uint32_t by = far_older_by_[serial & place_mask_];
  if (by == 0) return;
  const std::uint64_t place = (serial - by) & place_mask_;
  flowtable::prefetch_line(notes_.data() + place);
  flowtable::prefetch_line(far_older_by_.data() + place);
}

/// The note before that milestone, or further back: from milestone to milestone past all notes that were accepted by
/// one time, and closed before the other. Those stepped over count as read.
std::uint64_t Ledger::step_over(std::uint64_t milestone, TimeNs closed_before_ns, TimeNs accepted_by_ns,
                                std::size_t& read) const noexcept {
  while (true) {
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
  laid_out_.clear();
  if (servers_.find(subject.server) == nullptr) return;
  const TimeNs since = subject.accepted_ns - options_.window_ns;
  std::uint64_t serial = first_to_read(servers_.touch(subject.server), subject.closed_ns);
  // Newest first: of those behind the subject's end, the last ones read are the next in time and replace the others.
  std::array<Note*, kRowsAfter> notes_after;
  std::size_t after = 0;
  std::size_t before = 0;
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
    laid_out_.push_back({note.accepted_ns, &note});
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
  std::reverse(laid_out_.begin(), laid_out_.end());
  for (std::size_t left = std::min(after, kRowsAfter); left-- > 0;) {
    Note* const note = notes_after[--after % kRowsAfter];
    laid_out_.push_back({note->accepted_ns, note});
  }
  const auto is_earlier = [](const LaidOut& a, const LaidOut& b) { return a.accepted_ns < b.accepted_ns; };
  // One that was filed late stands out of order.
  if (!std::is_sorted(laid_out_.begin(), laid_out_.end(), is_earlier)) {
    std::stable_sort(laid_out_.begin(), laid_out_.end(), is_earlier);
  }
  for (const LaidOut& row : laid_out_) table_.push_back(row_of(*row.note, subject));
}

/// Gives each client of the table a number, and chains its rows.
void Ledger::number_clients() {
  clients_.clear();
  client_slots_.assign(std::bit_ceil(2 * table_.size() + 1), 0);
  const std::size_t mask = client_slots_.size() - 1;
  const Addresses addresses{options_.hash_key};
  for (std::size_t i = 0; i < table_.size(); ++i) {
    TableRow& row = table_[i];
    std::size_t slot = addresses.hash(row.client) & mask;
    while (client_slots_[slot] != 0) {
      const TableClient& other = clients_[client_slots_[slot] - 1];
      if (Addresses::same(table_[other.latest_row - 1].client, row.client)) break;
      slot = (slot + 1) & mask;
    }
    if (client_slots_[slot] == 0) {
      clients_.emplace_back();
      client_slots_[slot] = static_cast<std::uint32_t>(clients_.size());
    }
    row.client_number = client_slots_[slot] - 1;
    TableClient& client = clients_[row.client_number];
    row.client_before = client.latest_row;
    client.latest_row = static_cast<std::uint32_t>(i + 1);
  }
}

/// First words that were the last ones, on a server that begins the sessions that go on otherwise, were a refusal.
/// Where nobody gets beyond them (daytime, whois) they are the service.
void Ledger::find_unusual_words(Contrast& out) {
  usual_words_.clear();
  if (std::ranges::none_of(table_, &TableRow::hung_up_soon)) return;
  for (const TableRow& row : table_) {
    if (!row.served() || row.hung_up_soon || row.unproven || row.is_subject) continue;
    ++out.went_further;
    if (row.words != 0) usual_words_.push_back(row.words);
  }
  if (usual_words_.empty()) return;
  std::sort(usual_words_.begin(), usual_words_.end());
  out.usual_words = static_cast<std::uint32_t>(usual_words_.size());
  out.usual_kinds = 1;
  for (std::size_t i = 1; i < usual_words_.size(); ++i) out.usual_kinds += usual_words_[i] != usual_words_[i - 1];
  for (TableRow& row : table_) {
    if (!row.served() || !row.hung_up_soon || row.words == 0) continue;
    if (!std::binary_search(usual_words_.begin(), usual_words_.end(), row.words)) {
      row.outcome = Outcome::refused_in_words;
    }
  }
}

void Ledger::count_clients(const Subject& subject, Contrast& out) {
  for (const TableRow& row : table_) {
    TableClient& client = clients_[row.client_number];
    client.is_subject = client.is_subject || row.is_subject;
    if (row.is_subject) continue;
    client.served += row.served() ? 1 : 0;
    client.refused += row.refused() ? 1 : 0;
  }
  for (const TableClient& client : clients_) {
    out.served += client.served;
    out.refused += client.refused;
    out.clients_both += (client.served > 0 && client.refused + (client.is_subject ? 1 : 0) > 0) ? 1 : 0;
    if (Addresses::same(table_[client.latest_row - 1].client, subject.client)) {
      out.same_client_served = client.served;
      out.same_client_refused = client.refused;
    } else {
      out.clients_served += client.served > 0 ? 1 : 0;
      out.clients_refused += client.refused > 0 ? 1 : 0;
    }
  }
}

void Ledger::count_servers_by_habits(const Subject& subject, Contrast& out) {
  const Server* const server = servers_.find(subject.server);
  if (server == nullptr || server->marks.stacks.count() < 2) return;
  const auto found = std::ranges::find_if(table_, &TableRow::is_subject);
  if (found == table_.end() || found->stack == 0) return;
  StackCounts counts(server->marks.stacks, found->stack);
  ServersBehind& servers = out.servers_by_habits;
  std::uint32_t served_since = 0;
  for (const TableRow& row : table_) {
    if (row.stack == 0) continue;
    const bool here = counts.is_here(row.stack);
    TableClient& client = clients_[row.client_number];
    (here ? client.met_here : client.met_elsewhere) = true;
    if (row.is_subject || row.refused()) {
      counts.add_refused(row.stack);
      if (!here) continue;
      // Before the first refusal the other server may have been the only one.
      if (servers.refused_here++ > 0) servers.served_meanwhile += served_since;
      served_since = 0;
    } else if (row.served()) {
      counts.add_served(row.stack);
      served_since += here ? 0 : 1;
      servers.same_client_served_here += here && row.client_number == found->client_number ? 1 : 0;
    }
  }
  counts.tell(servers);
  servers.clients_of_both = static_cast<std::uint32_t>(std::ranges::count_if(
      clients_, [](const TableClient& client) { return client.met_here && client.met_elsewhere; }));
  servers.chance = chance_of(
      Draw{.all = servers.refused_here + servers.served_here + servers.refused_elsewhere + servers.served_elsewhere,
           .marked = servers.refused_here + servers.served_here,
           .drawn = servers.refused_here + servers.refused_elsewhere,
           .drawn_marked = servers.refused_here});
}

/// What the hosts' clocks were when they answered this client, by time.
void Ledger::read_clocks(std::uint32_t client_number) {
  clock_readings_.clear();
  for (std::uint32_t at = clients_[client_number].latest_row; at != 0; at = table_[at - 1].client_before) {
    const TableRow& row = table_[at - 1];
    const Fate fate = row.is_subject || row.refused() ? Fate::refused : row.served() ? Fate::served : Fate::open;
    clock_readings_.push_back(
        {.time_ns = row.accepted_ns, .clock = row.clock, .fate = fate, .is_subject = row.is_subject});
  }
  std::reverse(clock_readings_.begin(), clock_readings_.end());
}

/// Clocks can be compared for one client at a time only, so each client that met several hosts is a witness by itself.
void Ledger::count_servers_by_clocks(Contrast& out) {
  const auto subject = std::ranges::find_if(table_, &TableRow::is_subject);
  if (subject == table_.end() || subject->clock == 0) return;
  read_clocks(subject->client_number);
  const std::uint32_t rate = clock_rate(clock_readings_);
  const HostTally own = rate == 0 ? HostTally{} : tally_hosts(clock_readings_, rate);
  if (own.hosts < 2) return;
  ServersBehind& servers = out.servers_by_clocks;
  servers.same_client_served_here = own.served_here;
  for (std::uint32_t number = 0; number < clients_.size(); ++number) {
    read_clocks(number);
    const HostTally tally = tally_hosts(clock_readings_, rate);
    if (tally.hosts < 2) continue;
    ++servers.clients_of_both;
    servers.others = std::max(servers.others, tally.hosts - 1);
    servers.refused_here += tally.refused_here;
    servers.served_here += tally.served_here;
    servers.refused_elsewhere += tally.refused_elsewhere;
    servers.served_elsewhere += tally.served_elsewhere;
    servers.served_meanwhile += tally.served_meanwhile;
    servers.chance *= tally.chance;
  }
}

/// How those to whom the server spoke came to it, and whom it never spoke to.
void Ledger::count_speech(const Subject& subject, Contrast& out) const {
  const flowtable::DurationNs age = subject.closed_ns - subject.accepted_ns;
  for (const TableRow& row : table_) {
    if (row.is_subject) continue;
    out.served_on_asking += row.served() && row.client_spoke_first ? 1 : 0;
    out.served_unasked += row.served() && !row.client_spoke_first && row.words != 0 ? 1 : 0;
    const bool got_nothing = row.outcome == Outcome::unanswered || row.outcome == Outcome::left;
    out.never_answered += got_nothing && row.client_spoke_first ? 1 : 0;
    const bool unspoken_to = row.outcome == Outcome::refused_silently || row.outcome == Outcome::left;
    const bool began_apart = std::abs(row.accepted_ns - subject.accepted_ns) > kApartNs;
    if (unspoken_to && began_apart && is_same_timer(row.closed_ns - row.accepted_ns, age)) ++out.same_age;
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
    if (row.served()) count_opening(row.opening, subject.opening, out);
    if (row.accepted_ns > subject.closed_ns) {
      if (row.served() && (out.served_again_ns == kNoTime || row.accepted_ns < out.served_again_ns)) {
        out.served_again_ns = row.accepted_ns;
      }
      continue;
    }
    if (row.closed_ns < subject.closed_ns - kTogetherNs) continue;
    const bool together = row.closed_ns <= subject.closed_ns + kTogetherNs;
    out.told_of_crash += together && row.own_end == OwnEnd::crashed ? 1 : 0;
    out.told_of_stop += together && row.own_end == OwnEnd::stopped ? 1 : 0;
    out.stopped_together += together && row.cut != Cut::none ? 1 : 0;
    if (together && row.beginning_unseen) {
      ++out.unseen_together;
    } else if (together && (row.cut == Cut::in_midst || row.cut == Cut::at_rest) &&
               !is_same_timer(row.idle_ns, subject.idle_ns)) {
      ++(row.cut == Cut::in_midst ? out.ended_together : out.rested_together);
    } else if (!together && row.is_session()) {
      ++out.went_on;
    }
  }
  // Whom a death meets at rest is its witness only where it meets somebody at work as well.
  if (out.ended_together == 0 && subject.closed_at_rest) return;
  out.ended_together += out.rested_together;
  out.rested_together = 0;
}

void Ledger::measure_client_load() {
  constexpr std::size_t kLookBack = 63;
  for (TableRow& row : table_) {
    std::uint32_t earlier = row.client_before;
    for (std::size_t steps = 0; earlier != 0 && steps < kLookBack; ++steps) {
      const TableRow& other = table_[earlier - 1];
      row.open_client += other.is_session() && other.closed_ns > row.accepted_ns ? 1 : 0;
      row.arrivals_client += row.accepted_ns - other.accepted_ns <= kArrivalsClientNs ? 1 : 0;
      earlier = other.client_before;
    }
  }
}

/// Open sessions over all clients: those opened so far less those closed so far.
void Ledger::measure_total_load() {
  closed_by_.assign(table_.size(), 0);
  for (std::size_t i = 0; i < table_.size(); ++i) {
    const TableRow& row = table_[i];
    if (!row.is_session() || row.closed_ns > table_.back().accepted_ns) continue;
    ++closed_by_[first_row_from(table_, i, row.closed_ns)];
  }
  std::uint32_t opened = 0;
  std::uint32_t closed = 0;
  std::size_t recent = 0;
  for (std::size_t i = 0; i < table_.size(); ++i) {
    TableRow& row = table_[i];
    closed += closed_by_[i];
    while (row.accepted_ns - table_[recent].accepted_ns > kArrivalsTotalNs) ++recent;
    row.open_total = opened > closed ? opened - closed : 0;
    row.arrivals_total = static_cast<std::uint32_t>(i - recent);
    opened += row.is_session() ? 1 : 0;
  }
}

void Ledger::count_load(Contrast& out) const {
  out.open_total = figure_of(table_, out.served, &TableRow::open_total);
  out.open_client = figure_of(table_, out.served, &TableRow::open_client);
  out.arrivals_total = figure_of(table_, out.served, &TableRow::arrivals_total);
  out.arrivals_client = figure_of(table_, out.served, &TableRow::arrivals_client);
}

Contrast Ledger::contrast(const Subject& subject) {
  Contrast out;
  lay_out(subject);
  number_clients();
  find_unusual_words(out);
  count_endings(subject, out);
  count_speech(subject, out);
  count_clients(subject, out);
  count_servers_by_habits(subject, out);
  count_servers_by_clocks(out);
  measure_client_load();
  measure_total_load();
  count_load(out);
  return out;
}

}  // namespace doorslam::diagnose
