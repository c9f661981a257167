#include <algorithm>

#include "pipeline/diagnose/ledger/contrast_table.h"

/// Since when those are refused who are: a time parts them from the served, where it is no load that does.
namespace doorslam::diagnose {

/// `of_some`: only those clients are looked at that are refused at some time.
Spell ContrastTable::spell_around(std::size_t subject, bool of_some) {
  spell_marks_.assign(clients_.size(), {});
  const auto is_refused = [](const TableRow& row) { return row.is_subject || row.refused(); };
  const auto was_ever_refused = [this](const TableRow& row) {
    const Client& client = clients_[row.client_number];
    return client.is_subject || client.refused > 0;
  };
  const auto ends_spell = [&](const TableRow& row) {
    return row.served() && !row.is_subject && (!of_some || was_ever_refused(row));
  };
  std::size_t first = subject;
  for (std::size_t i = subject; i-- > 0 && !ends_spell(rows_[i]);) first = is_refused(rows_[i]) ? i : first;
  std::size_t last = subject;
  for (std::size_t i = subject + 1; i < rows_.size() && !ends_spell(rows_[i]); ++i) {
    last = is_refused(rows_[i]) ? i : last;
  }
  Spell spell{.lasting_ns = rows_[last].accepted_ns - rows_[first].accepted_ns,
              .since_ns = rows_[subject].accepted_ns - rows_[first].accepted_ns};
  spell.least_open = rows_[subject].load.open_total;
  const auto mark = [](bool& flag, std::uint32_t& count) {
    count += flag ? 0 : 1;
    flag = true;
  };
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const TableRow& row = rows_[i];
    SpellMarks& marks = spell_marks_[row.client_number];
    const bool is_within = i >= first && i <= last;
    if (is_refused(row)) {
      ++(is_within ? spell.refused : spell.refused_else);
      if (!is_within) continue;
      mark(marks.refused_in, spell.clients);
      spell.least_open = std::min(spell.least_open, row.load.open_total);
    } else if (row.served() && is_within) {
      ++spell.others_served;
      mark(marks.served_in, spell.other_clients);
    } else if (row.served() && i < first && (!of_some || was_ever_refused(row))) {
      ++spell.served_before;
      marks.served_before = true;
    } else if (row.served() && i > last && !spell.has_ended) {
      spell.has_ended = true;
      spell.open_at_end = row.load.open_total;
    }
    spell.open += is_within && row.outcome == Outcome::open && (!of_some || was_ever_refused(row)) ? 1 : 0;
  }
  spell.clients_served_before = static_cast<std::uint32_t>(
      std::ranges::count_if(spell_marks_, [](const SpellMarks& one) { return one.refused_in && one.served_before; }));
  return spell;
}

void ContrastTable::find_spells(Contrast& out) {
  const auto subject = std::ranges::find_if(rows_, &TableRow::is_subject);
  // Where nobody was served of those that are refused, there is nothing to tell by time.
  if (subject == rows_.end() || out.clients.both == 0) return;
  const auto at = static_cast<std::size_t>(subject - rows_.begin());
  out.spell = spell_around(at, false);
  out.spell_of_some = spell_around(at, true);
}

}  // namespace doorslam::diagnose
