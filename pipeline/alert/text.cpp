#include "pipeline/alert/text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>

namespace doorslam::alert {

namespace {

using flowtable::IpVersion;

constexpr std::int64_t kDayNs = 86'400 * flowtable::kSecondNs;

char* put_two(char* at, std::int64_t value) noexcept {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
  return at + 2;
}

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

void append_hex(std::string& out, char octet) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto value = static_cast<std::uint8_t>(octet);
  out += "\\x";
  out += kHex[value >> 4];
  out += kHex[value & 15];
}

}  // namespace

AddressText::AddressText(const flowtable::IpAddress& address) noexcept {
  if (address.version == IpVersion::v4) {
    char* at = text_.data();
    for (std::size_t i = 0; i < 4; ++i) {
      if (i != 0) *at++ = '.';
      at = std::to_chars(at, text_.data() + text_.size(), static_cast<unsigned>(address.octets[i])).ptr;
    }
    length_ = static_cast<std::size_t>(at - text_.data());
  } else if (inet_ntop(AF_INET6, address.octets.data(), text_.data(), static_cast<socklen_t>(text_.size())) !=
             nullptr) {
    length_ = std::strlen(text_.data());
  }
}

std::string text_of(const flowtable::IpAddress& address) { return std::string(AddressText(address).view()); }

std::string text_of(const flowtable::Endpoint& endpoint) {
  const AddressText address(endpoint.address);
  return endpoint.address.version == IpVersion::v6 ? fmt::format("[{}]:{}", address.view(), endpoint.port)
                                                   : fmt::format("{}:{}", address.view(), endpoint.port);
}

std::string_view TimeText::of(flowtable::TimeNs time_ns) noexcept {
  std::int64_t day = time_ns / kDayNs;
  std::int64_t rest = time_ns % kDayNs;
  if (rest < 0) {
    rest += kDayNs;
    --day;
  }
  if (day != day_) {
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
    const int year = static_cast<int>(date.year());
    char* at = put_two(text_.data(), year / 100);
    at = put_two(at, year % 100);
    *at++ = '-';
    at = put_two(at, static_cast<unsigned>(date.month()));
    *at++ = '-';
    at = put_two(at, static_cast<unsigned>(date.day()));
    *at = 'T';
    text_[29] = 'Z';
    day_ = day;
  }
  const std::int64_t seconds = rest / flowtable::kSecondNs;
  auto fraction = static_cast<std::uint32_t>(rest % flowtable::kSecondNs);
  char* at = put_two(text_.data() + 11, seconds / 3600);
  *at++ = ':';
  at = put_two(at, seconds / 60 % 60);
  *at++ = ':';
  at = put_two(at, seconds % 60);
  *at = '.';
  for (std::size_t i = 28; i > 19; --i) {
    text_[i] = static_cast<char>('0' + fraction % 10);
    fraction /= 10;
  }
  return {text_.data(), text_.size()};
}

std::string person_time(flowtable::TimeNs time_ns) {
  TimeText time;
  std::string text(time.of(time_ns).substr(0, 23));
  text[10] = ' ';
  return text;
}

std::string person_duration(flowtable::DurationNs duration_ns) {
  using flowtable::kMicrosecondNs, flowtable::kMillisecondNs, flowtable::kSecondNs;
  const auto in = [&](flowtable::DurationNs unit) {
    return static_cast<double>(duration_ns) / static_cast<double>(unit);
  };
  if (duration_ns < kMillisecondNs) return fmt::format("{:.0f} µs", in(kMicrosecondNs));
  if (duration_ns < kSecondNs) return fmt::format("{:.1f} ms", in(kMillisecondNs));
  if (duration_ns < 60 * kSecondNs) return fmt::format("{:.1f} s", in(kSecondNs));
  const std::int64_t seconds = duration_ns / kSecondNs;
  if (seconds < 3600) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  if (seconds < 86'400) return fmt::format("{} h {:02} min", seconds / 3600, seconds / 60 % 60);
  return fmt::format("{} d {:02} h", seconds / 86'400, seconds / 3600 % 24);
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string counted(std::uint64_t number, std::string_view singular, std::string_view plural) {
  std::string text = grouped(number) + ' ';
  if (number == 1) return text.append(singular);
  return plural.empty() ? text.append(singular) + 's' : text.append(plural);
}

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

std::string escaped(std::string_view octets) {
  std::string out;
  out.reserve(octets.size());
  for (const char c : octets) {
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c >= 0x20 && c < 0x7f) {
      out += c;
    } else {
      append_hex(out, c);
    }
  }
  return out;
}

}  // namespace doorslam::alert
