#include "pipeline/port/live_counters.h"

#include "pipeline/base/add_words.h"

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
  for (const LaneSnapshot& lane : lanes) add_words(sum, lane.counters.decode);
  return sum;
}

tcp::TrackerCounters LiveCounters::tracked() const noexcept {
  tcp::TrackerCounters sum;
  for (const LaneSnapshot& lane : lanes) add_words(sum, lane.counters.tracker);
  return sum;
}

EventCounters LiveCounters::events() const noexcept {
  EventCounters sum;
  for (const LaneSnapshot& lane : lanes) add_words(sum, lane.counters.events);
  return sum;
}

}  // namespace doorslam::port
