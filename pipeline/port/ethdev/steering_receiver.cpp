#include "pipeline/port/ethdev/steering_receiver.h"

#include <rte_mbuf.h>

#include <array>

#include "pipeline/port/ethdev/drain.h"

namespace doorslam::ethdev {

namespace {

using packet::DecodeOutcome;
using packet::IcmpError;
using packet::RawPacket;
using packet::Segment;

}  // namespace

SteeringReceiver::SteeringReceiver(const RunOrders& orders, const packet::DecodeOptions& decode,
                                   const RxOptions& queues, Steering& steering, bool vlan_aware, bool wait_for_workers,
                                   IdleMode idle)
    : Lane(orders, idle, only_queue(queues)),
      source_(queues),
      decoder_(decode),
      steering_(steering),
      owner_of_(queues.replay ? flowtable::HashKey::fixed() : flowtable::HashKey::random(), vlan_aware,
                steering.rings.size()),
      dealer_(steering, wait_for_workers, counters_) {}

bool SteeringReceiver::turn() noexcept {
  const std::size_t count = source_.receive();
  std::array<rte_mbuf*, RxSource::kBurst> unused;
  std::size_t unused_count = 0;
  IcmpError error;  // made once: most packets are none
  for (std::size_t i = 0; i < count; ++i) {
    const RawPacket& packet = source_.packets()[i];
    rte_mbuf* const buffer = source_.buffers()[i];
    Segment segment;
    const DecodeOutcome outcome = decoder_.decode(packet, segment, error);
    const bool travels = outcome == DecodeOutcome::tcp &&
                         dealer_.deal(segment, buffer, owner_of_(segment.source, segment.destination, segment.vlan));
    if (outcome == DecodeOutcome::icmp_error) {
      dealer_.deal(error, owner_of_(error.source, error.destination, error.vlan));
    }
    if (!travels) unused[unused_count++] = buffer;
  }
  decoder_.recycle();
  rte_pktmbuf_free_bulk(unused.data(), static_cast<unsigned>(unused_count));
  source_.forget();
  const flowtable::TimeNs covered_ns = count == 0 ? source_.passed() : source_.last_ns();
  steering_.covered_ns.store(covered_ns, std::memory_order_release);
  publish();
  return source_.has_taken();
}

void SteeringReceiver::run() noexcept {
  poll_until_draining([this] { return turn(); });
  dealer_.wait_from_now_on();
  drain(source_, [this] { return turn(); });
  publish();
  drained_.store(true, std::memory_order_release);
  done_.store(true, std::memory_order_release);
}

void SteeringReceiver::publish() noexcept {
  source_.count_into(counters_);
  counters_.decode = decoder_.counters();
  published_.publish(counters_);
}

}  // namespace doorslam::ethdev
