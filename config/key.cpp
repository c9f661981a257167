#include "config/key.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "pipeline/base/printable.h"
#include "pipeline/base/text.h"

namespace doorslam::config {
namespace {

std::string_view last_part(std::string_view name) { return name.substr(name.rfind('.') + 1); }

struct Nearest {
  std::string_view name;
  std::size_t distance = 0;
};

/// Compares with whole names, and the last part with last parts: a person may have put the key in a wrong section, or
/// left its unit off. A section stands alone, so no dotted name means one.
Nearest nearest_name(std::string_view name) {
  constexpr std::size_t kTelling = 3;  // letters of a last part; fewer are the beginning of much
  Nearest nearest{{}, std::numeric_limits<std::size_t>::max()};
  const auto consider = [&](std::string_view candidate) {
    std::size_t distance = edit_distance(name, candidate);
    if (last_part(name).size() > kTelling) {
      distance = std::min(distance, edit_distance(last_part(name), last_part(candidate)) + 1);
      if (last_part(candidate).starts_with(last_part(name))) distance = std::min<std::size_t>(distance, 2);
    }
    if (candidate.starts_with(name) && name.find('.') != std::string_view::npos) {
      distance = std::min<std::size_t>(distance, 1);
    }
    if (distance < nearest.distance) nearest = {candidate, distance};
  };
  for (const Key& key : keys()) consider(key.name);
  if (name.find('.') != std::string_view::npos) return nearest;
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
  return fmt::format("unknown key {}; doorslam print-config lists all keys", printable(name));
}

}  // namespace doorslam::config
