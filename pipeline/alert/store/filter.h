#pragma once

#include <vector>

#include "pipeline/alert/store/record.h"
#include "pipeline/base/address_prefix.h"

namespace doorslam::store {

/// Which records somebody wants. immutable after start.
struct Filter {
  bool alerts = true;
  bool flows = false;
  std::vector<diagnose::Cause> causes;  ///< empty: any
  int least_severity = 0;               ///< of alerts; flow records have none and pass
  std::vector<AddressPrefix> servers;   ///< empty: any

  bool matches(const Record& record) const noexcept;
};

}  // namespace doorslam::store
