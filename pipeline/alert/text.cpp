#include "pipeline/alert/text.h"

#include <algorithm>
#include <chrono>

namespace doorslam::alert {

namespace {

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

}  // namespace

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

std::optional<flowtable::TimeNs> time_of(std::string_view text) noexcept {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000000000Z";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    const bool fits = kForm[i] == '0' ? text[i] >= '0' && text[i] <= '9' : text[i] == kForm[i];
    if (!fits) return std::nullopt;
  }
  const auto number = [text](std::size_t at, std::size_t digits) {
    unsigned value = 0;
    for (const char c : text.substr(at, digits)) value = value * 10 + static_cast<unsigned>(c - '0');
    return value;
  };
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(number(0, 4))),
                                         std::chrono::month(number(5, 2)), std::chrono::day(number(8, 2))};
  if (!date.ok() || number(0, 4) < 1678 || number(0, 4) > 2261) return std::nullopt;
  if (number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  const std::int64_t seconds = std::int64_t{days} * 86'400 + number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
  return seconds * flowtable::kSecondNs + number(20, 9);
}

std::string person_time(flowtable::TimeNs time_ns) {
  TimeText time;
  std::string text(time.of(time_ns).substr(0, 23));
  text[10] = ' ';
  return text;
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

}  // namespace doorslam::alert
