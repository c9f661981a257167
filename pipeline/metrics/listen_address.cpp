#include "pipeline/metrics/listen_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <charconv>

#include "pipeline/base/printable.h"

namespace doorslam::metrics {

namespace {

bool is_address(int family, const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> octets{};
  return inet_pton(family, text.c_str(), octets.data()) == 1;
}

}  // namespace

std::string ListenAddress::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<ListenAddress> parse_listen_address(std::string_view text, std::string_view what) {
  const auto wrong = [&] {
    return usage_error(fmt::format("{}: \"{}\" is no address with a port; write 127.0.0.1:9477 or [::1]:9477", what,
                                   printable(text, 60)));
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  ListenAddress address;
  const std::string_view port = text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || address.port == 0) return wrong();
  address.host = text.substr(0, colon);
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
    if (!is_address(AF_INET6, address.host)) return wrong();
  } else if (!is_address(AF_INET, address.host)) {
    return wrong();
  }
  return address;
}

}  // namespace doorslam::metrics
