#include "config/value.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>

#include "pipeline/base/printable.h"

namespace doorslam::config {
namespace {

constexpr std::size_t kMostItems = 256;
constexpr std::size_t kLongestText = 4096;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

/// Smallest first. The empty name stands for a bare number.
constexpr std::array<Unit, 8> kDurationUnits = {{{"ns", 1},
                                                 {"us", 1'000},
                                                 {"ms", 1'000'000},
                                                 {"s", 1'000'000'000},
                                                 {"", 1'000'000'000},
                                                 {"m", 60'000'000'000},
                                                 {"h", 3'600'000'000'000},
                                                 {"d", 86'400'000'000'000}}};
constexpr std::array<Unit, 5> kSizeUnits = {
    {{"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", std::int64_t{1} << 30}}};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// A value as it may stand in a message.
std::string shown(std::string_view text) { return fmt::format("\"{}\"", printable(text, 60)); }

tl::unexpected<Error> refused(const Key& key, std::string_view text, std::string_view what) {
  return usage_error(fmt::format("{}: {} is {}; allowed: {}", key.name, shown(text), what, describe_range(key)));
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// A number, a fraction allowed, with one of the units; nothing where it is not of that form.
std::optional<std::int64_t> quantity(std::string_view text, std::span<const Unit> units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  const std::string_view name = trimmed(text.substr(digits));
  const auto unit = std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == name; });
  if (unit == units.end()) return std::nullopt;
  // Whole numbers go by integers: a double has 53 bits.
  if (const auto whole = whole_number(text.substr(0, digits))) {
    std::int64_t product = 0;
    if (!__builtin_mul_overflow(*whole, unit->factor, &product)) return product;
  }
  const double product = std::round(number * static_cast<double>(unit->factor));
  constexpr double kTooLarge = 9.2e18;
  return product >= kTooLarge ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(product);
}

std::string format_duration(std::int64_t ns) {
  if (ns % 1'000'000'000 == 0) return fmt::format("{}", ns / 1'000'000'000);
  if (ns % 1'000'000 == 0) return fmt::format("{}ms", ns / 1'000'000);
  if (ns % 1'000 == 0) return fmt::format("{}us", ns / 1'000);
  return fmt::format("{}ns", ns);
}

/// For a person: in the largest unit that gives a whole number.
std::string duration_in_words(std::int64_t ns) {
  for (auto unit = kDurationUnits.rbegin(); unit != kDurationUnits.rend(); ++unit) {
    if (!unit->name.empty() && ns != 0 && ns % unit->factor == 0)
      return fmt::format("{}{}", ns / unit->factor, unit->name);
  }
  return "0s";
}

std::string format_size(std::int64_t octets) {
  for (const Unit& unit : {kSizeUnits[4], kSizeUnits[3], kSizeUnits[2]}) {
    if (octets != 0 && octets % unit.factor == 0) return fmt::format("{}{}", octets / unit.factor, unit.name);
  }
  return fmt::format("{}", octets);
}

/// A double-quoted YAML scalar.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

Result<std::int64_t> parse_number(const Key& key, std::string_view text) {
  std::optional<std::int64_t> number;
  std::string_view wanted = "no whole number";
  if (key.kind == ValueKind::duration) {
    number = quantity(text, kDurationUnits);
    wanted = "no length of time (10, 10s, 500ms, 5m)";
  } else if (key.kind == ValueKind::size) {
    number = quantity(text, kSizeUnits);
    wanted = "no size (4096, 64KiB, 4MiB, 1GiB)";
  } else {
    number = whole_number(text);
  }
  if (!number) return refused(key, text, wanted);
  if (*number < key.least || *number > key.most) return refused(key, text, "out of range");
  return *number;
}

Result<Value> parse_flag(const Key& key, std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on"}) {
    if (text == yes) return Value(true);
  }
  for (const std::string_view no : {"false", "no", "off"}) {
    if (text == no) return Value(false);
  }
  return refused(key, text, "neither true nor false");
}

Result<Value> parse_choice(const Key& key, std::string_view text) {
  std::string_view rest = key.choices;
  while (!rest.empty()) {
    const std::string_view choice = rest.substr(0, rest.find('|'));
    if (choice == text) return Value(std::string(text));
    rest.remove_prefix(std::min(rest.size(), choice.size() + 1));
  }
  return refused(key, text, "no choice here");
}

/// The items of "a, b".
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    items.emplace_back(trimmed(text.substr(0, comma)));
    text.remove_prefix(std::min(text.size(), comma + 1));
  }
  return items;
}

/// A list as one would type it after --set: "a, b", or "[a, b]" as print-config writes it (YAML's flow style).
Result<Value> parse_list_text(const Key& key, std::string_view text) {
  if (text.size() < 2 || text.front() != '[' || text.back() != ']') return parse_list(key, split(text));
  std::vector<std::string> items;
  try {
    const YAML::Node list = YAML::Load(std::string(text));
    for (const YAML::Node& item : list) {
      if (!item.IsScalar()) return refused(key, text, "no list of plain values");
      items.push_back(item.Scalar());
    }
  } catch (const YAML::Exception&) {
    return refused(key, text, "no list");
  }
  return parse_list(key, items);
}

}  // namespace

Result<Value> parse_value(const Key& key, std::string_view raw) {
  const std::string_view text = trimmed(raw);
  switch (key.kind) {
    case ValueKind::flag:
      return parse_flag(key, text);
    case ValueKind::count:
    case ValueKind::duration:
    case ValueKind::size:
      return parse_number(key, text).map([](std::int64_t number) { return Value(number); });
    case ValueKind::choice:
      return parse_choice(key, text);
    case ValueKind::text:
      if (raw.size() > kLongestText) return refused(key, raw, "too long");
      return Value(std::string(raw));
    case ValueKind::numbers:
    case ValueKind::paths:
    case ValueKind::words:
      return parse_list_text(key, text);
  }
  return refused(key, text, "of an unknown kind");
}

Result<Value> parse_list(const Key& key, const std::vector<std::string>& items) {
  if (key.kind != ValueKind::numbers && key.kind != ValueKind::paths && key.kind != ValueKind::words) {
    return usage_error(
        fmt::format("{}: a list stands where one value is wanted; allowed: {}", key.name, describe_range(key)));
  }
  if (items.size() > kMostItems) {
    return usage_error(fmt::format("{}: {} entries; at most {} are allowed", key.name, items.size(), kMostItems));
  }
  if (key.kind != ValueKind::numbers) {
    for (const std::string& item : items) {
      if (item.empty()) return refused(key, item, key.kind == ValueKind::paths ? "an empty path" : "an empty word");
      if (item.size() > kLongestText) return refused(key, item, "too long");
    }
    return Value(items);
  }
  std::vector<std::int64_t> numbers;
  for (const std::string& item : items) {
    auto number = parse_number(key, trimmed(item));
    if (!number) return tl::unexpected(std::move(number.error()));
    if (std::find(numbers.begin(), numbers.end(), *number) != numbers.end()) {
      return usage_error(fmt::format("{}: {} is there twice; remove one", key.name, *number));
    }
    numbers.push_back(*number);
  }
  return Value(std::move(numbers));
}

std::string format_value(const Key& key, const Value& value) {
  switch (key.kind) {
    case ValueKind::flag:
      return std::get<bool>(value) ? "true" : "false";
    case ValueKind::count:
      return fmt::format("{}", std::get<std::int64_t>(value));
    case ValueKind::duration:
      return format_duration(std::get<std::int64_t>(value));
    case ValueKind::size:
      return format_size(std::get<std::int64_t>(value));
    case ValueKind::choice:
      return std::get<std::string>(value);
    case ValueKind::text:
      return quoted(std::get<std::string>(value));
    case ValueKind::numbers:
      return fmt::format("[{}]", fmt::join(std::get<std::vector<std::int64_t>>(value), ", "));
    case ValueKind::paths:
    case ValueKind::words: {
      std::vector<std::string> items;
      for (const std::string& item : std::get<std::vector<std::string>>(value)) items.push_back(quoted(item));
      return fmt::format("[{}]", fmt::join(items, ", "));
    }
  }
  return {};
}

std::string describe_range(const Key& key) {
  switch (key.kind) {
    case ValueKind::flag:
      return "true or false";
    case ValueKind::count:
      return fmt::format("{} to {}", key.least, key.most);
    case ValueKind::duration:
      return fmt::format("{} to {}", duration_in_words(key.least), duration_in_words(key.most));
    case ValueKind::size:
      return fmt::format("{} to {}", format_size(key.least), format_size(key.most));
    case ValueKind::choice: {
      std::string out;
      for (const char c : key.choices) out += c == '|' ? std::string(" or ") : std::string(1, c);
      return out;
    }
    case ValueKind::text:
      return "any text";
    case ValueKind::numbers:
      return fmt::format("a list of numbers from {} to {}", key.least, key.most);
    case ValueKind::paths:
      return "a list of files or folders";
    case ValueKind::words:
      return "a list of words";
  }
  return {};
}

}  // namespace doorslam::config
