#include "pipeline/diagnose/evidence/spell.h"

#include <fmt/format.h>

#include <algorithm>

#include "pipeline/base/text.h"

namespace doorslam::diagnose::evidence {

namespace {

using flowtable::kSecondNs;

/// So much of the refusals must be in one spell: whoever counts arrivals or sessions lets some through in between.
constexpr double kLeastFit = 0.9;
/// Fewer of each, or of both together, may be a coincidence: three and four, in any order, fall apart so once in 35
/// times.
constexpr std::uint32_t kLeastOfEach = 3;
constexpr std::uint32_t kLeastTogether = 7;

/// How well the load parts the served from the refused, by whichever figure.
double fit_of_load(const Contrast& k) {
  double best = std::max(k.load.open_total.fit(), k.load.open_client.fit());
  for (const LoadFigure* rate : {&k.load.arrivals_total, &k.load.arrivals_client}) {
    if (rate->ceiling >= kLeastRate) best = std::max(best, rate->fit());
  }
  return best;
}

/// A spell that is shorter than what a rate is counted over may be one burst. What a server says of itself tells more.
bool is_told_by_time(const Case& c, const Spell& spell) {
  if (c.outcome != Outcome::refused_silently || !c.contrast.subject_accepted) return false;
  if (std::min(spell.refused, spell.served_before) < kLeastOfEach) return false;
  if (spell.refused + spell.served_before < kLeastTogether || spell.lasting_ns < kSecondNs) return false;
  return spell.fit() >= kLeastFit && 4 * spell.open <= spell.refused;
}

/// 0 to 1: by how much time parts them better than the load does, `whole` being as much as can be asked for. Those who
/// are refused come again sooner than others, so that the load follows the refusals, and parts them nearly as well.
double beyond_load(const Case& c, const Spell& spell, double whole) {
  return std::clamp((spell.fit() - fit_of_load(c.contrast)) / whole, 0.0, 1.0);
}

std::string since_in_words(const Spell& spell) {
  return spell.since_ns < flowtable::kMillisecondNs ? "from this connection on"
                                                    : "from " + in_words(spell.since_ns) + " before this one on";
}

/// How strongly it holds that nobody is served any more; 0: it does not.
double strength_of_nobody(const Case& c) {
  constexpr std::uint32_t kSeveral = 2;
  constexpr std::uint32_t kMany = 3;
  constexpr double kWhole = 0.02;
  const Spell& spell = c.contrast.spell;
  // One that was served before may have come on a list just then; where newcomers meet the same meanwhile, it has not.
  const std::uint32_t least_served_before = spell.clients >= kMany ? 1 : kSeveral;
  if (!is_told_by_time(c, spell) || spell.clients_served_before < least_served_before) return 0.0;
  return beyond_load(c, spell, kWhole);
}

/// The same of some clients.
double strength_of_some(const Case& c) {
  constexpr std::uint32_t kSeveral = 2;
  constexpr std::uint32_t kLeastServed = 4;
  constexpr double kWhole = 0.3;
  const Spell& spell = c.contrast.spell_of_some;
  if (!is_told_by_time(c, spell) || spell.clients_served_before == 0) return 0.0;
  if (spell.other_clients < kSeveral || spell.others_served < kLeastServed) return 0.0;
  return beyond_load(c, spell, kWhole);
}

}  // namespace

bool is_nobody_served_any_more(const Case& c) { return strength_of_nobody(c) > 0.0; }

bool are_some_served_no_more(const Case& c) { return strength_of_some(c) > 0.0; }

std::optional<Finding> nobody_served_any_more(const Case& c) {
  if (!is_nobody_served_any_more(c)) return std::nullopt;
  const Spell& spell = c.contrast.spell;
  return Finding{
      fmt::format("{} all {} of {} were refused for {}, whatever the load; before it, {} served", since_in_words(spell),
                  counted(spell.refused, "connection", "connections"), counted(spell.clients, "client", "clients"),
                  in_words(spell.lasting_ns), counted(spell.served_before, "was", "were")),
      strength_of_nobody(c)};
}

std::optional<Finding> some_served_no_more(const Case& c) {
  if (!are_some_served_no_more(c)) return std::nullopt;
  const Spell& spell = c.contrast.spell_of_some;
  return Finding{fmt::format("{} {} refused every time ({} in {}), after {} had been served; {} served {} meanwhile",
                             since_in_words(spell), counted(spell.clients, "client was", "clients were"),
                             counted(spell.refused, "connection", "connections"), in_words(spell.lasting_ns),
                             counted(spell.served_before, "connection of theirs", "connections of theirs"),
                             counted(spell.other_clients, "other client was", "other clients were"),
                             counted(spell.others_served, "time", "times")),
                 strength_of_some(c)};
}

}  // namespace doorslam::diagnose::evidence
