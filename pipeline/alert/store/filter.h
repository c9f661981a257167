#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "pipeline/alert/store/record.h"
#include "pipeline/base/result.h"

namespace doorslam::store {

/// An IPv4 or IPv6 network.
struct Prefix {
  flowtable::IpAddress address;
  unsigned length = 0;  ///< in bits

  bool contains(const flowtable::IpAddress& other) const noexcept;
  friend bool operator==(const Prefix&, const Prefix&) = default;
};

/// Reads "192.0.2.0/24", "2001:db8::/32" or a bare address. Errors (usage): what is wrong with it.
Result<Prefix> parse_prefix(std::string_view text);

/// Which records somebody wants. immutable after start.
struct Filter {
  bool alerts = true;
  bool flows = false;
  std::vector<diagnose::Cause> causes;  ///< empty: any
  int least_severity = 0;               ///< of alerts; flow records have none and pass
  std::vector<Prefix> servers;          ///< empty: any

  bool matches(const Record& record) const noexcept;
};

}  // namespace doorslam::store
