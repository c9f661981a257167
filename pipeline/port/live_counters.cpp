#include "pipeline/port/live_counters.h"

namespace doorslam::port {

std::uint64_t LiveCounters::received() const noexcept {
  std::uint64_t sum = 0;
  for (const PortSnapshot& port : ports) sum += port.received;
  return sum;
}

std::uint64_t LiveCounters::lost_at_ports() const noexcept {
  std::uint64_t sum = 0;
  for (const PortSnapshot& port : ports) sum += port.missed + port.errors + port.no_buffer;
  return sum;
}

std::uint64_t LiveCounters::polled() const noexcept {
  std::uint64_t sum = 0;
  for (const LaneSnapshot& lane : lanes) sum += lane.counters.polled;
  return sum;
}

packet::DecodeCounters LiveCounters::decoded() const noexcept {
  packet::DecodeCounters sum;
  for (const LaneSnapshot& lane : lanes) {
    const packet::DecodeCounters& more = lane.counters.decode;
    for (std::size_t i = 0; i < sum.packets.size(); ++i) sum.packets[i] += more.packets[i];
    sum.tcp_checksum_bad += more.tcp_checksum_bad;
    sum.tunneled += more.tunneled;
    sum.datagrams_reassembled += more.datagrams_reassembled;
    sum.datagrams_expired += more.datagrams_expired;
    sum.datagrams_evicted += more.datagrams_evicted;
  }
  return sum;
}

tcp::TrackerCounters LiveCounters::tracked() const noexcept {
  tcp::TrackerCounters sum;
  for (const LaneSnapshot& lane : lanes) sum += lane.counters.tracker;
  return sum;
}

EventCounters LiveCounters::events() const noexcept {
  EventCounters sum;
  for (const LaneSnapshot& lane : lanes) {
    const EventCounters& more = lane.counters.events;
    sum.refusals += more.refusals;
    sum.served += more.served;
    sum.sampled_out += more.sampled_out;
    sum.served_lost += more.served_lost;
    sum.lost += more.lost;
    sum.evidence_lost += more.evidence_lost;
    sum.frames_lost += more.frames_lost;
    sum.waits += more.waits;
  }
  return sum;
}

}  // namespace doorslam::port
