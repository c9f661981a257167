#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/key.h"
#include "config/value.h"
#include "pipeline/base/result.h"

namespace doorslam::config {

/// A key of an entry of `sinks`.
struct SinkKey {
  Key key;
  std::string_view types = {};  ///< of the sinks that have it, joined by '|'; empty: all
  bool is_path = false;         ///< of a file: a relative one starts at the configuration file's folder
};

std::span<const SinkKey> sink_keys() noexcept;

/// One entry of `sinks`: a value for every key, and which of them somebody gave. immutable after start.
///
/// The getters take a key of the table and of that kind; anything else is a mistake in the program (std::logic_error).
class SinkSettings {
 public:
  SinkSettings();

  bool flag(std::string_view name) const;
  std::int64_t number(std::string_view name) const;  ///< count; nanoseconds of a duration; octets of a size
  const std::string& text(std::string_view name) const;
  const std::vector<std::string>& words(std::string_view name) const;
  bool given(std::string_view name) const;

  /// Relative paths start at `folder`. Errors (usage): no such key, or a value that it does not allow.
  Result<void> assign(std::string_view name, std::string_view text, const std::filesystem::path& folder);
  Result<void> assign(std::string_view name, const std::vector<std::string>& items);
  /// Errors (usage): keys that belong to another type of sink, or a name or type is missing.
  Result<void> check() const;

  /// What was given, as a YAML list entry indented by two.
  std::string print() const;

  friend bool operator==(const SinkSettings&, const SinkSettings&) = default;

 private:
  const Value& at(std::string_view name) const;

  std::vector<Value> values_;  ///< in the order of sink_keys()
  std::vector<bool> given_;
};

/// The keys of an entry with their meaning, as comment lines without '#'.
std::vector<std::string> describe_sink_keys();

}  // namespace doorslam::config
