#pragma once

#include "pipeline/packet/decode.h"
#include "pipeline/port/ethdev/dealer.h"
#include "pipeline/port/ethdev/lane.h"
#include "pipeline/port/ethdev/rx_source.h"
#include "pipeline/port/worker_of_ends.h"

namespace doorslam::ethdev {

/// Polls the queues of a port group, decodes, and deals segments and ICMP errors to the workers by connection.
///
/// Because it decodes, the innermost connection decides: tunnelled packets, fragments and ICMP errors reach the worker
/// of their connection, in order. What is no TCP ends here.
class SteeringReceiver final : public Lane {
 public:
  SteeringReceiver(const RunOrders& orders, const packet::DecodeOptions& decode, const RxOptions& queues,
                   Steering& steering, bool vlan_aware, bool wait_for_workers, IdleMode idle);

  void run() noexcept override;
  std::uint64_t polled_from(std::size_t queue) const noexcept override { return source_.polled_from(queue); }

 private:
  bool turn() noexcept;
  void publish() noexcept;

  RxSource source_;
  packet::Decoder decoder_;
  Steering& steering_;
  port::WorkerOfEnds owner_of_;
  port::LaneCounters counters_;
  Dealer dealer_;
};

}  // namespace doorslam::ethdev
