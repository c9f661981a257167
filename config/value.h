#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/key.h"
#include "pipeline/base/result.h"

namespace doorslam::config {

/// flag: bool; count, duration (ns), size (octets): integer; choice, text: string; numbers, paths, words: lists.
using Value = std::variant<bool, std::int64_t, std::string, std::vector<std::int64_t>, std::vector<std::string>>;

/// Reads a value as a person writes it; lists are separated by commas. Errors (usage): "flows.capacity: ..." with what
/// is wrong and what is allowed. Nothing is clamped.
Result<Value> parse_value(const Key& key, std::string_view text);
/// The same for a list that is already apart. Errors as above.
Result<Value> parse_list(const Key& key, const std::vector<std::string>& items);

/// The value as YAML; parse_value or the YAML loader reads it back to the same value.
std::string format_value(const Key& key, const Value& value);
/// "1024 to 268435456", "full or none", "1s to 1h".
std::string describe_range(const Key& key);

}  // namespace doorslam::config
