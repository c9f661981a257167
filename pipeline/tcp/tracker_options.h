#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "flowtable/hash_key.h"
#include "flowtable/page_memory.h"
#include "flowtable/time.h"

namespace doorslam::tcp {

/// How long a silent connection is waited for, by how far it got. All in packet time.
struct Timeouts {
  flowtable::DurationNs embryonic_ns = 10 * flowtable::kSecondNs;     ///< SYN without an answer
  flowtable::DurationNs half_open_ns = 30 * flowtable::kSecondNs;     ///< SYN-ACK, handshake not completed
  flowtable::DurationNs established_ns = 300 * flowtable::kSecondNs;  ///< everything else
  /// After the RST, both FINs, or (from its last packet on) an ICMP error in answer to the SYN: the time in which
  /// late packets still belong to the old connection.
  flowtable::DurationNs linger_ns = 5 * flowtable::kSecondNs;
};

/// Ports on which servers commonly listen (IANA's registry and widespread practice).
std::vector<std::uint16_t> common_server_ports();

struct TrackerOptions {
  std::size_t capacity_flows = std::size_t{1} << 20U;   ///< IPv4 connections
  std::size_t capacity_flows6 = std::size_t{1} << 18U;  ///< IPv6 connections
  /// Connections of either kind to have room for before make_room() is called for more. A small table stays in the
  /// cache, but growing takes time: a sensor begins with all it may have.
  std::size_t initial_flows = std::numeric_limits<std::size_t>::max();
  std::uint32_t evidence_capacity = 24576;  ///< connections with Evidence at a time
  /// Octets of each frame that are kept beside the evidence, KeptFrame::kMostOctets at most; 0: frames are not kept.
  std::size_t frame_octets = 0;
  flowtable::HashKey hash_key = flowtable::HashKey::fixed();
  flowtable::Pages pages = flowtable::Pages::huge;
  bool vlan_aware = false;  ///< the same addresses in two VLANs are two connections
  Timeouts timeouts;
  std::vector<std::uint16_t> server_ports = common_server_ports();
  flowtable::DurationNs duplicate_window_ns = flowtable::kMillisecondNs;
  /// How many of the connections whose time has come a call of advance() deals with, while it is in time. 0: all at
  /// once. A sensor takes small steps, so that no burst has to wait for a hundred thousand others to be ended.
  std::size_t expiry_step = 0;
  static constexpr std::size_t kSensorStep = 8;
  /// Those of one of so many workers that share the connections and the evidence.
  TrackerOptions share_of(std::size_t workers) const;

  bool short_paths = true;  ///< false: every segment takes all stages. The events are the same, as tests show
};

}  // namespace doorslam::tcp
