#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "bench/support/frame.h"
#include "flowtable/time.h"
#include "pipeline/packet/link_layer.h"
#include "pipeline/packet/raw_packet.h"

namespace doorslam::bench {

/// Starts DPDK once a process, with no device: on huge pages where some are free, else on ordinary memory.
/// Throws std::runtime_error. Returns whether it has huge pages.
bool start_dpdk();
/// Makes the device of a specification such as "net_null0"; returns its port. Throws std::runtime_error.
std::uint16_t attach_port(const std::string& specification);

/// Buffers that hold frames made in advance. Throws std::runtime_error when there is no memory.
class BufferPool {
 public:
  BufferPool();
  rte_mempool* get() const { return pool_.get(); }

 private:
  struct Free {
    void operator()(rte_mempool* pool) const;
  };
  std::unique_ptr<rte_mempool, Free> pool_;
};

/// Stands in for a port: takes buffers from a pool, writes the next packets of a mix into them, and hands them over as
/// a burst. Its cost is measured alone, and subtracted.
template <class Mix>
class MbufSource {
 public:
  static constexpr std::size_t kBurst = 64;

  /// `pool` is borrowed; the packets come `apart_ns` apart, and are numbered as the `nth` of so many sources.
  MbufSource(const BufferPool& pool, const Mix& mix, flowtable::TimeNs start_ns, flowtable::DurationNs apart_ns,
             std::uint64_t nth = 0, std::uint64_t sources = 1)
      : pool_(pool.get()),
        mix_(mix),
        now_ns_(start_ns),
        burst_ns_(apart_ns * static_cast<std::int64_t>(kBurst)),
        number_(nth),
        sources_(sources) {}

  /// The next burst, until release().
  std::span<const packet::RawPacket> receive() noexcept {
    return receive([this] { return mix_.next(); });
  }
  /// A burst of the lines that `next` gives.
  template <class Next>
  std::span<const packet::RawPacket> receive(Next next) noexcept {
    if (rte_pktmbuf_alloc_bulk(pool_, buffers_.data(), kBurst) != 0) return {};
    for (std::size_t i = 0; i < kBurst; ++i) {
      const Line line = next();
      auto* const octets = rte_pktmbuf_mtod(buffers_[i], std::uint8_t*);
      const std::size_t length = FrameBuffer::write(line, octets);
      packets_[i] = {{FrameBuffer::frame(line, octets), length},
                     static_cast<std::uint32_t>(length),
                     packet::link_type::kEthernet,
                     now_ns_,
                     number_ += sources_,
                     verified_};
    }
    now_ns_ += burst_ns_;
    return packets_;
  }
  void release() noexcept { rte_pktmbuf_free_bulk(buffers_.data(), kBurst); }

  Mix& mix() { return mix_; }
  flowtable::TimeNs now_ns() const { return now_ns_; }
  /// The packets come with the word of the card that their checksums are good.
  void set_verified(bool verified) { verified_ = verified; }
  /// Packet time passes without packets.
  void skip(flowtable::DurationNs duration) { now_ns_ += duration; }

 private:
  rte_mempool* pool_;
  Mix mix_;
  flowtable::TimeNs now_ns_;
  flowtable::DurationNs burst_ns_;
  std::uint64_t number_;
  std::uint64_t sources_;
  bool verified_ = false;
  std::array<rte_mbuf*, kBurst> buffers_{};
  std::array<packet::RawPacket, kBurst> packets_;
};

}  // namespace doorslam::bench
