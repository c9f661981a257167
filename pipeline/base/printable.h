#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace doorslam {

/// What a file or a person wrote, fit for a message of one line: control characters replaced, cut after `most` octets.
inline std::string printable(std::string_view text, std::size_t most = 100) {
  std::string out;
  for (const char c : text.substr(0, most)) out += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
  if (text.size() > most) out += "...";
  return out;
}

}  // namespace doorslam
