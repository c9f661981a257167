#include "pipeline/port/ethdev/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "pipeline/packet/raw_packet.h"

namespace doorslam::ethdev {

namespace {

constexpr std::size_t kPoolCache = 256;
/// Of a buffer beside its data: mbuf, headroom, mempool object.
constexpr std::size_t kBufferOverhead = 128 + 128 + 64;

}  // namespace

LcorePlan plan_lcores(const LcoreRequest& request) {
  LcorePlan plan;
  const std::vector<unsigned>& allowed = request.allowed;
  // The first CPU serves the control thread and, on most hosts, the kernel's chores.
  std::vector<unsigned> for_polling = request.wanted;
  if (for_polling.empty()) {
    for_polling.assign(allowed.begin() + (allowed.size() > 1 && allowed.size() > request.workers ? 1 : 0),
                       allowed.end());
    const std::size_t most = request.workers + request.receivers;
    if (for_polling.size() > most) for_polling.resize(most);
  }
  unsigned lcore = 1;
  std::size_t next = 0;
  for (std::size_t i = 0; i < request.workers; ++i, ++next) {
    plan.workers.push_back({lcore++, {for_polling[next % for_polling.size()]}});
  }
  const bool workers_share = request.workers > for_polling.size();
  std::vector<unsigned> for_control;
  for (const unsigned cpu : allowed) {
    if (std::find(for_polling.begin(), for_polling.end(), cpu) == for_polling.end()) for_control.push_back(cpu);
  }
  const bool control_shares = for_control.empty();
  if (control_shares) for_control = allowed;
  plan.control = {0, for_control};
  for (std::size_t i = 0; i < request.receivers; ++i, ++next) {
    plan.receivers.push_back(
        {lcore++, next < for_polling.size() ? std::vector<unsigned>{for_polling[next]} : for_control});
  }
  const bool receivers_share = next > for_polling.size() && request.receivers > 0;
  plan.shared = workers_share || control_shares || receivers_share;
  if (workers_share) {
    plan.notes.push_back(fmt::format("{} workers share {} CPUs: they take turns, and lose packets at high rates",
                                     request.workers, for_polling.size()));
  } else if (control_shares) {
    plan.notes.push_back("no CPU is left for the analysis: it takes turns with the workers");
  }
  return plan;
}

PollPlan plan_polling(const std::vector<PortTraits>& ports, std::size_t workers) {
  PollPlan plan;
  plan.workers.resize(workers);
  const auto spreads = [workers](const PortTraits& port) { return port.spreads_evenly && port.queues >= workers; };
  const bool direct = workers == 1 || std::all_of(ports.begin(), ports.end(), spreads);
  plan.steered = !direct;
  for (const PortTraits& port : ports) {
    const auto queues = workers == 1 || !direct ? port.own_queues : static_cast<std::uint16_t>(workers);
    plan.queues.push_back(queues);
    if (!direct && plan.receivers.size() <= port.group) plan.receivers.resize(port.group + 1);
    for (std::uint16_t queue = 0; queue < queues; ++queue) {
      std::vector<QueueRef>& poller = direct ? plan.workers[workers == 1 ? 0 : queue] : plan.receivers[port.group];
      poller.push_back({port.port, queue});
    }
    if (!direct && !spreads(port)) {
      plan.notes.push_back(
          port.spreads_evenly ? fmt::format("{} has {} queues for {} workers", port.name, port.queues, workers)
                              : fmt::format("{} cannot bring both directions of a connection to one queue", port.name));
    }
  }
  if (!direct) plan.notes.emplace_back("a receiving thread decodes, and steers to the workers by connection");
  return plan;
}

PoolPlan plan_pool(const PoolNeeds& needs) {
  PoolPlan plan;
  plan.cache = kPoolCache;
  // DPDK fills a cache to one and a half times its size before it gives back.
  const std::size_t in_caches = (needs.users + needs.pollers) * (plan.cache + plan.cache / 2);
  const std::size_t in_bursts = needs.pollers * (packet::kBurst + needs.held) + needs.users * packet::kBurst;
  const std::size_t least = needs.queues * needs.descriptors + in_caches + in_bursts + needs.in_rings;
  plan.buffers = std::bit_ceil(least + 1) - 1;
  plan.octets = plan.buffers * (needs.data_octets + kBufferOverhead);
  return plan;
}

}  // namespace doorslam::ethdev
