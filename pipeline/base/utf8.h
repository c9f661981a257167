#pragma once

#include <string>
#include <string_view>

/// Octets that others wrote, which may be no text at all, as UTF-8.
namespace doorslam {

/// True where `text` is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;
/// `text` with each octet that is not part of well-formed UTF-8 written as \xNN.
std::string to_utf8(std::string_view text);
/// As to_utf8(), with control characters (C0, DEL, C1) as \xNN as well: nothing in it can steer a terminal.
std::string for_terminal(std::string_view text);

}  // namespace doorslam
