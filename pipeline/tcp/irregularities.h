#pragma once

#include <array>
#include <cstdint>

#include "pipeline/tcp/bounded_pool.h"
#include "pipeline/tcp/flow_record.h"

/// What only connections have to remember about which something is remarkable: loss, retransmission, a closed window, a
/// reset, or so much traffic that counters wrap. Most connections end without any, so it lies apart from FlowDetails.
namespace doorslam::tcp {

/// Of one side. Sequence numbers as on the wire.
struct SideIrregularities {
  std::uint32_t rst_seq = 0;          ///< of the latest RST
  std::uint32_t delivered = 0;        ///< SideFlag::irregular: everything before it was seen, or given up as a gap
  std::uint32_t hole_end = 0;         ///< a hole lies between `delivered` and it; else, a jump that is not believed yet
  std::uint32_t gap_bytes = 0;        ///< acknowledged, never seen; all octets of a side that was never captured
  std::uint32_t resent_seq = 0;       ///< of the latest retransmission
  std::uint16_t packet_carries = 0;   ///< times that FlowRecord::packets overflowed
  std::uint16_t late_segments = 0;    ///< as Zeek's T: payload that does not go beyond what was seen
  std::uint16_t retransmissions = 0;  ///< payload, SYN or FIN sent again
  std::uint16_t zero_windows = 0;     ///< segments that advertised a zero window
  std::uint16_t gaps : 7 = 0;         ///< this and the next: at most 127, beyond their last milestone in the history
  std::uint16_t bad_checksums : 7 = 0;
  std::uint16_t resent_times : 2 = 0;  ///< retransmissions at `resent_seq`
  std::uint8_t seq_wraps = 0;          ///< of next_seq; at kMostWraps it and next_seq tell no more than that
  std::uint8_t ack_wraps = 0;          ///< of acked; likewise

  static constexpr std::uint8_t kMostWraps = 255;  ///< of 4 GiB
};

struct Irregularities {
  std::array<SideIrregularities, 2> side{};

  SideIrregularities& of(Side s) noexcept { return side[index_of(s)]; }
  const SideIrregularities& of(Side s) const noexcept { return side[index_of(s)]; }
};

static_assert(sizeof(Irregularities) == 64, "one cache line");

/// The Irregularities of all connections that have some. There is room for all connections, so none goes without;
/// memory is used of those alone that have some. worker-bound.
class IrregularityPool {
 public:
  /// `capacity`: as many as there are FlowDetails. Throws std::bad_alloc.
  explicit IrregularityPool(std::uint32_t capacity) : pool_(capacity) {}

  /// All zero where the connection has none.
  const Irregularities& of(const FlowDetails& details) const noexcept {
    return has(details) ? pool_[details.irregularities] : kNothing;
  }

  /// To write to: begins them where the connection has none.
  Irregularities& make(FlowDetails& details) noexcept {
    if (!has(details)) details.irregularities = pool_.acquire();
    return pool_[details.irregularities];
  }

  void release(const FlowDetails& details) noexcept {
    if (has(details)) pool_.release(details.irregularities);
  }

  /// Where they lie, of a connection that has some; to bring them near.
  const void* place_of(const FlowDetails& details) const noexcept { return pool_.place_of(details.irregularities); }

  std::uint32_t used() const noexcept { return pool_.used(); }

  static bool has(const FlowDetails& details) noexcept { return details.irregularities != kNoEntry; }

 private:
  static constexpr Irregularities kNothing{};

  BoundedPool<Irregularities> pool_;
};

}  // namespace doorslam::tcp
