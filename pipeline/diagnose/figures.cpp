#include "pipeline/diagnose/figures.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>

namespace doorslam::diagnose {

std::string in_words(flowtable::DurationNs duration) {
  const double seconds = static_cast<double>(std::abs(duration)) / static_cast<double>(flowtable::kSecondNs);
  if (seconds < 0.001) return fmt::format("{:.0f} µs", seconds * 1e6);
  if (seconds < 0.01) return fmt::format("{:.1f} ms", seconds * 1e3);
  if (seconds < 1.0) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 120.0) return fmt::format("{:.1f} s", seconds);
  return fmt::format("{:.0f} min", seconds / 60.0);
}

std::string in_words(const flowtable::IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.version == flowtable::IpVersion::v4 ? AF_INET : AF_INET6;
  return inet_ntop(family, address.octets.data(), text.data(), text.size()) == nullptr ? "?" : text.data();
}

std::string counted(std::uint64_t count, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", count, count == 1 ? singular : plural);
}

}  // namespace doorslam::diagnose
