#include "pipeline/alert/store/record_columns.h"

#include <algorithm>

namespace doorslam::store {

namespace {

constexpr std::size_t kIpv4Octets = 4;

}  // namespace

Record what_is_known(const Statement& row) {
  Record record;
  record.sequence = row.number(0);
  record.kind = row.number(1) == static_cast<std::int64_t>(RecordKind::flow) ? RecordKind::flow : RecordKind::alert;
  record.time_ns = row.number(2);
  record.severity = static_cast<int>(row.number(3));
  record.cause = diagnose::cause_named(row.text(4)).value_or(diagnose::Cause::unknown);
  const std::string_view server = row.blob(5);
  flowtable::IpAddress& address = record.server.address;
  address.version = server.size() == kIpv4Octets ? flowtable::IpVersion::v4 : flowtable::IpVersion::v6;
  std::copy_n(server.begin(), std::min(server.size(), address.octets.size()), address.octets.begin());
  record.server.port = static_cast<std::uint16_t>(row.number(6));
  record.id = row.text(7);
  return record;
}

std::string_view octets_of(const flowtable::IpAddress& address) noexcept {
  return {reinterpret_cast<const char*>(address.octets.data()),
          address.version == flowtable::IpVersion::v4 ? kIpv4Octets : address.octets.size()};
}

}  // namespace doorslam::store
