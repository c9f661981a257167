#include "pipeline/diagnose/signature/signature_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include "pipeline/diagnose/signature/data_directory.h"
#include "pipeline/tcp/evidence.h"

namespace doorslam::diagnose {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxExpressionLength = 1000;
constexpr double kWeightTolerance = 1e-9;

struct NamedSpecificity {
  std::string_view name;
  double value;
};

constexpr std::array<NamedSpecificity, 5> kSpecificities = {{
    {"exact", specificity::kExact},
    {"program", specificity::kProgram},
    {"protocol", specificity::kProtocol},
    {"generic", specificity::kGeneric},
    {"greeting", specificity::kGreeting},
}};

/// Thrown inside this file only: yaml-cpp throws as well, and parse_signatures turns both into a Result.
struct Refused {
  YAML::Mark mark;
  std::string message;
};

[[noreturn]] void refuse(const YAML::Node& node, std::string message) {
  throw Refused{node.Mark(), std::move(message)};
}

bool is_kebab_case(std::string_view name) {
  const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.empty() || !is_word(name.front()) || !is_word(name.back())) return false;
  char before = 'a';
  for (const char c : name) {
    if (!is_word(c) && (c != '-' || before == '-')) return false;
    before = c;
  }
  return true;
}

std::string scalar_of(const YAML::Node& node, std::string_view key) {
  if (!node.IsScalar()) refuse(node, fmt::format("'{}' must be one text, not a list or a map", key));
  if (node.Scalar().empty()) refuse(node, fmt::format("'{}' is empty; give it a text or leave the key out", key));
  return node.Scalar();
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool bool_of(const YAML::Node& node, std::string_view key) {
  const std::string text = scalar_of(node, key);
  if (text == "true") return true;
  if (text == "false") return false;
  refuse(node, fmt::format("'{}' is '{}'; write true or false", key, text));
}

PortRange port_range_of(const YAML::Node& node) {
  const std::string text = scalar_of(node, "ports");
  const std::size_t dash = text.find('-');
  const std::string_view view = text;
  const auto first = number_of<std::uint16_t>(view.substr(0, dash));
  const auto last = dash == std::string::npos ? first : number_of<std::uint16_t>(view.substr(dash + 1));
  if (!first || !last || *first == 0 || *last < *first) {
    refuse(node, fmt::format("'{}' is no port; write a number from 1 to 65535, or a range such as 6660-6669", text));
  }
  return {*first, *last};
}

std::vector<PortRange> ports_of(const YAML::Node& node) {
  if (!node.IsSequence()) refuse(node, "'ports' must be a list; write for example [21, 2121]");
  std::vector<PortRange> ports;
  for (const YAML::Node& port : node) ports.push_back(port_range_of(port));
  return ports;
}

tcp::Side side_of(const YAML::Node& node) {
  const std::string text = scalar_of(node, "side");
  if (text == "server") return tcp::Side::responder;
  if (text == "client") return tcp::Side::originator;
  refuse(node, fmt::format("'side' is '{}'; write server or client: who says it", text));
}

double specificity_of(const YAML::Node& node) {
  const std::string text = scalar_of(node, "specificity");
  for (const auto& [name, value] : kSpecificities) {
    if (text == name) return value;
  }
  const auto value = number_of<double>(text);
  if (!value || !(*value >= 0.0 && *value <= 1.0)) {
    refuse(node, fmt::format("'specificity' is '{}'; write exact, program, protocol, generic, greeting or a number "
                             "from 0 to 1",
                             text));
  }
  return *value;
}

std::vector<CauseWeight> causes_of(const YAML::Node& node) {
  if (!node.IsMap() || node.size() == 0) {
    refuse(node, "'causes' must map causes to weights; write for example {connection_limit: 0.9}");
  }
  std::vector<CauseWeight> causes;
  double sum = 0.0;
  for (const auto& entry : node) {
    const std::string name = scalar_of(entry.first, "causes");
    const auto cause = cause_named(name);
    if (!cause) {
      refuse(entry.first, fmt::format("unknown cause '{}'; known: {}", name, fmt::join(kCauseNames, ", ")));
    }
    if (std::ranges::find(causes, *cause, &CauseWeight::cause) != causes.end()) {
      refuse(entry.first, fmt::format("cause '{}' stands there twice; keep one", name));
    }
    const std::string text = scalar_of(entry.second, name);
    const auto weight = number_of<double>(text);
    if (!weight || !(*weight > 0.0 && *weight <= 1.0)) {
      refuse(entry.second, fmt::format("weight of '{}' is '{}'; write a number above 0, at most 1", name, text));
    }
    causes.push_back({*cause, *weight});
    sum += *weight;
  }
  if (sum > 1.0 + kWeightTolerance) {
    refuse(node, fmt::format("weights sum to {:.3g}; they are probabilities, make them sum to 1 or less", sum));
  }
  std::ranges::stable_sort(causes, std::ranges::greater{}, &CauseWeight::weight);
  return causes;
}

/// Resolves the escapes of `sample`. Returns what is wrong, or nothing.
std::optional<std::string> unescape(std::string_view text, std::string& octets) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      octets += text[i];
      continue;
    }
    if (++i == text.size()) return R"(ends in a lone backslash; write \\ for a backslash)";
    switch (text[i]) {
      case 'r':
        octets += '\r';
        break;
      case 'n':
        octets += '\n';
        break;
      case 't':
        octets += '\t';
        break;
      case '0':
        octets += '\0';
        break;
      case '\\':
        octets += '\\';
        break;
      case 'x': {
        unsigned value = 0;
        const std::string_view digits = text.substr(i + 1, 2);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (error != std::errc{} || digits.size() != 2 || end != digits.data() + 2) {
          return R"(has \x without two hexadecimal digits)";
        }
        octets += static_cast<char>(value);
        i += 2;
        break;
      }
      default:
        return fmt::format(R"(has the unknown escape \{}; known: \r \n \t \0 \\ \xHH)", text[i]);
    }
  }
  return std::nullopt;
}

std::string sample_of(const YAML::Node& node) {
  std::string octets;
  if (const auto wrong = unescape(scalar_of(node, "sample"), octets)) refuse(node, "'sample' " + *wrong);
  if (octets.size() > tcp::PayloadHead::kCapacity) {
    refuse(node, fmt::format("'sample' has {} octets; doorslam looks at the first {} only, shorten it", octets.size(),
                             tcp::PayloadHead::kCapacity));
  }
  return octets;
}

std::string expression_of(const YAML::Node& node) {
  std::string text = scalar_of(node, "expression");
  if (text.size() > kMaxExpressionLength) {
    refuse(node,
           fmt::format("'expression' has {} characters; at most {} are allowed", text.size(), kMaxExpressionLength));
  }
  return text;
}

std::vector<std::string> names_of(const YAML::Node& node) {
  if (!node.IsSequence()) refuse(node, "'overlaps' must be a list of names of signatures");
  std::vector<std::string> names;
  for (const YAML::Node& name : node) names.push_back(scalar_of(name, "overlaps"));
  return names;
}

std::string name_from(const YAML::Node& node) {
  std::string name = scalar_of(node, "name");
  if (!is_kebab_case(name)) {
    refuse(node, fmt::format("'{}' is no name; use lower-case letters, digits and single dashes, as in "
                             "vsftpd-max-clients",
                             name));
  }
  return name;
}

/// A signature as far as it is known, and which keys gave it.
struct Draft {
  Signature signature;
  std::vector<std::string> keys;
  bool context_said = false;

  bool has(std::string_view key) const { return std::ranges::find(keys, key) != keys.end(); }
};

/// One key of the form. `shared` ones may stand in a file's `defaults`.
struct Key {
  std::string_view name;
  bool required;
  bool shared;
  void (*read)(const YAML::Node& value, Signature& into);
};

constexpr std::array<Key, 17> kKeys = {{
    {"name", true, false, [](const YAML::Node& v, Signature& s) { s.name = name_from(v); }},
    {"program", true, true, [](const YAML::Node& v, Signature& s) { s.program = scalar_of(v, "program"); }},
    {"protocol", true, true, [](const YAML::Node& v, Signature& s) { s.protocol = scalar_of(v, "protocol"); }},
    {"ports", false, true, [](const YAML::Node& v, Signature& s) { s.ports = ports_of(v); }},
    {"side", false, true, [](const YAML::Node& v, Signature& s) { s.side = side_of(v); }},
    {"expression", true, false, [](const YAML::Node& v, Signature& s) { s.expression = expression_of(v); }},
    {"causes", true, true, [](const YAML::Node& v, Signature& s) { s.causes = causes_of(v); }},
    {"specificity", true, true, [](const YAML::Node& v, Signature& s) { s.specificity = specificity_of(v); }},
    {"needs_context", false, true,
     [](const YAML::Node& v, Signature& s) { s.needs_context = bool_of(v, "needs_context"); }},
    {"first_words", false, true, [](const YAML::Node& v, Signature& s) { s.first_words = bool_of(v, "first_words"); }},
    {"success", false, true, [](const YAML::Node& v, Signature& s) { s.success = bool_of(v, "success"); }},
    {"needs_credentials", false, true,
     [](const YAML::Node& v, Signature& s) { s.needs_credentials = bool_of(v, "needs_credentials"); }},
    {"before_mail", false, true, [](const YAML::Node& v, Signature& s) { s.before_mail = bool_of(v, "before_mail"); }},
    {"enabled", false, true, [](const YAML::Node& v, Signature& s) { s.enabled = bool_of(v, "enabled"); }},
    {"source", true, true, [](const YAML::Node& v, Signature& s) { s.source = scalar_of(v, "source"); }},
    {"sample", true, false, [](const YAML::Node& v, Signature& s) { s.sample = sample_of(v); }},
    {"overlaps", false, false, [](const YAML::Node& v, Signature& s) { s.overlaps = names_of(v); }},
}};

std::string known_keys() {
  std::string known;
  for (const Key& key : kKeys) known += (known.empty() ? "" : ", ") + std::string(key.name);
  return known;
}

void read_key(const YAML::Node& key_node, const YAML::Node& value, bool in_defaults, Draft& draft) {
  const std::string name = scalar_of(key_node, "key");
  const auto key = std::ranges::find(kKeys, name, &Key::name);
  if (key == kKeys.end()) refuse(key_node, fmt::format("unknown key '{}'; known: {}", name, known_keys()));
  if (in_defaults && !key->shared) {
    refuse(key_node, fmt::format("'{}' belongs to one signature; move it out of 'defaults'", name));
  }
  if (draft.has(name)) refuse(key_node, fmt::format("'{}' stands there twice; keep one", name));
  draft.keys.push_back(name);
  key->read(value, draft.signature);
}

/// What is wrong in a file, in the order of its text, as far as there is room.
class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}

  void note(const YAML::Mark& mark, std::string_view message) {
    if (all_.size() >= kMost) return;
    all_.push_back({ErrorKind::usage,
                    mark.is_null() ? fmt::format("{}: {}", file_, message)
                                   : fmt::format("{}:{}:{}: {}", file_, mark.line + 1, mark.column + 1, message)});
  }
  /// Does it, and notes what it refuses.
  template <class Action>
  void noting(Action&& action) {
    try {
      action();
    } catch (const Refused& refused) {
      note(refused.mark, refused.message);
    }
  }
  std::vector<Error> take() { return std::move(all_); }

 private:
  static constexpr std::size_t kMost = 100;
  std::string file_;
  std::vector<Error> all_;
};

Draft defaults_of(const YAML::Node& node, Mistakes& mistakes) {
  Draft defaults;
  if (!node.IsDefined()) return defaults;
  if (!node.IsMap()) refuse(node, "'defaults' must be a map of keys that all signatures of the file share");
  for (const auto& entry : node) mistakes.noting([&] { read_key(entry.first, entry.second, true, defaults); });
  return defaults;
}

Signature signature_of(const YAML::Node& node, const Draft& defaults, const std::string& file, Mistakes& mistakes) {
  if (!node.IsMap()) refuse(node, "a signature must be a map; start it with '- name: …'");
  Draft draft;
  draft.signature = defaults.signature;
  for (const auto& entry : node) mistakes.noting([&] { read_key(entry.first, entry.second, false, draft); });
  Signature& signature = draft.signature;
  for (const Key& key : kKeys) {
    if (!key.required || draft.has(key.name) || defaults.has(key.name)) continue;
    mistakes.note(node.Mark(), fmt::format("signature '{}' lacks '{}'; add it", signature.name, key.name));
  }
  // Generic codes mean something else elsewhere, so they need their context unless the file says otherwise.
  if (!draft.has("needs_context") && !defaults.has("needs_context")) {
    signature.needs_context = signature.specificity == specificity::kGeneric;
  }
  signature.file = file;
  signature.line = static_cast<std::uint32_t>(node.Mark().line + 1);
  if (const YAML::Node expression = node["expression"]; expression.IsDefined()) {
    signature.expression_line = static_cast<std::uint32_t>(expression.Mark().line + 1);
    signature.expression_column = static_cast<std::uint32_t>(expression.Mark().column + 1);
  }
  return std::move(draft.signature);
}

/// The signatures of a text that are right as a whole, and those that are not with what is right in them.
std::vector<Signature> signatures_of(const SignatureText& text, Mistakes& mistakes) {
  const YAML::Node root = YAML::Load(text.text);
  if (!root.IsMap()) refuse(root, "the file must be a map with the key 'signatures'");
  for (const auto& entry : root) {
    const std::string key = scalar_of(entry.first, "key");
    if (key != "signatures" && key != "defaults") {
      mistakes.note(entry.first.Mark(), fmt::format("unknown key '{}'; known: defaults, signatures", key));
    }
  }
  const YAML::Node list = root["signatures"];
  if (!list.IsDefined() || !list.IsSequence()) refuse(root, "'signatures' is missing or no list");
  const Draft defaults = defaults_of(root["defaults"], mistakes);
  std::vector<Signature> signatures;
  std::map<std::string, std::uint32_t> line_of_name;
  const auto add = [&](const YAML::Node& node) {
    Signature signature = signature_of(node, defaults, text.file, mistakes);
    const auto [earlier, is_new] = line_of_name.emplace(signature.name, signature.line);
    if (!is_new && !signature.name.empty()) {
      refuse(node,
             fmt::format("signature '{}' stands in line {} already; rename one", signature.name, earlier->second));
    }
    signatures.push_back(std::move(signature));
  };
  for (const YAML::Node& node : list) mistakes.noting([&] { add(node); });
  return signatures;
}

struct ParsedText {
  std::vector<Signature> signatures;
  std::vector<Error> mistakes;
};

ParsedText parse_text(const SignatureText& text) {
  Mistakes mistakes(text.file);
  ParsedText parsed;
  try {
    mistakes.noting([&] { parsed.signatures = signatures_of(text, mistakes); });
  } catch (const YAML::Exception& error) {
    mistakes.note(error.mark, "no YAML: " + error.msg);
  }
  parsed.mistakes = mistakes.take();
  return parsed;
}

Result<SignatureText> read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in || !text) {
    return usage_error(
        fmt::format("{}: cannot read the signatures; the file, or the folder of *.yaml files, must exist, be readable "
                    "and not be empty",
                    path.string()));
  }
  return SignatureText{path.string(), std::move(text).str()};
}

Result<std::vector<fs::path>> files_in(const fs::path& directory) {
  std::error_code error;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().extension() == ".yaml") files.push_back(entry->path());
  }
  if (error) {
    return usage_error(fmt::format("{}: cannot list the directory ({})", directory.string(), error.message()));
  }
  if (files.empty()) {
    return usage_error(fmt::format("{}: holds no *.yaml file; point to a directory of signatures", directory.string()));
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

Result<std::vector<SignatureText>> read_signature_texts(std::span<const fs::path> files_or_directories) {
  std::vector<SignatureText> texts;
  for (const fs::path& path : files_or_directories) {
    std::vector<fs::path> files = {path};
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
      auto found = files_in(path);
      if (!found) return tl::unexpected(std::move(found.error()));
      files = std::move(*found);
    }
    for (const fs::path& file : files) {
      auto text = read_file(file);
      if (!text) return tl::unexpected(std::move(text.error()));
      texts.push_back(std::move(*text));
    }
  }
  return texts;
}

std::vector<Signature> parse_signatures(std::span<const SignatureText> texts, std::vector<Error>& mistakes) {
  std::vector<Signature> all;
  std::map<std::string, std::size_t> index_of_name;
  for (const SignatureText& text : texts) {
    ParsedText parsed = parse_text(text);
    mistakes.insert(mistakes.end(), parsed.mistakes.begin(), parsed.mistakes.end());
    for (Signature& signature : parsed.signatures) {
      const auto [place, is_new] = index_of_name.emplace(signature.name, all.size());
      if (is_new) {
        all.push_back(std::move(signature));
      } else {
        all[place->second] = std::move(signature);
      }
    }
  }
  return all;
}

Result<std::vector<Signature>> parse_signatures(std::span<const SignatureText> texts) {
  std::vector<Error> mistakes;
  auto all = parse_signatures(texts, mistakes);
  if (!mistakes.empty()) return tl::unexpected(std::move(mistakes.front()));
  return all;
}

fs::path default_signature_directory() { return data_places().signatures; }

}  // namespace doorslam::diagnose
