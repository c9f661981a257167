#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace doorslam::ethdev {

/// What the packet sockets of an interface dropped because their ring was full. DPDK's driver net_af_packet (22.11)
/// does not ask for it, and reports no loss at all; the sockets are in this process, so they can be asked beside it.
class PacketSocketLosses {
 public:
  /// Takes hold of this process's packet sockets that are bound to the interface. Borrows them: they are their
  /// driver's, and must stay open while read() is called.
  explicit PacketSocketLosses(int interface_index);

  /// Found sockets; 0: nothing can be told.
  std::size_t sockets() const noexcept { return sockets_.size(); }
  /// Packets dropped since the sockets were opened, of which none other has read. Thread-safe.
  std::uint64_t read() noexcept;
  /// From now on read() starts from zero.
  void forget() noexcept;

 private:
  std::vector<int> sockets_;
  std::atomic<std::uint64_t> dropped_{0};
};

}  // namespace doorslam::ethdev
