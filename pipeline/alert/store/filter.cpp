#include "pipeline/alert/store/filter.h"

#include <algorithm>

namespace doorslam::store {

bool Filter::matches(const Record& record) const noexcept {
  if (!(record.kind == RecordKind::alert ? alerts : flows)) return false;
  if (record.kind == RecordKind::alert && record.severity < least_severity) return false;
  if (!causes.empty() && std::find(causes.begin(), causes.end(), record.cause) == causes.end()) return false;
  return servers.empty() || std::any_of(servers.begin(), servers.end(), [&](const AddressPrefix& prefix) {
           return prefix.holds(record.server.address);
         });
}

}  // namespace doorslam::store
