#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "flowtable/time.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/record_limits.h"

namespace doorslam::port {

/// The records of a classic pcap file (draft-ietf-opsawg-pcap, section 5), read where they lie in memory.
///
/// It knows the plain case alone: version 2.4, in microseconds or nanoseconds, of either byte order, and records that
/// make sense and lie in the window whole. Everything else, damage included, is left to libpcap.
class ClassicRecords {
 public:
  /// `head` is the start of the file, `link_type` and `snapshot_length` what libpcap made of it. Nothing when the
  /// format is another one.
  static std::optional<ClassicRecords> of(packet::ByteView head, std::uint32_t link_type,
                                          std::uint32_t snapshot_length) noexcept;

  /// Describes the records at the start of `window` in out[0..packets), as many as are plain, whole, and find room. The
  /// packets borrow the window. A packet without a sensible time gets that of the one before it, which `last_time_ns`
  /// carries from call to call, and is counted in `without_time`. No allocation, no exception.
  TakenRecords take(packet::ByteView window, std::span<packet::RawPacket> out, flowtable::TimeNs& last_time_ns,
                    std::uint64_t& without_time) const noexcept;

 private:
  template <bool kSwapped>
  TakenRecords take_in_order(packet::ByteView window, std::span<packet::RawPacket> out, flowtable::TimeNs& last_time_ns,
                             std::uint64_t& without_time) const noexcept;

  bool swapped_ = false;
  std::uint32_t link_type_ = 0;
  std::uint32_t snapshot_length_ = 0;
  std::uint32_t units_a_second_ = 0;  ///< of the fraction
  std::int64_t unit_ns_ = 0;
};

}  // namespace doorslam::port
