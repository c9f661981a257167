#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"

namespace doorslam::diagnose {

/// SYNs of one client that one endpoint answered by RST.
struct SynResets {
  flowtable::IpAddress client;
  std::uint32_t times = 0;
  flowtable::TimeNs first_ns = 0;
  flowtable::TimeNs last_ns = 0;
};

/// Whose SYNs an endpoint has reset of late. Of more clients than there is room for, the one whose latest is the oldest
/// is forgotten, which whoever notes is told. In place; owned by the analysis thread.
class SynResetLog {
 public:
  static constexpr std::size_t kMost = 8;

  /// True: another client was forgotten for this one.
  bool note(const flowtable::IpAddress& client, flowtable::TimeNs time_ns) noexcept;
  /// Null where none is known.
  const SynResets* of(const flowtable::IpAddress& client) const noexcept;
  std::span<const SynResets> all() const noexcept { return std::span(clients_).first(count_); }

 private:
  std::array<SynResets, kMost> clients_;
  std::size_t count_ = 0;
};

}  // namespace doorslam::diagnose
