#include "config/sink_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "pipeline/base/printable.h"

namespace doorslam::config {
namespace {

/// Number of the key of that name; the number of keys where there is none.
std::size_t index_of(std::string_view name) {
  const auto all = sink_keys();
  const auto found = std::find_if(all.begin(), all.end(), [&](const SinkKey& one) { return one.key.name == name; });
  return static_cast<std::size_t>(found - all.begin());
}

bool lists(std::string_view types, std::string_view type) {
  while (!types.empty()) {
    const std::string_view one = types.substr(0, types.find('|'));
    if (one == type) return true;
    types.remove_prefix(std::min(types.size(), one.size() + 1));
  }
  return false;
}

std::string with_commas(std::string_view types) {
  std::string out;
  for (const char c : types) out += c == '|' ? std::string(", ") : std::string(1, c);
  return out;
}

tl::unexpected<Error> unknown_key(std::string_view name, std::string_view type) {
  std::string known;
  for (const SinkKey& one : sink_keys()) {
    if (!type.empty() && !one.types.empty() && !lists(one.types, type)) continue;
    known.append(known.empty() ? "" : ", ").append(one.key.name);
  }
  return usage_error(fmt::format("a sink has no key {}; it has {}", printable(name, 60), known));
}

/// A path, or "file:" and a path, seen from `folder`.
std::string from_folder(std::string_view text, const std::filesystem::path& folder) {
  constexpr std::string_view kFile = "file:";
  if (text.starts_with("env:")) return std::string(text);
  const bool marked = text.starts_with(kFile);
  const std::filesystem::path path(text.substr(marked ? kFile.size() : 0));
  if (path.empty() || !path.is_relative() || folder.empty()) return std::string(text);
  return (marked ? std::string(kFile) : std::string()) + (folder / path).string();
}

}  // namespace

SinkSettings::SinkSettings() : given_(sink_keys().size()) {
  for (const SinkKey& one : sink_keys()) {
    auto value = parse_value(one.key, one.key.fallback);
    if (!value) throw std::logic_error(value.error().message);
    values_.push_back(std::move(*value));
  }
}

const Value& SinkSettings::at(std::string_view name) const {
  const std::size_t index = index_of(name);
  if (index == values_.size()) throw std::logic_error(fmt::format("a sink has no key {}", name));
  return values_[index];
}

bool SinkSettings::flag(std::string_view name) const { return std::get<bool>(at(name)); }
std::int64_t SinkSettings::number(std::string_view name) const { return std::get<std::int64_t>(at(name)); }
const std::string& SinkSettings::text(std::string_view name) const { return std::get<std::string>(at(name)); }
const std::vector<std::string>& SinkSettings::words(std::string_view name) const {
  return std::get<std::vector<std::string>>(at(name));
}
bool SinkSettings::given(std::string_view name) const { return given_.at(index_of(name)); }

Result<void> SinkSettings::assign(std::string_view name, std::string_view text, const std::filesystem::path& folder) {
  const std::size_t index = index_of(name);
  if (index == values_.size()) return unknown_key(name, given("type") ? this->text("type") : std::string());
  if (given_[index]) return usage_error(fmt::format("{} is there twice; remove one", name));
  const SinkKey& one = sink_keys()[index];
  auto value = parse_value(one.key, one.is_path ? from_folder(text, folder) : std::string(text));
  if (!value) return tl::unexpected(value.error());
  // A choice without a choice as its default must be made.
  values_[index] = std::move(*value);
  given_[index] = true;
  return {};
}

Result<void> SinkSettings::assign(std::string_view name, const std::vector<std::string>& items) {
  const std::size_t index = index_of(name);
  if (index == values_.size()) return unknown_key(name, given("type") ? text("type") : std::string());
  if (given_[index]) return usage_error(fmt::format("{} is there twice; remove one", name));
  auto value = parse_list(sink_keys()[index].key, items);
  if (!value) return tl::unexpected(value.error());
  values_[index] = std::move(*value);
  given_[index] = true;
  return {};
}

Result<void> SinkSettings::check() const {
  constexpr std::size_t kLongestName = 64;
  const std::string& name = text("name");
  if (name.empty() || name.size() > kLongestName ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
          std::string::npos) {
    return usage_error(
        fmt::format("a sink needs a name of letters, digits, '_', '.' and '-', by which the store "
                    "remembers how far it is; \"{}\" is none",
                    printable(name, kLongestName)));
  }
  const auto keys = sink_keys();
  if (!given("type")) {
    return usage_error(
        fmt::format("sink {}: type is missing; there are {}", name, with_commas(keys[index_of("type")].key.choices)));
  }
  const std::string& type = text("type");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!given_[i] || keys[i].types.empty() || lists(keys[i].types, type)) continue;
    return usage_error(fmt::format("sink {}: {} is for sinks of type {}, this one is of type {}; remove it", name,
                                   keys[i].key.name, with_commas(keys[i].types), type));
  }
  return {};
}

std::string SinkSettings::print() const {
  std::string out;
  const auto keys = sink_keys();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!given_[i]) continue;
    out +=
        fmt::format("  {} {}: {}\n", out.empty() ? '-' : ' ', keys[i].key.name, format_value(keys[i].key, values_[i]));
  }
  return out;
}

std::vector<std::string> describe_sink_keys() {
  std::vector<std::string> lines;
  for (const SinkKey& one : sink_keys()) {
    const std::string of = one.types.empty() ? "" : fmt::format(" ({})", with_commas(one.types));
    const std::string fallback = one.key.fallback.empty() ? "" : fmt::format("; else {}", one.key.fallback);
    lines.push_back(
        fmt::format("{}{}: {} Allowed: {}{}.", one.key.name, of, one.key.help, describe_range(one.key), fallback));
  }
  return lines;
}

}  // namespace doorslam::config
