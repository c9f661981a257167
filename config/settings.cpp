#include "config/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "pipeline/base/printable.h"
#include "pipeline/base/wrap.h"

namespace doorslam::config {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::string_view kReloads = " A reload changes it.";

std::string_view parent_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
}

std::size_t indent_of(std::string_view name) {
  return 2 * static_cast<std::size_t>(std::count(name.begin(), name.end(), '.'));
}

std::string comment(std::string_view text, std::size_t indent) {
  std::string out;
  std::string lines = wrap(text, kWidth - indent - 2, 0);
  for (std::size_t begin = 0; begin < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size());
    out += fmt::format("{:{}}# {}\n", "", indent, std::string_view(lines).substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

/// The headings that lead to a key, as far as the key before it is not under them as well.
std::string headings(std::string_view section, std::string_view section_before) {
  if (section.empty() || section == section_before || section_before.starts_with(fmt::format("{}.", section)))
    return {};
  std::string out = headings(parent_of(section), section_before);
  for (const Section& known : sections()) {
    if (known.name == section) out.append("\n").append(comment(known.help, indent_of(section)));
  }
  return out + fmt::format("{:{}}{}:\n", "", indent_of(section), section.substr(section.rfind('.') + 1));
}

/// The keys of a sink stand in comments: there is no default sink that could show them.
std::string print_sinks(const Settings& settings) {
  constexpr std::size_t kHang = 6;
  std::string out(1, '\n');
  out += comment(
      "Receivers of what is in the store, any number at once, each with a place of its own in it: at least once and in "
      "order, also over restarts. A list of entries, as in",
      0);
  out +=
      "#   - {name: siem, type: syslog, address: siem.example, ca: siem-ca.pem, min_severity: 47}\n"
      "#   - {name: archive, type: file, path: /var/log/doorslam/alerts.ndjson, rotate_bytes: 100MiB}\n"
      "# Keys of an entry (and the types of sink that have it):\n";
  for (const std::string& line : describe_sink_keys()) {
    std::string wrapped = wrap(line, kWidth - 2, kHang);
    wrapped.erase(0, kHang - 2);
    for (std::size_t begin = 0; begin < wrapped.size();) {
      const std::size_t end = std::min(wrapped.find('\n', begin), wrapped.size());
      out += fmt::format("# {}\n", std::string_view(wrapped).substr(begin, end - begin));
      begin = end + 1;
    }
  }
  if (settings.sinks().empty()) return out + "sinks: []\n";
  out += "sinks:\n";
  for (const SinkSettings& sink : settings.sinks()) out += sink.print();
  return out;
}

}  // namespace

Settings::Settings() {
  for (const Key& key : keys()) {
    auto value = parse_value(key, key.fallback);
    if (!value) throw std::logic_error(value.error().message);
    values_.push_back(std::move(*value));
  }
}

const Value& Settings::value(const Key& key) const { return values_[static_cast<std::size_t>(&key - keys().data())]; }

void Settings::assign(const Key& key, Value value) {
  values_[static_cast<std::size_t>(&key - keys().data())] = std::move(value);
}

const Value& Settings::at(std::string_view name) const {
  const Key* key = find_key(name);
  if (key == nullptr) throw std::logic_error(unknown_key_message(name));
  return value(*key);
}

bool Settings::flag(std::string_view name) const { return std::get<bool>(at(name)); }
std::int64_t Settings::number(std::string_view name) const { return std::get<std::int64_t>(at(name)); }
const std::string& Settings::text(std::string_view name) const { return std::get<std::string>(at(name)); }
const std::vector<std::int64_t>& Settings::numbers(std::string_view name) const {
  return std::get<std::vector<std::int64_t>>(at(name));
}
const std::vector<std::string>& Settings::paths(std::string_view name) const {
  return std::get<std::vector<std::string>>(at(name));
}
const std::vector<std::string>& Settings::words(std::string_view name) const {
  return std::get<std::vector<std::string>>(at(name));
}

Result<void> Settings::override_with(std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return usage_error(
        fmt::format("--set {}: wants key=value, as in --set analysis.settle_seconds=5", printable(assignment)));
  }
  const std::string_view name = assignment.substr(0, equals);
  const Key* key = find_key(name);
  if (key == nullptr) {
    return usage_error(is_section(name)
                           ? fmt::format("--set {}: {} is a section; name a key in it", printable(assignment), name)
                           : fmt::format("--set {}: {}", printable(assignment), unknown_key_message(name)));
  }
  auto value = parse_value(*key, assignment.substr(equals + 1));
  if (!value) return usage_error(fmt::format("--set {}", value.error().message));
  assign(*key, std::move(*value));
  return {};
}

std::string print_config(const Settings& settings) {
  std::string out = comment(
      "The configuration of doorslam: every key with its default. A file needs only the keys that it changes; a key "
      "can "
      "also be set on the command line, as in --set analysis.settle_seconds=5. Lengths of time are in seconds, or have "
      "a "
      "unit (500ms, 10s, 5m, 1h); sizes are in octets, or have a unit (64KiB, 4MiB, 1GiB). A reload is SIGHUP to "
      "doorslam run; what it does not change waits for the next start.",
      0);
  std::string_view section_before;
  for (const Key& key : keys()) {
    const std::string_view section = parent_of(key.name);
    const std::string heading = headings(section, section_before);
    const std::size_t indent = indent_of(key.name);
    out += heading.empty() ? "\n" : heading;
    out += comment(key.help, indent) +
           comment(fmt::format("Allowed: {}.{}", describe_range(key), key.reloads ? kReloads : ""), indent);
    out += fmt::format("{:{}}{}: {}\n", "", indent, key.name.substr(key.name.rfind('.') + 1),
                       format_value(key, settings.value(key)));
    section_before = section;
  }
  return out + print_sinks(settings);
}

}  // namespace doorslam::config
