#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace doorslam::alert {

/// How text may look. Colour is on only where the caller asks for it (a terminal).
enum class Ink : std::uint8_t { plain, bold, dim, red, green, yellow, cyan };

class Terminal {
 public:
  explicit Terminal(bool colour = false) : colour_(colour) {}

  /// `text` between the escape sequences of `ink`; `text` itself without colour.
  std::string paint(Ink ink, std::string_view text) const;

 private:
  bool colour_;
};

/// Columns that UTF-8 text takes (each code point one; no escape sequences in it).
std::size_t columns(std::string_view text) noexcept;

/// `text` broken at blanks into lines of at most `width` columns, each begun with `indent` blanks and ended with
/// '\n'; the first line begins with `first` instead (a bullet), padded to `indent`.
std::string wrap(std::string_view text, std::size_t width, std::size_t indent, std::string_view first = {});

}  // namespace doorslam::alert
