#include "config/loader.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>
#include <utility>
#include <vector>

#include "config/options.h"
#include "pipeline/base/printable.h"

namespace doorslam::config {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20;

/// One YAML document on its way into the settings. What is wrong in it is left out of them and noted, as far as
/// `most` mistakes: the search for the key that was meant takes time by the file's size.
class YamlReader {
 public:
  YamlReader(Settings& settings, const std::filesystem::path& file, std::size_t most)
      : settings_(settings), file_(file), most_(most) {}

  /// Reads the map below `section`; "" is the document itself. Depth is bounded: only known sections are entered.
  void read_section(const YAML::Node& node, const std::string& section) {
    if (!node.IsDefined() || node.IsNull()) return;
    if (!node.IsMap()) {
      return refuse(node, section.empty() ? "the file must be a map of keys, as in \"workers: 4\""
                                          : fmt::format("{} is a section; put keys below it", section));
    }
    for (const auto& entry : node) {
      if (mistakes_.size() >= most_) return;
      if (!entry.first.IsScalar()) {
        refuse(entry.first, "a key must be a plain word");
        continue;
      }
      read_entry(entry.first, entry.second,
                 section.empty() ? entry.first.Scalar() : section + "." + entry.first.Scalar());
    }
  }

  void refuse(const YAML::Mark& mark, std::string_view what) {
    mistakes_.push_back({ErrorKind::usage, mark.is_null() ? fmt::format("{}: {}", file_.string(), what)
                                                          : fmt::format("{}:{}:{}: {}", file_.string(), mark.line + 1,
                                                                        mark.column + 1, what)});
  }

  std::vector<Error> take_mistakes() { return std::move(mistakes_); }

 private:
  void read_entry(const YAML::Node& at, const YAML::Node& node, const std::string& name) {
    const Key* key = find_key(name);
    const bool sinks = name == "sinks";
    if (key == nullptr && !sinks && !is_section(name)) return refuse(at, unknown_key_message(name));
    if (!seen_.insert(name).second) return refuse(at, fmt::format("{} is there twice; remove one", name));
    if (sinks) return read_sinks(at, node);
    if (key == nullptr) return read_section(node, name);
    auto value = read_value(*key, node);
    // An empty node has no place of its own.
    if (!value) return refuse(node.IsDefined() && !node.IsNull() ? node : at, value.error().message);
    settings_.assign(*key, std::move(*value));
  }

  void read_sinks(const YAML::Node& at, const YAML::Node& node) {
    if (!node.IsSequence()) {
      return refuse(at, "sinks is a list of entries, as in \"sinks: [{name: x, type: file, ...}]\"");
    }
    std::vector<SinkSettings> sinks;
    for (const YAML::Node& entry : node) {
      if (mistakes_.size() >= most_) return;
      if (auto sink = read_sink(entry)) sinks.push_back(std::move(*sink));
    }
    settings_.set_sinks(std::move(sinks));
  }

  /// Nothing: it has been refused.
  std::optional<SinkSettings> read_sink(const YAML::Node& node) {
    const std::size_t mistakes_before = mistakes_.size();
    SinkSettings sink;
    if (!node.IsMap()) refuse(node, "an entry of sinks is a map of keys: {name: x, type: file, ...}");
    for (const auto& pair : node) {
      if (!node.IsMap() || mistakes_.size() >= most_) break;
      if (!pair.first.IsScalar()) {
        refuse(pair.first, "a key must be a plain word");
      } else if (auto read = read_sink_value(sink, pair.first.Scalar(), pair.second); !read) {
        refuse(pair.first, read.error().message);
      }
    }
    if (mistakes_.size() > mistakes_before) return std::nullopt;
    if (auto checked = sink.check(); !checked) {
      refuse(node, checked.error().message);
      return std::nullopt;
    }
    return sink;
  }

  Result<void> read_sink_value(SinkSettings& sink, const std::string& name, const YAML::Node& node) const {
    if (node.IsScalar()) return sink.assign(name, node.Scalar(), file_.parent_path());
    std::vector<std::string> items;
    for (const YAML::Node& item : node) {
      if (!node.IsSequence() || !item.IsScalar())
        return usage_error(fmt::format("{}: no plain value", printable(name)));
      items.push_back(item.Scalar());
    }
    return sink.assign(name, items);
  }

  Result<Value> read_value(const Key& key, const YAML::Node& node) const {
    if (node.IsScalar()) return from_this_folder(key, parse_value(key, node.Scalar()));
    if (!node.IsSequence()) {
      const std::string_view what = node.IsMap() ? "keys stand where a value is wanted" : "there is no value";
      return usage_error(fmt::format("{}: {}; allowed: {}", key.name, what, describe_range(key)));
    }
    std::vector<std::string> items;
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) {
        return usage_error(fmt::format("{}: an entry is no plain value; allowed: {}", key.name, describe_range(key)));
      }
      items.push_back(item.Scalar());
    }
    return from_this_folder(key, parse_list(key, items));
  }

  Result<Value> from_this_folder(const Key& key, Result<Value> value) const {
    if (!value || key.kind != ValueKind::paths || !file_.has_parent_path()) return value;
    for (std::string& path : std::get<std::vector<std::string>>(*value)) {
      if (std::filesystem::path(path).is_relative()) path = (file_.parent_path() / path).string();
    }
    return value;
  }

  void refuse(const YAML::Node& at, std::string_view what) { refuse(at.Mark(), what); }

  Settings& settings_;
  const std::filesystem::path& file_;
  std::size_t most_;
  std::vector<Error> mistakes_;
  std::set<std::string, std::less<>> seen_;
};

/// The line (from 1) on which a second YAML document begins, if there is one. YAML::Load leaves it out without a word,
/// and YAML::LoadAll of yaml-cpp 0.7 does not return from some malformed files. Markers stand at the line's beginning.
std::optional<std::size_t> second_document(std::string_view text) {
  const auto marks = [](std::string_view line, std::string_view marker) {
    return line.starts_with(marker) && (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r');
  };
  bool begun = false;
  bool ended = false;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t first = line.find_first_not_of(" \t\r");
    const bool has_content = first != std::string_view::npos && line[first] != '#' && line[0] != '%';
    if (marks(line, "...")) {
      ended = begun;
    } else if (has_content) {
      if (ended || (begun && marks(line, "---"))) return number;
      begun = true;
    }
  }
  return std::nullopt;
}

Result<std::string> read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return usage_error(fmt::format("{}: is a directory; name the configuration file in it", path.string()));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return usage_error(fmt::format("{}: {}; check the path given with --config", path.string(), std::strerror(errno)));
  }
  std::string text(kLargestFile + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kLargestFile) {
    return usage_error(fmt::format("{}: larger than 1 MiB; is it a configuration file?", path.string()));
  }
  return text;
}

/// Applies what is right in the text; returns what is not.
std::vector<Error> read_yaml(Settings& settings, std::string_view text, const std::filesystem::path& file,
                             std::size_t most) {
  YamlReader reader(settings, file, most);
  try {
    const YAML::Node document = YAML::Load(std::string(text));
    if (const auto line = second_document(text)) {
      return {{ErrorKind::usage, fmt::format("{}:{}:1: a second document begins; join them and remove the line \"---\"",
                                             file.string(), *line)}};
    }
    reader.read_section(document, "");
  } catch (const YAML::Exception& error) {
    reader.refuse(error.mark, fmt::format("no valid YAML: {}", printable(error.msg)));
  }
  return reader.take_mistakes();
}

}  // namespace

Result<void> apply_yaml(Settings& settings, std::string_view text, const std::filesystem::path& file) {
  const std::vector<Error> mistakes = read_yaml(settings, text, file, 1);
  if (!mistakes.empty()) return tl::unexpected(mistakes.front());
  return {};
}

namespace {

/// A list of maps is YAML on the command line as well.
Result<void> apply_override(Settings& settings, const std::string& assignment) {
  constexpr std::string_view kSinks = "sinks=";
  if (!assignment.starts_with(kSinks)) return settings.override_with(assignment);
  return apply_yaml(settings, "sinks: " + assignment.substr(kSinks.size()), "--set");
}

}  // namespace

InspectedSettings inspect_settings(const std::optional<std::filesystem::path>& file,
                                   std::span<const std::string> overrides) {
  constexpr std::size_t kMostMistakes = 100;
  InspectedSettings inspected;
  if (file) {
    const auto text = read_file(*file);
    if (text) {
      inspected.mistakes = read_yaml(inspected.settings, *text, *file, kMostMistakes);
    } else {
      inspected.mistakes.push_back(text.error());
    }
  }
  for (const std::string& assignment : overrides) {
    if (auto applied = apply_override(inspected.settings, assignment); !applied) {
      inspected.mistakes.push_back(applied.error());
    }
  }
  if (auto checked = check_together(inspected.settings); !checked) inspected.mistakes.push_back(checked.error());
  return inspected;
}

Result<Settings> load_settings(const std::optional<std::filesystem::path>& file,
                               std::span<const std::string> overrides) {
  Settings settings;
  if (file) {
    const auto text = read_file(*file);
    if (!text) return tl::unexpected(text.error());
    if (auto applied = apply_yaml(settings, *text, *file); !applied) return tl::unexpected(applied.error());
  }
  for (const std::string& assignment : overrides) {
    if (auto applied = apply_override(settings, assignment); !applied) return tl::unexpected(applied.error());
  }
  if (auto checked = check_together(settings); !checked) return tl::unexpected(checked.error());
  return settings;
}

}  // namespace doorslam::config
