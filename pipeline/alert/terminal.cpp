#include "pipeline/alert/terminal.h"

namespace doorslam::alert {

namespace {

/// ECMA-48 "select graphic rendition".
constexpr std::string_view code_of(Ink ink) {
  switch (ink) {
    case Ink::plain:
      return "";
    case Ink::bold:
      return "\x1b[1m";
    case Ink::dim:
      return "\x1b[2m";
    case Ink::red:
      return "\x1b[1;31m";
    case Ink::green:
      return "\x1b[32m";
    case Ink::yellow:
      return "\x1b[33m";
    case Ink::cyan:
      return "\x1b[36m";
  }
  return "";
}

}  // namespace

std::string Terminal::paint(Ink ink, std::string_view text) const {
  if (!colour_ || ink == Ink::plain || text.empty()) return std::string(text);
  std::string out(code_of(ink));
  out.append(text).append("\x1b[0m");
  return out;
}

}  // namespace doorslam::alert
