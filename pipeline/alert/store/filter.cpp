#include "pipeline/alert/store/filter.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "pipeline/base/printable.h"

namespace doorslam::store {

bool Prefix::contains(const flowtable::IpAddress& other) const noexcept {
  if (other.version != address.version) return false;
  const std::size_t whole = length / 8;
  if (!std::equal(address.octets.begin(), address.octets.begin() + whole, other.octets.begin())) return false;
  if (length % 8 == 0) return true;
  const unsigned mask = 0xFF00U >> (length % 8) & 0xFFU;
  return ((address.octets[whole] ^ other.octets[whole]) & mask) == 0;
}

Result<Prefix> parse_prefix(std::string_view text) {
  const auto refused = [&](std::string_view why) {
    return usage_error(fmt::format("\"{}\" is no network: {}; write 192.0.2.0/24, 2001:db8::/32 or an address",
                                   printable(text, 60), why));
  };
  const std::size_t slash = std::min(text.find('/'), text.size());
  const std::string address(text.substr(0, slash));
  Prefix prefix;
  if (inet_pton(AF_INET, address.c_str(), prefix.address.octets.data()) == 1) {
    prefix.address.version = flowtable::IpVersion::v4;
  } else if (inet_pton(AF_INET6, address.c_str(), prefix.address.octets.data()) == 1) {
    prefix.address.version = flowtable::IpVersion::v6;
  } else {
    return refused("no address stands before the slash");
  }
  const unsigned most = prefix.address.version == flowtable::IpVersion::v4 ? 32 : 128;
  prefix.length = most;
  if (slash == text.size()) return prefix;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), prefix.length);
  if (error != std::errc() || end != bits.data() + bits.size() || prefix.length > most) {
    return refused(fmt::format("its length is not from 0 to {}", most));
  }
  return prefix;
}

bool Filter::matches(const Record& record) const noexcept {
  if (!(record.kind == RecordKind::alert ? alerts : flows)) return false;
  if (record.kind == RecordKind::alert && record.severity < least_severity) return false;
  if (!causes.empty() && std::find(causes.begin(), causes.end(), record.cause) == causes.end()) return false;
  return servers.empty() || std::any_of(servers.begin(), servers.end(),
                                        [&](const Prefix& prefix) { return prefix.contains(record.server.address); });
}

}  // namespace doorslam::store
