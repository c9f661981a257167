#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/taken_records.h"

namespace doorslam::port {

/// The packets of a pcapng file (draft-ietf-opsawg-pcapng), read where they lie in memory.
///
/// It knows the plain case alone: Enhanced Packet Blocks of interfaces in microseconds or nanoseconds, and it steps
/// over the blocks that tell nothing about packets. libpcap has opened the file and reads all other blocks; what they
/// say about interfaces is learned by looking at what libpcap is about to read.
class PcapngRecords {
 public:
  /// `head` is what libpcap has read of the file to open it. Nothing when it is no pcapng or an unusual one.
  static std::optional<PcapngRecords> of(packet::ByteView head, std::uint32_t link_type, std::uint32_t snapshot_length);

  /// Learns from the blocks up to the next packet, which libpcap reads then. False, and nothing is learned: `window`
  /// does not reach so far, or something is unusual.
  bool learn(packet::ByteView window);

  /// Describes the packets at the start of `window` in out[0..packets), as many as are plain, whole, and find room. The
  /// packets borrow the window. Times as in ClassicRecords::take(). No allocation, no exception.
  TakenRecords take(packet::ByteView window, std::span<packet::RawPacket> out, flowtable::TimeNs& last_time_ns,
                    std::uint64_t& without_time) const noexcept;

 private:
  enum class Walk : std::uint8_t { to_the_end, to_a_packet };

  /// Of an interface's time stamps.
  struct Unit {
    std::uint32_t ns = 0;      ///< 0: another unit, left to libpcap
    std::uint64_t latest = 0;  ///< what is not less is no time
  };

  bool learn_blocks(packet::ByteView blocks, Walk walk);
  bool learn_interface(packet::ByteView body);
  template <bool kSwapped>
  TakenRecords take_in_order(packet::ByteView window, std::span<packet::RawPacket> out, flowtable::TimeNs& last_time_ns,
                             std::uint64_t& without_time) const noexcept;
  std::uint16_t u16(packet::ByteView octets, std::size_t at) const noexcept;
  std::uint32_t u32(packet::ByteView octets, std::size_t at) const noexcept;

  bool swapped_ = false;
  std::uint32_t link_type_ = 0;
  std::uint32_t snapshot_length_ = 0;
  std::vector<Unit> units_;  ///< by interface
};

}  // namespace doorslam::port
