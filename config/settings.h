#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/key.h"
#include "config/sink_settings.h"
#include "config/value.h"
#include "pipeline/base/result.h"

namespace doorslam::config {

/// A value for every key; every value is within its bounds. immutable after start.
///
/// The getters take a key of the table and of that kind; anything else is a mistake in the program (std::logic_error).
class Settings {
 public:
  /// The defaults.
  Settings();

  bool flag(std::string_view name) const;
  std::int64_t number(std::string_view name) const;  ///< count; nanoseconds of a duration; octets of a size
  const std::string& text(std::string_view name) const;
  const std::vector<std::int64_t>& numbers(std::string_view name) const;
  const std::vector<std::string>& paths(std::string_view name) const;
  const std::vector<std::string>& words(std::string_view name) const;

  const Value& value(const Key& key) const;
  void assign(const Key& key, Value value);

  /// The entries of `sinks`, in their order.
  const std::vector<SinkSettings>& sinks() const noexcept { return sinks_; }
  void set_sinks(std::vector<SinkSettings> sinks) { sinks_ = std::move(sinks); }

  /// Applies "key=value", as given after --set. Errors (usage): no such key, or a value that it does not allow.
  Result<void> override_with(std::string_view assignment);

  friend bool operator==(const Settings&, const Settings&) = default;

 private:
  const Value& at(std::string_view name) const;

  std::vector<Value> values_;  ///< in the order of keys()
  std::vector<SinkSettings> sinks_;
};

/// The settings as a YAML file with each key's help and range as comments. config/doorslam.yaml is this, of defaults.
std::string print_config(const Settings& settings);

}  // namespace doorslam::config
