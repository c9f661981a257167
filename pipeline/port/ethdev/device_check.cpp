#include "pipeline/port/ethdev/device_check.h"

#include <fmt/format.h>
#include <rte_ethdev.h>

namespace doorslam::ethdev {

namespace {

DeviceRemark spreading(const PortFacts& facts, const DeviceWishes& wishes) {
  if (wishes.workers == 1) {
    return {false, fmt::format("{} receive queues; one worker polls one", facts.most_queues), ""};
  }
  if (facts.most_queues < wishes.workers) {
    return {true,
            fmt::format("has {} receive queues for {} workers: a receiving thread takes the packets and steers them",
                        facts.most_queues, wishes.workers),
            fmt::format("--set workers={}, or a card with more queues", facts.most_queues)};
  }
  if ((facts.hash_functions & tcp_hash_functions()) != tcp_hash_functions()) {
    return {true, "cannot spread TCP over IPv4 and IPv6 by ports (RSS): a receiving thread steers the packets",
            "--set workers=1, or a card with RSS"};
  }
  return {false, fmt::format("RSS over {} of {} receive queues", wishes.workers, facts.most_queues), ""};
}

DeviceRemark descriptors(const PortFacts& facts, const DeviceWishes& wishes) {
  const std::uint16_t fitting = fitting_descriptors(facts, wishes.descriptors);
  const std::string limits = fmt::format("{} to {}, a multiple of {}", facts.least_descriptors, facts.most_descriptors,
                                         facts.descriptors_multiple_of);
  if (fitting == wishes.descriptors) return {false, fmt::format("{} descriptors a queue ({})", fitting, limits), ""};
  return {true, fmt::format("run.descriptors is {}, the device takes {} ({})", wishes.descriptors, fitting, limits),
          fmt::format("--set run.descriptors={}", fitting)};
}

DeviceRemark frames(const PortFacts& facts, const DeviceWishes& wishes) {
  if (facts.most_frame_octets == 0 || facts.most_frame_octets >= wishes.frame_octets) {
    return {false, fmt::format("takes frames of {} octets", wishes.frame_octets), ""};
  }
  return {true,
          fmt::format("takes frames of {} octets at most, longer ones are lost as errors", facts.most_frame_octets),
          fmt::format("--set run.frame_octets={} where the link has no longer ones", facts.most_frame_octets)};
}

}  // namespace

std::uint64_t tcp_hash_functions() noexcept { return RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP; }

std::vector<DeviceRemark> remarks_on(const PortFacts& facts, const DeviceWishes& wishes) {
  return {
      spreading(facts, wishes),
      descriptors(facts, wishes),
      frames(facts, wishes),
      {false, facts.stamps_time ? "stamps packets with its own clock" : "packets are stamped by the processor's clock",
       ""},
  };
}

}  // namespace doorslam::ethdev
