#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flowtable/time.h"

/// Moments as text; lengths of time are base/text.h's.
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

}  // namespace doorslam::alert
