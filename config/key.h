#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// The configuration's keys: one table row each. The loader, --set, the printed configuration, the checks and what a
/// reload changes all follow from the table; a new key needs a row in schema.cpp and a line in options.cpp.
namespace doorslam::config {

/// What a value is, and how a person writes it.
enum class ValueKind : std::uint8_t {
  flag,      ///< true or false
  count,     ///< a whole number
  duration,  ///< 10, 10s, 500ms, 5m; a bare number counts seconds; kept in nanoseconds
  size,      ///< 4096, 64KiB, 4MiB, 1GiB; kept in octets
  choice,    ///< one of Key::choices
  text,
  numbers,  ///< a list of whole numbers
  paths,    ///< a list of files or folders
  words,    ///< a list of words
};

struct Key {
  std::string_view name;  ///< sections and key, joined by dots
  ValueKind kind = ValueKind::count;
  std::string_view fallback;  ///< the default, as one would write it after --set
  /// A running sensor goes by a new value once it reads its settings again (SIGHUP); every other needs a restart.
  bool reloads = false;
  std::int64_t least = 0;  ///< of a number (each one of a list), in nanoseconds or octets where the kind says so
  std::int64_t most = 0;
  std::string_view choices = {};  ///< joined by '|'
  std::string_view help;          ///< a sentence or two: what it does, when to change it
};

struct Section {
  std::string_view name;
  std::string_view help;
};

/// All keys, those of a section together.
std::span<const Key> keys() noexcept;
std::span<const Section> sections() noexcept;

/// The key of that name, or nullptr.
const Key* find_key(std::string_view name) noexcept;
bool is_section(std::string_view name) noexcept;

/// "unknown key flows.capcity; did you mean flows.capacity?"
std::string unknown_key_message(std::string_view name);

}  // namespace doorslam::config
