#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace doorslam::alert {

/// As wide as prose is set for a person, where the screen is not narrower.
inline constexpr std::size_t kPageColumns = 110;

/// How a piece of text may look.
enum class Ink : std::uint8_t { plain, bold, dim, red, green, yellow, cyan };

/// Colours text where the caller has asked for it, which is on a terminal only.
class Terminal {
 public:
  explicit Terminal(bool colour = false) : colour_(colour) {}

  /// `text` between the ANSI escape sequences of `ink`; `text` itself without colour.
  std::string paint(Ink ink, std::string_view text) const;

 private:
  bool colour_;
};

}  // namespace doorslam::alert
