#include "pipeline/base/text.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace doorslam {

using flowtable::IpVersion;

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

std::string in_words(flowtable::DurationNs duration_ns) {
  const double seconds = static_cast<double>(std::abs(duration_ns)) / static_cast<double>(flowtable::kSecondNs);
  if (seconds < 0.001) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 0.01) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 1.0) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 120.0) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.0f} min", seconds / 60.0);
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

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

void append_hex(std::string& out, char octet) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto value = static_cast<std::uint8_t>(octet);
  out += "\\x";
  out += kHex[value >> 4];
  out += kHex[value & 15];
}

std::string escaped(std::string_view octets, std::size_t most) {
  std::string out;
  std::string shown;
  for (const char c : octets) {
    shown.clear();
    switch (c) {
      case '\r':
        shown = "\\r";
        break;
      case '\n':
        shown = "\\n";
        break;
      case '\t':
        shown = "\\t";
        break;
      case '\\':
        shown = "\\\\";
        break;
      default:
        if (c >= 0x20 && c < 0x7f) {
          shown = c;
        } else {
          append_hex(shown, c);
        }
    }
    if (out.size() + shown.size() > most) break;
    out += shown;
  }
  return out;
}

}  // namespace doorslam
