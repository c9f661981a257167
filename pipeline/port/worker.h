#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "pipeline/packet/decode.h"
#include "pipeline/packet/raw_packet.h"
#include "pipeline/tcp/event.h"
#include "pipeline/tcp/tracker.h"

namespace doorslam::port {

/// One core's share of the work, run to completion: decode, look up, advance the TCP state. worker-bound.
class Worker {
 public:
  static constexpr std::size_t kBurst = packet::kBurst;

  Worker(const packet::DecodeOptions& decode, const tcp::TrackerOptions& tracker);

  /// See tcp::Tracker::make_room(). Cold path: allocates.
  void make_room(std::size_t connections) { tracker_.make_room(connections); }
  /// A burst of at most kBurst packets goes in, its events are appended to `out`.
  void process(std::span<const packet::RawPacket> burst, tcp::EventBatch& out) noexcept;
  /// Nothing came, but time has passed.
  void advance(flowtable::TimeNs now_ns, tcp::EventBatch& out) noexcept { tracker_.advance(now_ns, out); }
  /// See tcp::Tracker::covered().
  flowtable::TimeNs covered(flowtable::TimeNs now_ns) const noexcept { return tracker_.covered(now_ns); }
  /// The source has ended, and so do all connections: about `limit` of them a call. True: there are more.
  bool finish(flowtable::TimeNs now_ns, std::size_t limit, tcp::EventBatch& out) {
    return tracker_.finish(now_ns, limit, out);
  }

  const packet::DecodeCounters& decode_counters() const noexcept { return decoder_.counters(); }
  const tcp::TrackerCounters& tracker_counters() const noexcept { return tracker_.counters(); }
  std::size_t open_connections() const noexcept { return tracker_.open_connections(); }
  std::size_t evidence_in_use() const noexcept { return tracker_.evidence_in_use(); }

 private:
  template <bool kKeepsFrames>
  void process_burst(std::span<const packet::RawPacket> burst, tcp::EventBatch& out) noexcept;

  packet::Decoder decoder_;
  tcp::Tracker tracker_;
  std::array<packet::Segment, kBurst> segments_;
  std::array<tcp::FrameView, kBurst> frames_;  ///< of the segments, where the tracker keeps them
  packet::IcmpError error_;
};

}  // namespace doorslam::port
