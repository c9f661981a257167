#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

/// Text in lines for a person.
namespace doorslam {

/// Columns that UTF-8 text takes: one a code point. The text must hold no escape sequences.
inline std::size_t columns(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

/// `text` broken at blanks into lines of at most `width` columns, each begun with `indent` blanks and ended with
/// '\n'. The first line begins with `first` (a bullet, a label), padded to `indent`. Longer words are not broken.
inline std::string wrap(std::string_view text, std::size_t width, std::size_t indent, std::string_view first = {}) {
  std::string out(first);
  out.append(indent - std::min(indent, columns(first)), ' ');
  std::size_t used = std::max(indent, columns(first));
  bool line_empty = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word.empty()) continue;
    const std::size_t length = columns(word);
    if (!line_empty && used + 1 + length > width) {
      out.append(1, '\n').append(indent, ' ');
      used = indent;
      line_empty = true;
    }
    if (!line_empty) {
      out += ' ';
      ++used;
    }
    out.append(word);
    used += length;
    line_empty = false;
  }
  out += '\n';
  return out;
}

}  // namespace doorslam
