#include "pipeline/diagnose/icmp_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace doorslam::diagnose {

namespace {

struct Words {
  std::uint8_t type;
  std::uint8_t code;
  std::string_view text;
};

/// RFC 792, RFC 1812 section 5.2.7, and IANA's list of ICMP parameters.
constexpr auto kIcmp = std::to_array<Words>({
    {3, 0, "network unreachable"},
    {3, 1, "host unreachable"},
    {3, 2, "protocol unreachable"},
    {3, 3, "port unreachable"},
    {3, 4, "fragmentation needed"},
    {3, 5, "source route failed"},
    {3, 6, "network unknown"},
    {3, 7, "host unknown"},
    {3, 8, "source host isolated"},
    {3, 9, "network administratively prohibited"},
    {3, 10, "host administratively prohibited"},
    {3, 11, "network unreachable for this type of service"},
    {3, 12, "host unreachable for this type of service"},
    {3, 13, "communication administratively prohibited"},
    {3, 14, "host precedence violation"},
    {3, 15, "precedence cutoff"},
    {11, 0, "time to live exceeded in transit"},
    {11, 1, "fragment reassembly time exceeded"},
});

/// RFC 4443, section 3.
constexpr auto kIcmp6 = std::to_array<Words>({
    {1, 0, "no route to destination"},
    {1, 1, "communication administratively prohibited"},
    {1, 2, "beyond scope of source address"},
    {1, 3, "address unreachable"},
    {1, 4, "port unreachable"},
    {1, 5, "source address failed ingress or egress policy"},
    {1, 6, "reject route to destination"},
    {2, 0, "packet too big"},
    {3, 0, "hop limit exceeded in transit"},
    {3, 1, "fragment reassembly time exceeded"},
});

std::string words_in(const auto& table, std::string_view name, std::uint8_t type, std::uint8_t code) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const Words& row) { return row.type == type && row.code == code; });
  const std::string_view text = found == table.end() ? std::string_view("error") : found->text;
  return fmt::format("{} {}/{}: {}", name, type, code, text);
}

}  // namespace

std::string icmp_words(flowtable::IpVersion version, std::uint8_t type, std::uint8_t code) {
  return version == flowtable::IpVersion::v6 ? words_in(kIcmp6, "ICMPv6", type, code)
                                             : words_in(kIcmp, "ICMP", type, code);
}

}  // namespace doorslam::diagnose
