#include "pipeline/alert/refused_times.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "pipeline/diagnose/chance.h"

namespace doorslam::alert {

namespace {

using flowtable::DurationNs;
using flowtable::kSecondNs;
using flowtable::TimeNs;

/// What chance makes less often than this is believed.
constexpr double kBelievable = 0.001;
/// Fewer are no statistics.
constexpr std::uint32_t kLeastRefused = 6;
constexpr std::uint32_t kLeastServed = 6;
/// One of so many may fall out of the pattern.
constexpr std::uint32_t kNearlyAll = 20;

struct ClockFace {
  std::uint32_t cycle_seconds;
  std::uint32_t bin_seconds;

  constexpr std::uint32_t bins() const { return cycle_seconds / bin_seconds; }
};
/// By TimesKind.
constexpr std::array<ClockFace, 3> kFaces = {{{60, 1}, {3600, 60}, {86'400, 900}}};

/// A window on the clock.
struct Window {
  std::uint32_t first = 0;  ///< bin
  std::uint32_t bins = 0;
  TimeBin within;
};

/// The narrowest window with nearly all refusals; a quarter of the clock at most.
template <class Bins>
std::optional<Window> narrowest_window(const Bins& bins, std::uint32_t count, std::uint32_t refused) {
  const std::uint32_t wanted = refused - refused / kNearlyAll;
  std::optional<Window> best;
  for (std::uint32_t first = 0; first < count; ++first) {
    if (bins[first].refused == 0) continue;
    Window window{.first = first, .bins = 0, .within = {}};
    const std::uint32_t most = best ? best->bins - 1 : count / 4;
    while (window.bins < most && window.within.refused < wanted) {
      const TimeBin& bin = bins[(first + window.bins++) % count];
      window.within.refused += bin.refused;
      window.within.served += bin.served;
    }
    if (window.bins > 0 && window.within.refused >= wanted) best = window;
  }
  return best;
}

/// The chance that the refusals of so many cycles, each at a time of its own, fall into one window of that share of the
/// clock, wherever it lies.
double chance_of_agreement(double share, std::uint32_t cycles) {
  return std::min(1.0, cycles * std::pow(share, static_cast<double>(cycles) - 1.0));
}

}  // namespace

void ConnectionTimes::add(TimeNs start_ns, bool is_refused) {
  start_ns = std::max<TimeNs>(start_ns, 0);  // a damaged time before 1970 has no place on the clock
  ++all_.of(is_refused);
  add_to_line(start_ns, is_refused);
  for (std::size_t i = 0; i < kClocks; ++i) {
    Clock& clock = clocks_[i];
    const TimeNs second = start_ns / kSecondNs;
    const auto at = static_cast<std::size_t>(second % kFaces[i].cycle_seconds) / kFaces[i].bin_seconds;
    ++clock.bins[at].of(is_refused);
    const TimeNs cycle = second / kFaces[i].cycle_seconds;
    if (!is_refused || cycle <= clock.latest_cycle) continue;
    clock.latest_cycle = cycle;
    ++clock.cycles;
  }
  if (is_refused) last_refused_ns_ = std::max(last_refused_ns_, start_ns);
}

void ConnectionTimes::add_to_line(TimeNs start_ns, bool is_refused) {
  const DurationNs since = std::max<DurationNs>(start_ns - begin_ns_, 0);
  while (since / width_ns_ >= static_cast<DurationNs>(kLineBins)) widen_bins();
  ++line_[static_cast<std::size_t>(since / width_ns_)].of(is_refused);
}

void ConnectionTimes::widen_bins() {
  for (std::size_t i = 0; i < kLineBins / 2; ++i) {
    const TimeBin first = line_[2 * i];
    const TimeBin second = line_[2 * i + 1];
    line_[i] = {first.refused + second.refused, first.served + second.served};
  }
  std::fill(line_.begin() + kLineBins / 2, line_.end(), TimeBin{});
  width_ns_ *= 2;
}

std::optional<RefusedTimes> ConnectionTimes::pattern() const {
  if (all_.refused < kLeastRefused || all_.served < kLeastServed) return std::nullopt;
  std::optional<RefusedTimes> best;
  double narrowest = 1.0;
  for (const TimesKind kind : {TimesKind::minute, TimesKind::hour, TimesKind::day}) {
    const auto window = window_of(kind);
    if (!window) continue;
    const std::uint32_t cycle = kFaces[static_cast<std::size_t>(kind)].cycle_seconds;
    const double share = static_cast<double>((window->to_seconds + cycle - window->from_seconds) % cycle) / cycle;
    if (share >= narrowest) continue;
    narrowest = share;
    best = window;
  }
  return best ? best : spells();
}

/// Beyond chance: the served do not come at these times (Fisher's test, once for every window that could have been
/// found), and the refusals of many cycles agree.
std::optional<RefusedTimes> ConnectionTimes::window_of(TimesKind kind) const {
  const Clock& clock = clocks_[static_cast<std::size_t>(kind)];
  const ClockFace& face = kFaces[static_cast<std::size_t>(kind)];
  const std::uint32_t count = face.bins();
  const auto window = narrowest_window(clock.bins, count, all_.refused);
  if (!window) return std::nullopt;
  const std::uint64_t served_there = std::uint64_t{window->within.served} * all_.refused;
  if (served_there >= std::uint64_t{window->within.refused} * all_.served) return std::nullopt;
  const double windows = static_cast<double>(kClocks) * count * (count / 4.0);
  const double by_chance = windows * diagnose::chance_of({.all = all_.refused + all_.served,
                                                          .marked = window->within.refused + window->within.served,
                                                          .drawn = all_.refused,
                                                          .drawn_marked = window->within.refused});
  const double agreement =
      static_cast<double>(kClocks) * chance_of_agreement(static_cast<double>(window->bins) / count, clock.cycles);
  const double chance = std::max(by_chance, agreement);
  if (chance > kBelievable) return std::nullopt;
  return RefusedTimes{.kind = kind,
                      .from_seconds = window->first * face.bin_seconds,
                      .to_seconds = (window->first + window->bins) % count * face.bin_seconds,
                      .cycles = clock.cycles,
                      .refused_within = window->within.refused,
                      .refused = all_.refused,
                      .served_within = window->within.served,
                      .served = all_.served,
                      .chance = chance};
}

/// Stretches of the time line with refusals, none of which holds a bin where others were served and none refused.
std::vector<ConnectionTimes::Spell> ConnectionTimes::stretches() const {
  std::vector<Spell> out;
  bool within = false;
  for (std::uint32_t i = 0; i < kLineBins; ++i) {
    const TimeBin& bin = line_[i];
    if (bin.refused == 0) {
      within = within && bin.served == 0;
      continue;
    }
    if (!within) out.push_back({.first = i});
    within = true;
    out.back().last = i;
    ++out.back().bins;
    out.back().served += bin.served;
  }
  return out;
}

/// Beyond chance: refused and served follow each other in fewer runs than shuffled ones would (Wald and Wolfowitz), and
/// the served avoid the spells by more than the spells are short.
std::optional<RefusedTimes> ConnectionTimes::spells() const {
  constexpr std::uint32_t kLeastInSpell = 3;
  const std::vector<Spell> found = stretches();
  const auto count = static_cast<std::uint32_t>(found.size());
  if (count < 2 || count * kLeastInSpell > all_.refused) return std::nullopt;
  RefusedTimes out{.cycles = count, .refused_within = all_.refused, .refused = all_.refused, .served = all_.served};
  out.shortest_ns = out.least_apart_ns = std::numeric_limits<DurationNs>::max();
  std::uint32_t bins = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    out.served_within += found[i].served;
    bins += found[i].bins;
    const DurationNs length = (found[i].last - found[i].first + 1) * width_ns_;
    out.shortest_ns = std::min(out.shortest_ns, length);
    out.longest_ns = std::max(out.longest_ns, length);
    if (i == 0) continue;
    const DurationNs apart = (found[i].first - found[i - 1].first) * width_ns_;
    out.least_apart_ns = std::min(out.least_apart_ns, apart);
    out.most_apart_ns = std::max(out.most_apart_ns, apart);
  }
  if (std::uint64_t{out.served_within} * kNearlyAll > all_.served) return std::nullopt;
  const auto used = [](const TimeBin& bin) { return bin.refused + bin.served > 0; };
  const auto first = std::find_if(line_.begin(), line_.end(), used);
  const auto last = std::find_if(line_.rbegin(), line_.rend(), used).base();
  const double share = static_cast<double>(bins) / static_cast<double>(last - first);
  // Each served one within a spell may have split it.
  const double runs = diagnose::chance_of_few_runs(all_.refused, all_.served, count + out.served_within);
  out.chance = std::max(runs, diagnose::chance_of_few(all_.served, share, out.served_within));
  if (out.chance > kBelievable) return std::nullopt;
  return out;
}

}  // namespace doorslam::alert
