#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "pipeline/packet/decode.h"
#include "pipeline/port/ethdev/dealer.h"
#include "pipeline/port/ethdev/worker_lanes.h"
#include "pipeline/port/symmetric_hash.h"

namespace doorslam::ethdev {

/// Polls queues of its own beside other workers. The card has put both directions of a connection into one queue, by
/// the outermost header; what belongs to another worker all the same (tunnelled, in fragments, an ICMP error) is passed
/// on to it, decoded, and counted as having reached the wrong worker. It waits there until that worker has come so far
/// itself, so that an ICMP error does not overtake the packet that it is about. Where no card brings the directions
/// together, a connection's packets come from several workers, and the own ones wait for their turn as well.
class SpreadWorker final : public WorkerLane {
 public:
  /// `index`: its place in each Steering's rings, and in `ways`, the workers' ways to each other. `own_in_turn`: its
  /// own packets wait for their turn. Throws std::bad_alloc.
  SpreadWorker(const WorkerParts& parts, const packet::DecodeOptions& decode, const RxOptions& queues,
               std::size_t index, const port::WorkerOfConnection& worker_of,
               const std::vector<std::unique_ptr<Steering>>& ways, bool own_in_turn);

  void run() noexcept override;
  std::uint64_t polled_from(std::size_t queue) const noexcept override { return source_.polled_from(queue); }

 private:
  bool turn() noexcept;
  bool receive() noexcept;
  bool take_dealt() noexcept;
  void hand_over() noexcept;
  void publish() noexcept;

  RxSource source_;
  packet::Decoder decoder_;
  tcp::Tracker tracker_;
  std::size_t index_;
  const port::WorkerOfConnection& worker_of_;
  Steering& own_;
  DealtInTurn dealt_;
  bool own_in_turn_;
  port::LaneCounters counters_;
  Dealer dealer_;
  std::array<packet::Segment, RxSource::kBurst> segments_;
  BurstFrames frames_;  ///< of the segments at hand, own or dealt, where the tracker keeps them
  flowtable::TimeNs covered_ns_ = flowtable::kNoTime;  ///< by itself and by the others
};

}  // namespace doorslam::ethdev
