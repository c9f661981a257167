#pragma once

#include "pipeline/alert/store/record.h"
#include "pipeline/alert/store/sqlite.h"

namespace doorslam::store {

/// The columns that what_is_known() reads, in its order.
inline constexpr std::string_view kKnownColumns = "seq, kind, time, severity, cause, server, port, id";
inline constexpr int kBodyColumn = 8;  ///< where a SELECT names it after them

/// A record without its body, out of a row of kKnownColumns.
Record what_is_known(const Statement& row);
/// An address as the column `server` holds it: four or sixteen octets; borrowed.
std::string_view octets_of(const flowtable::IpAddress& address) noexcept;

}  // namespace doorslam::store
