#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flowtable/time.h"
#include "pipeline/base/text.h"

/// Times and untrusted bytes as text; beside what base has.
namespace doorslam::alert {

/// Writes RFC 3339 UTC times with nanoseconds; remembers the day, which is what costs. One per thread.
class TimeText {
 public:
  /// "2026-01-02T03:04:05.000000006Z"; borrowed until the next call. Years 1678 to 2262, by the type.
  std::string_view of(flowtable::TimeNs time_ns) noexcept;

 private:
  std::array<char, 30> text_{};
  std::int64_t day_ = INT64_MIN;
};

/// Reads what TimeText writes. Empty: it is something else.
std::optional<flowtable::TimeNs> time_of(std::string_view text) noexcept;

/// "2026-01-02 03:04:05.000" for a person; UTC.
std::string person_time(flowtable::TimeNs time_ns);

/// True where `text` is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;
/// `text` with each octet that is not part of well-formed UTF-8 written as \xNN.
std::string to_utf8(std::string_view text);
/// As to_utf8(), with control characters (C0, DEL, C1) as \xNN as well: nothing in it can steer a terminal.
std::string for_terminal(std::string_view text);

}  // namespace doorslam::alert
