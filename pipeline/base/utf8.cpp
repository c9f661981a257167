#include "pipeline/base/utf8.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "pipeline/base/text.h"

namespace doorslam {

namespace {

/// Length of the well-formed UTF-8 sequence at the front of `text`, 0 where there is none.
std::size_t sequence_length(std::string_view text) noexcept {
  const auto octet = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const auto follows = [&](std::size_t i) { return i < text.size() && (octet(i) & 0xC0) == 0x80; };
  const std::uint8_t lead = octet(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!follows(1) || !follows(2)) return 0;
    if (lead == 0xE0 && octet(1) < 0xA0) return 0;   // overlong
    if (lead == 0xED && octet(1) >= 0xA0) return 0;  // surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (lead == 0xF0 && octet(1) < 0x90) return 0;   // overlong
    if (lead == 0xF4 && octet(1) >= 0x90) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  const bool ascii = std::none_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; });
  if (ascii) return true;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string to_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) append_hex(out, text.front());
    out.append(text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::string for_terminal(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    const auto lead = static_cast<std::uint8_t>(text[0]);
    const bool c1 = length == 2 && lead == 0xC2 && static_cast<std::uint8_t>(text[1]) < 0xA0;
    if (length == 0 || lead < 0x20 || lead == 0x7f) {
      append_hex(out, text[0]);
    } else if (c1) {
      append_hex(out, text[1]);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

}  // namespace doorslam
