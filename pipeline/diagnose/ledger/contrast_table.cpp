#include "pipeline/diagnose/ledger/contrast_table.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

namespace doorslam::diagnose {

namespace {

using flowtable::kMillisecondNs;
using flowtable::kNoTime;
using flowtable::kSecondNs;
using flowtable::TimeNs;

/// Two sessions that were idle equally long have met the server's idle timer, not its death.
bool is_same_timer(flowtable::DurationNs a, flowtable::DurationNs b) {
  if (std::min(a, b) < kSecondNs) return false;
  return std::abs(a - b) <= std::max<flowtable::DurationNs>(20 * kMillisecondNs, a / 50);
}

/// A server that does its work, and no other for each client, takes as long over the last words of one as of another.
bool is_same_pause(flowtable::DurationNs a, flowtable::DurationNs b) {
  return std::abs(a - b) <= std::max<flowtable::DurationNs>(20 * kMillisecondNs, a / 20);
}

/// Connections that begin within this of each other may meet one event rather than one timer.
constexpr flowtable::DurationNs kApartNs = 100 * kMillisecondNs;

/// It was open then, and for longer than anybody is refused or looked at in passing.
bool is_idle_at(const TableRow& row, TimeNs time_ns) {
  return row.accepted_ns < time_ns && row.closed_ns > time_ns && row.closed_ns - row.accepted_ns >= kSecondNs;
}

/// Whether the served began to speak as the subject's client did.
void count_opening(Opening served, Opening subject, Contrast& out) {
  if (served == Opening::none || subject == Opening::none) return;
  if (served == subject) {
    ++out.openings.served_same;
    return;
  }
  const bool alike = out.openings.served_other++ == 0 || out.openings.other == served;
  out.openings.other = alike ? served : Opening::none;
}

}  // namespace

ContrastTable::ContrastTable(std::size_t rows, const flowtable::HashKey& hash_key) : addresses_{hash_key} {
  row_places_.reserve(rows);
  clients_.reserve(rows);
  closed_by_.reserve(rows);
  usual_words_.reserve(rows);
}

Contrast ContrastTable::contrast(const Subject& subject, const AnsweringStacks& stacks) {
  Contrast out;
  // First: it calls some of the served refused, and all others count by that.
  find_unusual_words(out);
  number_clients(subject.client);
  count_endings(subject, out);
  count_speech(subject, out);
  count_clients(out);
  count_servers_by_habits(stacks, out);
  count_servers_by_clocks(out);
  highest_ = {};
  measure_client_load();
  measure_total_load();
  count_load(out);
  find_spells(out);
  return out;
}

/// Where the client is in client_slots_, or the free slot where it belongs.
std::size_t ContrastTable::slot_of(const flowtable::IpAddress& client) const noexcept {
  const std::size_t mask = client_slots_.size() - 1;
  std::size_t slot = addresses_.hash(client) & mask;
  while (client_slots_[slot] != 0) {
    const Client& other = clients_[client_slots_[slot] - 1];
    if (AddressKeys::same(rows_[other.latest_row - 1].client, client)) break;
    slot = (slot + 1) & mask;
  }
  return slot;
}

/// Gives each client of the table a number, chains its rows, and counts what became of them.
void ContrastTable::number_clients(const flowtable::IpAddress& subject) {
  clients_.assign(rows_.size(), {});
  client_slots_.assign(std::bit_ceil(2 * rows_.size() + 1), 0);
  std::uint32_t known = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    TableRow& row = rows_[i];
    std::uint32_t& number = client_slots_[slot_of(row.client)];
    if (number == 0) number = ++known;
    row.client_number = number - 1;
    Client& client = clients_[row.client_number];
    row.client_before = client.latest_row;
    client.latest_row = static_cast<std::uint32_t>(i + 1);
    client.is_subject |= row.is_subject;
    client.served += row.served() && !row.is_subject ? 1 : 0;
    client.refused += row.refused() && !row.is_subject ? 1 : 0;
  }
  clients_.resize(known);
  subject_client_ = client_slots_[slot_of(subject)];
}

/// First words that were the last ones, on a server that begins the sessions that go on otherwise, were a refusal.
/// Where nobody gets beyond them (daytime, whois) they are the service.
void ContrastTable::find_unusual_words(Contrast& out) {
  usual_words_.clear();
  if (std::ranges::none_of(rows_, &TableRow::hung_up_soon)) return;
  for (const TableRow& row : rows_) {
    if (!row.served() || row.hung_up_soon || row.unproven || row.is_subject) continue;
    ++out.greetings.went_further;
    if (row.words != 0) usual_words_.push_back(row.words);
  }
  if (usual_words_.empty()) return;
  std::sort(usual_words_.begin(), usual_words_.end());
  out.greetings.usual = static_cast<std::uint32_t>(usual_words_.size());
  out.greetings.kinds = 1;
  for (std::size_t i = 1; i < usual_words_.size(); ++i) out.greetings.kinds += usual_words_[i] != usual_words_[i - 1];
  for (TableRow& row : rows_) {
    if (!row.served() || !row.hung_up_soon || row.words == 0) continue;
    if (!std::binary_search(usual_words_.begin(), usual_words_.end(), row.words)) {
      row.outcome = Outcome::refused_in_words;
      row.by_unusual_words = true;
    }
  }
}

void ContrastTable::count_endings(const Subject& subject, Contrast& out) const {
  for (const TableRow& row : rows_) {
    if (row.is_subject) {
      out.subject_accepted = true;
      continue;
    }
    out.greetings.served_same += row.served() && row.words != 0 && row.words == subject.words ? 1 : 0;
    if (row.served()) count_opening(row.opening, subject.opening, out);
    if (row.accepted_ns > subject.closed_ns) {
      if (row.served() && (out.served_again_ns == kNoTime || row.accepted_ns < out.served_again_ns)) {
        out.served_again_ns = row.accepted_ns;
      }
      continue;
    }
    if (row.closed_ns < subject.closed_ns - kTogetherNs) continue;
    const bool together = row.closed_ns <= subject.closed_ns + kTogetherNs;
    out.endings.told_of_crash += together && row.own_end == OwnEnd::crashed ? 1 : 0;
    out.endings.told_of_stop += together && row.own_end == OwnEnd::stopped ? 1 : 0;
    // A process that dies with it accepts nobody afterwards.
    if (subject.beginning_seen && row.closed_ns < subject.accepted_ns) continue;
    // Whom it had refused in known words was no session to be cut short, unless they were that it ended itself.
    const bool was_refused = row.outcome == Outcome::refused_in_words && !row.by_unusual_words && row.hung_up_soon &&
                             row.own_end == OwnEnd::untold;
    const Cut cut = was_refused ? Cut::none : row.cut;
    out.endings.stopped += together && cut != Cut::none ? 1 : 0;
    if (together && row.beginning_unseen) {
      ++out.endings.unseen;
    } else if (together && (cut == Cut::in_midst || cut == Cut::at_rest) &&
               !is_same_timer(row.idle_ns, subject.idle_ns)) {
      ++(cut == Cut::in_midst ? out.endings.cut_short : out.endings.at_rest);
    } else if (!together && row.is_session()) {
      ++out.endings.went_on;
    }
  }
  // Whom a death meets at rest is its witness only where it meets somebody at work as well.
  if (out.endings.cut_short == 0 && subject.closed_at_rest) return;
  out.endings.cut_short += out.endings.at_rest;
  out.endings.at_rest = 0;
}

/// How those to whom the server spoke came to it, and whom it never spoke to.
void ContrastTable::count_speech(const Subject& subject, Contrast& out) const {
  const flowtable::DurationNs age = subject.closed_ns - subject.accepted_ns;
  for (const TableRow& row : rows_) {
    if (row.is_subject) continue;
    if (row.served()) {
      out.speech.served_on_asking += row.client_spoke_first ? 1 : 0;
      out.speech.served_unasked += !row.client_spoke_first && row.words != 0 ? 1 : 0;
      continue;
    }
    const bool got_nothing = row.outcome == Outcome::unanswered || row.outcome == Outcome::left;
    out.speech.never_answered += got_nothing && row.client_spoke_first ? 1 : 0;
    if (row.outcome != Outcome::refused_silently && row.outcome != Outcome::left) continue;  // it was spoken to
    out.speech.idle_beside += is_idle_at(row, subject.accepted_ns) ? 1 : 0;
    const bool began_apart = std::abs(row.accepted_ns - subject.accepted_ns) > kApartNs;
    if (began_apart && is_same_timer(row.closed_ns - row.accepted_ns, age)) ++out.timers.same_age;
    if (row.client_spoke_first) {
      ++(is_same_pause(row.idle_ns, subject.idle_ns) ? out.timers.same_pause : out.timers.other_pause);
    }
  }
}

void ContrastTable::count_clients(Contrast& out) const {
  for (std::uint32_t number = 0; number < clients_.size(); ++number) {
    const Client& client = clients_[number];
    out.served += client.served;
    out.refused += client.refused;
    out.clients.both += (client.served > 0 && client.refused + (client.is_subject ? 1 : 0) > 0) ? 1 : 0;
    if (number + 1 == subject_client_) {
      out.same_client.served = client.served;
      out.same_client.refused = client.refused;
    } else {
      out.clients.served += client.served > 0 ? 1 : 0;
      out.clients.refused += client.refused > 0 ? 1 : 0;
    }
  }
}

}  // namespace doorslam::diagnose
