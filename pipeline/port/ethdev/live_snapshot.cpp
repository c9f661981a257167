#include <rte_cycles.h>

#include <algorithm>

#include "pipeline/port/ethdev/live_run.h"

/// What a live run tells of itself.
namespace doorslam::ethdev {

using flowtable::TimeNs;

TimeNs LiveRun::now_ns() const noexcept {
  if (!replay_) return clock_->line().read().at(rte_rdtsc());
  TimeNs latest = flowtable::kNoTime;
  for (const LaneSlot& slot : lanes_) latest = std::max(latest, slot.lane->counters().packet_time_ns);
  return latest;
}

std::uint64_t LiveRun::packets() const noexcept {
  std::uint64_t sum = 0;
  for (const LaneSlot& slot : lanes_) sum += slot.lane->counters().polled + slot.lane->counters().taken_segments;
  return sum;
}

port::PortSnapshot LiveRun::port_snapshot(const LivePort& live) const {
  port::PortSnapshot snapshot;
  snapshot.name = live.facts.name;
  snapshot.driver = live.facts.driver;
  snapshot.group = live.group;
  const LinkState link = live.device->link();
  snapshot.link_up = link.up;
  snapshot.megabits = link.megabits;
  for (const LaneSlot& slot : lanes_) {
    for (std::size_t i = 0; i < slot.queues.size(); ++i) {
      if (slot.queues[i].port == live.facts.port) snapshot.polled += slot.lane->polled_from(i);
    }
  }
  const auto place = static_cast<std::size_t>(&live - ports_.data());
  const bool closed = !closed_accounts_.empty();
  const DeviceCounters counters = closed ? closed_accounts_[place].counters : live.device->counters();
  if (closed) snapshot.left = closed_accounts_[place].left;
  // A device whose other end has gone may forget its counters (net_memif); what was taken from it was received.
  const std::uint64_t taken = snapshot.polled + snapshot.left;
  snapshot.received = link.up ? counters.received : std::max(counters.received, taken);
  // Cards count when a packet arrives: some came after the last look into the queues, but no more than these hold.
  if (closed && snapshot.received > taken) {
    snapshot.left_uncounted = std::min(snapshot.received - taken, live.device->places());
  }
  snapshot.received_octets = counters.received_octets;
  snapshot.missed = counters.missed;
  snapshot.errors = counters.errors;
  snapshot.no_buffer = counters.no_buffer;
  snapshot.tells_losses = live.device->tells_losses();
  snapshot.received_by_queue = counters.received_by_queue;
  snapshot.buffers = live.pool.buffers();
  snapshot.buffers_in_use = live.pool.in_use();
  return snapshot;
}

port::LiveCounters LiveRun::snapshot() const {
  const std::lock_guard lock(snapshot_mutex_);
  port::LiveCounters counters;
  counters.replay = replay_;
  counters.at_rest = stopped_;
  counters.now_ns = now_ns();
  if (!replay_) counters.clock_offset_ns = clock_->offset_ns();
  if (started_ticks_ != 0) {
    counters.uptime_ns = static_cast<std::int64_t>(static_cast<double>(rte_rdtsc() - started_ticks_) * 1e9 /
                                                   static_cast<double>(rte_get_tsc_hz()));
  }
  // From the last stage to the first, so that none shows more than went into it.
  if (analysis_thread_) counters.analysis = analysis_thread_->counters();
  const tcp::TrackerOptions share = share_of_tables();
  for (auto slot = lanes_.rbegin(); slot != lanes_.rend(); ++slot) {
    counters.lanes.push_back({.role = slot->role,
                              .lcore = slot->lcore.lcore,
                              .cpus = slot->lcore.cpus,
                              .receives = slot->receives,
                              .tracks = slot->tracks,
                              .flow_capacity = slot->tracks ? share.capacity_flows + share.capacity_flows6 : 0,
                              .counters = slot->lane->counters()});
  }
  std::reverse(counters.lanes.begin(), counters.lanes.end());
  for (const LivePort& live : ports_) counters.ports.push_back(port_snapshot(live));
  return counters;
}

}  // namespace doorslam::ethdev
