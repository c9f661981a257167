#include <algorithm>
#include <array>
#include <span>

#include "pipeline/diagnose/ledger/contrast_table.h"

/// The load that each connection of the table met at its acceptance, and the ceiling that parts the served from the
/// refused.
namespace doorslam::diagnose {

namespace {

using flowtable::kSecondNs;
using flowtable::TimeNs;

constexpr flowtable::DurationNs kArrivalsTotalNs = kSecondNs;
constexpr flowtable::DurationNs kArrivalsClientNs = 60 * kSecondNs;

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
LoadFigure figure_of(std::span<const TableRow> table, std::uint32_t served, std::uint32_t highest,
                     std::uint32_t LoadAtAcceptance::*value) {
  LoadFigure figure;
  if (highest == 0) {
    figure.served_as_high = served;
    return figure;
  }
  Histograms histograms(std::min<std::size_t>(highest, kHighestFigure));
  for (const TableRow& row : table) {
    const std::size_t at = std::min<std::size_t>(row.load.*value, kHighestFigure);
    if (row.is_subject) figure.subject = row.load.*value;
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

}  // namespace

void ContrastTable::measure_client_load() {
  constexpr std::size_t kLookBack = 63;
  for (TableRow& row : rows_) {
    LoadAtAcceptance& load = row.load;
    std::uint32_t earlier = row.client_before;
    for (std::size_t steps = 0; earlier != 0 && steps < kLookBack; ++steps) {
      const TableRow& other = rows_[earlier - 1];
      load.open_client += other.is_session() && other.closed_ns > row.accepted_ns ? 1 : 0;
      load.arrivals_client += row.accepted_ns - other.accepted_ns <= kArrivalsClientNs ? 1 : 0;
      earlier = other.client_before;
    }
    highest_.open_client = std::max(highest_.open_client, load.open_client);
    highest_.arrivals_client = std::max(highest_.arrivals_client, load.arrivals_client);
  }
}

/// Open sessions over all clients: those opened so far less those closed so far.
void ContrastTable::measure_total_load() {
  closed_by_.assign(rows_.size(), 0);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const TableRow& row = rows_[i];
    if (!row.is_session() || row.closed_ns > rows_.back().accepted_ns) continue;
    ++closed_by_[first_row_from(rows_, i, row.closed_ns)];
  }
  std::uint32_t opened = 0;
  std::uint32_t closed = 0;
  std::size_t recent = 0;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    TableRow& row = rows_[i];
    closed += closed_by_[i];
    while (row.accepted_ns - rows_[recent].accepted_ns > kArrivalsTotalNs) ++recent;
    row.load.open_total = opened > closed ? opened - closed : 0;
    row.load.arrivals_total = static_cast<std::uint32_t>(i - recent);
    highest_.open_total = std::max(highest_.open_total, row.load.open_total);
    highest_.arrivals_total = std::max(highest_.arrivals_total, row.load.arrivals_total);
    opened += row.is_session() ? 1 : 0;
  }
}

void ContrastTable::count_load(Contrast& out) const {
  const auto figure = [&](std::uint32_t LoadAtAcceptance::*value) {
    return figure_of(rows_, out.served, highest_.*value, value);
  };
  out.load.open_total = figure(&LoadAtAcceptance::open_total);
  out.load.open_client = figure(&LoadAtAcceptance::open_client);
  out.load.arrivals_total = figure(&LoadAtAcceptance::arrivals_total);
  out.load.arrivals_client = figure(&LoadAtAcceptance::arrivals_client);
}

}  // namespace doorslam::diagnose
