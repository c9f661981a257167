#include <algorithm>
#include <cstdlib>

#include "pipeline/diagnose/ledger/contrast_table.h"

/// Whom the server let in while it would not have the subject.
namespace doorslam::diagnose {

using flowtable::kNoTime;
using flowtable::TimeNs;

/// Acceptances by the kernel, whatever became of them.
void ContrastTable::count_acceptances(const Subject& subject, Acceptances& out) const {
  const auto is_ignored = [&](const TableRow& row) {
    const bool unanswered = row.is_subject || row.outcome == Outcome::unanswered;
    return unanswered && AddressKeys::same(row.client, subject.client);
  };
  for (const TableRow& row : rows_) {
    if (row.is_subject || row.beginning_unseen) continue;
    const auto lasted = row.closed_ns - row.accepted_ns;
    const bool as_late = std::abs(lasted - subject.answer_ns) <= subject.answer_ns / 10;
    if (row.served() && row.client_spoke_first && subject.answer_ns > 0) {
      ++(as_late ? out.served_as_late : out.served_otherwise);
    }
    if (row.accepted_ns <= subject.accepted_ns) out.before_ns = std::max(out.before_ns, row.accepted_ns);
    if (row.accepted_ns > subject.closed_ns && out.after_ns == kNoTime) out.after_ns = row.accepted_ns;
  }
  // Attempts that overlap are one time: whoever was served in it counts once.
  TimeNs covered_ns = kNoTime;
  for (const TableRow& ignored : rows_) {
    if (!is_ignored(ignored)) continue;
    const auto is_before = [&](const TableRow& row) {
      return row.accepted_ns < ignored.accepted_ns || row.accepted_ns <= covered_ns;
    };
    for (auto row = std::ranges::partition_point(rows_, is_before);
         row != rows_.end() && row->accepted_ns <= ignored.closed_ns; ++row) {
      out.served_meanwhile += row->served() && !AddressKeys::same(row->client, subject.client) ? 1 : 0;
    }
    covered_ns = std::max(covered_ns, ignored.closed_ns);
  }
}

/// What became of those who came between the first and the last reset of this client's SYNs.
void ContrastTable::count_syn_resets(const Subject& subject, const SynResetLog& resets, Acceptances& out) const {
  const SynResets* const own = resets.of(subject.client);
  if (own == nullptr) return;
  out.resets = own->times;
  for (const SynResets& other : resets.all()) {
    const bool meanwhile = other.last_ns >= own->first_ns && other.first_ns <= own->last_ns;
    out.resets_of_others += &other != own && meanwhile ? other.times : 0;
    const auto let_in_again = [&](const TableRow& row) {
      return row.accepted_ns > other.first_ns && AddressKeys::same(row.client, other.client);
    };
    out.some_let_in_again |= std::ranges::any_of(rows_, let_in_again);
  }
  for (const TableRow& row : rows_) {
    out.between_resets += row.accepted_ns > own->first_ns && row.accepted_ns < own->last_ns ? 1 : 0;
  }
}

}  // namespace doorslam::diagnose
