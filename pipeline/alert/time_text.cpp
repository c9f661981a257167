#include "pipeline/alert/time_text.h"

#include <chrono>

namespace doorslam::alert {

namespace {

constexpr std::int64_t kDayNs = 86'400 * flowtable::kSecondNs;

char* put_two(char* at, std::int64_t value) noexcept {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
  return at + 2;
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

}  // namespace doorslam::alert
