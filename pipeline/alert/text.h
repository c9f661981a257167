#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"

/// Addresses, times and bytes as text.
namespace doorslam::alert {

/// Dotted quad, or RFC 5952.
std::string text_of(const flowtable::IpAddress& address);
/// "192.0.2.1:80" or "[2001:db8::1]:80".
std::string text_of(const flowtable::Endpoint& endpoint);

/// An address as text in place.
class AddressText {
 public:
  explicit AddressText(const flowtable::IpAddress& address) noexcept;
  std::string_view view() const noexcept { return {text_.data(), length_}; }

 private:
  std::array<char, 46> text_;
  std::size_t length_ = 0;
};

/// Writes RFC 3339 UTC times with nanoseconds; remembers the day, which is what costs. One per thread.
class TimeText {
 public:
  /// "2026-01-02T03:04:05.000000006Z"; borrowed until the next call. Years 1678 to 2262, by the type.
  std::string_view of(flowtable::TimeNs time_ns) noexcept;

 private:
  std::array<char, 30> text_{};
  std::int64_t day_ = INT64_MIN;
};

/// "2026-01-02 03:04:05.000" for a person; UTC.
std::string person_time(flowtable::TimeNs time_ns);
/// "850 µs", "12.4 ms", "3.2 s", "4 min 10 s", "2 h 05 min".
std::string person_duration(flowtable::DurationNs duration_ns);
/// "1,234,567".
std::string grouped(std::uint64_t number);
/// "1 connection", "2 connections"; the number grouped.
std::string counted(std::uint64_t number, std::string_view singular, std::string_view plural = {});

/// True where `text` is well-formed UTF-8 (RFC 3629).
bool is_utf8(std::string_view text) noexcept;
/// `text` with each octet that is not part of well-formed UTF-8 written as \xNN.
std::string to_utf8(std::string_view text);
/// As to_utf8(), with control characters (C0, DEL, C1) as \xNN as well: nothing in it can steer a terminal.
std::string for_terminal(std::string_view text);
/// Octets for a person: printable ASCII as it is, CR, LF and TAB as \r \n \t, the rest as \xNN.
std::string escaped(std::string_view octets);

}  // namespace doorslam::alert
