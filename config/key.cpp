#include "config/key.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "pipeline/base/printable.h"

namespace doorslam::config {
namespace {

/// Levenshtein's distance: letters to insert, delete or replace.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

struct Nearest {
  std::string_view name;
  std::size_t distance = 0;
};

/// Compares with whole names, and the last part with last parts: a person may have put the key in a wrong section.
Nearest nearest_name(std::string_view name) {
  Nearest nearest{{}, std::numeric_limits<std::size_t>::max()};
  const auto consider = [&](std::string_view candidate) {
    std::size_t distance = edit_distance(name, candidate);
    if (last_part(name).size() > 3) {
      distance = std::min(distance, edit_distance(last_part(name), last_part(candidate)) + 1);
    }
    if (distance < nearest.distance) nearest = {candidate, distance};
  };
  for (const Key& key : keys()) consider(key.name);
  for (const Section& section : sections()) consider(section.name);
  return nearest;
}

}  // namespace

const Key* find_key(std::string_view name) noexcept {
  const auto all = keys();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Key& key) { return key.name == name; });
  return found == all.end() ? nullptr : &*found;
}

bool is_section(std::string_view name) noexcept {
  const auto all = sections();
  return std::any_of(all.begin(), all.end(), [&](const Section& section) { return section.name == name; });
}

std::string unknown_key_message(std::string_view name) {
  // The search takes time by the square of the length, which the file must not choose.
  constexpr std::size_t kLongestName = 100;
  if (name.size() <= kLongestName) {
    const Nearest nearest = nearest_name(name);
    if (nearest.distance <= std::max<std::size_t>(2, name.size() / 3)) {
      return fmt::format("unknown key {}; did you mean {}?", printable(name), nearest.name);
    }
  }
  return fmt::format("unknown key {}; config/doorslam.yaml lists all keys", printable(name));
}

}  // namespace doorslam::config
