#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/base/result.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/port/record_limits.h"

namespace doorslam::port {

/// The packets of a pcapng file (draft-ietf-opsawg-pcapng), read where they lie in memory: those of all its sections,
/// of either byte order, and of all interfaces, whatever their link types, snap lengths and units of time.
///
/// take() reads what files are made of, Enhanced Packet Blocks of interfaces in microseconds or nanoseconds, and steps
/// over the blocks that tell nothing about packets; where it stops, take_block() reads any one block.
class PcapngRecords {
 public:
  static constexpr std::size_t kBlockHeaderOctets = 8;
  /// A longer block is damage.
  static constexpr std::uint32_t kLongestBlockOctets = std::uint32_t{16} << 20U;

  /// Whether a file that begins so is one of pcapng. Wants four octets.
  static bool begins(packet::ByteView head) noexcept;

  /// Describes the packets at the start of `window` in out[0..packets), as many as are plain, whole, and find room. The
  /// packets borrow the window. Times as in ClassicRecords::take(). No allocation, no exception.
  TakenRecords take(packet::ByteView window, std::span<packet::RawPacket> out, flowtable::TimeNs& last_time_ns,
                    std::uint64_t& without_time) const noexcept;

  /// Reads the block at the start of `window`, of whatever kind; that of a packet is described in `out`. With `cut`,
  /// the window does not hold it whole, and nothing was done. Errors (data): what is wrong with the block.
  Result<TakenRecords> take_block(packet::ByteView window, packet::RawPacket& out, flowtable::TimeNs& last_time_ns,
                                  std::uint64_t& without_time);

  /// Whether the block at the start of `window`, its header at least, holds a packet.
  bool at_packet(packet::ByteView window) const noexcept;
  /// LINKTYPE_* of the interfaces that the section has described so far.
  std::vector<std::uint32_t> link_types() const;

 private:
  /// Of an interface, for packets in order.
  struct Unit {
    std::uint64_t latest = 0;  ///< time stamps that are not less are none
    std::uint32_t snapshot_length = 0;
    std::uint16_t ns = 0;  ///< of a time stamp's unit; 0: another one, see Clock
    std::uint16_t link_type = 0;
  };
  /// Of an interface: what its time stamps count.
  struct Clock {
    std::uint64_t ticks_a_second = 1'000'000;
    std::uint64_t offset_seconds = 0;  ///< in two's complement
    bool binary = false;               ///< ticks_a_second is a power of two

    /// kNoTime where that is no sensible time.
    flowtable::TimeNs time_of(std::uint64_t ticks) const noexcept;
  };

  Result<void> begin_section(packet::ByteView body);
  Result<void> learn_interface(packet::ByteView body);
  Result<Clock> clock_of(packet::ByteView options) const;
  Result<packet::RawPacket> packet_in(std::uint32_t type, packet::ByteView body) const;
  template <bool kSwapped>
  TakenRecords take_in_order(packet::ByteView window, std::span<packet::RawPacket> out, flowtable::TimeNs& last_time_ns,
                             std::uint64_t& without_time) const noexcept;
  std::uint16_t u16(packet::ByteView octets, std::size_t at) const noexcept;
  std::uint32_t u32(packet::ByteView octets, std::size_t at) const noexcept;

  bool swapped_ = false;       ///< the section is not in the host's byte order
  std::vector<Unit> units_;    ///< by interface of the section
  std::vector<Clock> clocks_;  ///< likewise
};

}  // namespace doorslam::port
