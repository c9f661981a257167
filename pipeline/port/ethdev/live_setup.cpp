#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "pipeline/packet/link_layer.h"
#include "pipeline/port/capture_filter.h"
#include "pipeline/port/ethdev/live_run.h"
#include "pipeline/port/ethdev/rss.h"
#include "pipeline/port/ethdev/spread_worker.h"
#include "pipeline/port/ethdev/steering_receiver.h"
#include "pipeline/port/spsc_ring.h"

/// How a live run is set up: EAL, devices, who polls what, lanes. Nothing runs yet.
namespace doorslam::ethdev {

namespace {

/// Of a redirection table that no card has.
constexpr std::size_t kSoftwareEntries = 128;
/// Of a ring between two workers.
constexpr std::size_t kLeastPassingRing = 64;

std::vector<unsigned> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {0};
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

/// Whether the process may choose a CPU outside its affinity, as it may an isolated one: `isolcpus` takes those out of
/// every process's affinity, so that nothing comes there unasked. Only a cpuset forbids.
bool may_choose(unsigned cpu) {
  cpu_set_t before;
  if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before), &before) != 0) return false;
  cpu_set_t alone;
  CPU_ZERO(&alone);
  CPU_SET(cpu, &alone);
  const bool may = sched_setaffinity(0, sizeof(alone), &alone) == 0;
  sched_setaffinity(0, sizeof(before), &before);
  return may;
}

/// A device's own counter, by which it stamps packets.
port::TickClock::Ticks ticks_of(std::uint16_t port) {
  return [port](std::uint64_t& ticks) { return rte_eth_read_clock(port, &ticks) == 0; };
}

/// Of ordinary memory, which must be taken before the devices can be asked.
std::size_t memory_estimate(const LiveOptions& options) {
  std::size_t octets = std::size_t{64} << 20U;
  for (const auto& group : options.groups) {
    PortFacts unknown;
    unknown.most_descriptors = UINT16_MAX;
    octets +=
        group.size() * plan_pool(pool_needs(options, unknown, options.workers, options.workers > 1)).octets * 5 / 4;
  }
  return octets;
}

/// Of workers side by side, with so many rings each: all that one passes on has the room of one ring to a worker, so
/// that the port's buffers suffice (pool_needs).
std::size_t passing_ring(const LiveOptions& options, std::size_t rings) {
  return std::bit_floor(std::max(options.steering_ring / rings, kLeastPassingRing));
}

}  // namespace

PoolNeeds pool_needs(const LiveOptions& options, const PortFacts& facts, std::size_t queues, bool steered) {
  return {.queues = queues,
          .descriptors = fitting_descriptors(facts, options.descriptors),
          .pollers = steered ? 1 : options.workers,
          .held = RxSource::kBurst,
          .in_rings = options.workers > 1 ? options.workers * port::ring_places(options.steering_ring) : 0,
          .users = options.workers,
          .data_octets = buffer_octets(facts, options.frame_octets)};
}

Result<std::unique_ptr<LiveRun>> LiveRun::set_up(const LiveOptions& options, EalLog log) {
  if (!options.filter.empty()) {
    const auto checked = port::CaptureFilter::check(options.filter, packet::link_type::kEthernet);
    if (!checked) return usage_error("run.filter: " + checked.error().message);
  }
  std::unique_ptr<LiveRun> run(new LiveRun(options));
  if (auto started = run->start_eal(std::move(log)); !started) return tl::unexpected(started.error());
  if (auto opened = run->open_devices(); !opened) return tl::unexpected(opened.error());
  return run;
}

Result<void> LiveRun::start_eal(EalLog log) {
  std::vector<unsigned> allowed = allowed_cpus();
  for (const unsigned cpu : options_.lcores) {
    if (std::find(allowed.begin(), allowed.end(), cpu) != allowed.end()) continue;
    if (may_choose(cpu)) {
      allowed.insert(std::lower_bound(allowed.begin(), allowed.end(), cpu), cpu);
    } else {
      return usage_error(
          fmt::format("run.lcores: CPU {} is not there, or not for this process (`taskset -p {}`)", cpu, getpid()));
    }
  }
  lcores_ = plan_lcores({.workers = options_.workers,
                         .receivers = options_.workers > 1 ? options_.groups.size() : 0,
                         .allowed = allowed,
                         .wanted = options_.lcores});
  notes_ = lcores_.notes;
  EalOptions eal;
  eal.lcores.push_back(lcores_.control);
  eal.lcores.insert(eal.lcores.end(), lcores_.workers.begin(), lcores_.workers.end());
  eal.lcores.insert(eal.lcores.end(), lcores_.receivers.begin(), lcores_.receivers.end());
  for (const auto& group : options_.groups) {
    for (const std::string& port : group) {
      if (is_pci_address(port)) eal.pci.push_back(whole_pci_address(port));
    }
  }
  eal.huge_pages = options_.huge_pages;
  eal.memory_octets = memory_estimate(options_);
  eal.attachable = options_.attachable;
  eal.telemetry = options_.telemetry;
  // Without huge pages nothing is shared between processes, so that any number of them may run.
  eal.prefix_is_ours = !options_.huge_pages;
  eal.file_prefix = options_.huge_pages ? options_.file_prefix : fmt::format("{}-{}", options_.file_prefix, getpid());
  auto started = Eal::start(eal, std::move(log));
  if (!started) return tl::unexpected(started.error());
  eal_.emplace(std::move(*started));
  if (!eal_->remark().empty()) notes_.push_back(eal_->remark());
  return {};
}

PollPlan LiveRun::poll_plan(bool may_spread) {
  const bool by_workers = options_.steering == SteeringChoice::workers;
  std::vector<PortTraits> traits;
  for (const LivePort& port : ports_) {
    // These bring packets in all of their queues whether or not one is polled: a file each, or a packet socket.
    const bool all_queues = port.is_file || port.facts.driver == "net_af_packet";
    traits.push_back({.port = port.facts.port,
                      .name = port.facts.name,
                      .group = port.group,
                      .queues = port.facts.most_queues,
                      .own_queues = all_queues ? port.facts.most_queues : std::uint16_t{1},
                      .spreads_evenly = may_spread && (by_workers || lacks_for_spreading(port.facts).empty())});
  }
  return plan_polling(traits, options_.workers);
}

Result<void> LiveRun::open_devices() {
  auto ports = open_ports(*eal_, options_.groups);
  if (!ports) return tl::unexpected(ports.error());
  ports_ = std::move(*ports);
  replay_ = std::all_of(ports_.begin(), ports_.end(), [](const LivePort& port) { return port.is_file; });
  start_clock();
  PollPlan polling = poll_plan(options_.steering != SteeringChoice::receiver);
  steered_ = polling.steered;
  if (auto set_up = set_up_devices(polling); !set_up) return set_up;
  if (!steered_ && options_.workers > 1) {
    if (const auto spread_out = spread(polling); !spread_out) {
      notes_.push_back(spread_out.error().message);
      for (LivePort& port : ports_) {
        port.device->let_go();
        port.device.reset();
        port.pool = BufferPool();
      }
      polling = poll_plan(false);
      steered_ = polling.steered;
      if (auto set_up = set_up_devices(polling); !set_up) return set_up;
    } else {
      notes_.push_back(
          spread_by_cards_
              ? fmt::format("the cards spread both directions of a connection to one of {} queues", options_.workers)
              : "each worker polls queues of its own, and passes on what belongs to another");
    }
  }
  notes_.insert(notes_.end(), polling.notes.begin(), polling.notes.end());
  make_lanes(polling);
  return {};
}

/// Some drivers tell of their hash before they are started, some only then.
Result<void> LiveRun::try_spreading(LivePort& port, std::uint16_t queues) {
  if (spread_evenly(port.facts, queues)) return {};
  if (auto started = port.device->start(); !started) return started;
  auto even = spread_evenly(port.facts, queues);
  port.device->stop();
  // What came meanwhile was for nobody.
  port.device->forget_counters();
  return even;
}

Result<void> LiveRun::spread(const PollPlan& polling) {
  if (options_.steering == SteeringChoice::workers) {
    worker_of_.emplace(port::even_redirection(kSoftwareEntries, options_.workers));
    return {};
  }
  std::uint16_t entries = 0;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (auto even = try_spreading(ports_[i], polling.queues[i]); !even) return even;
    // A worker's share must be the same on all ports of a group.
    if (entries != 0 && entries != ports_[i].facts.redirection_entries) {
      return data_error(
          fmt::format("{}: its redirection table is of another size than the other ports'", ports_[i].facts.name));
    }
    entries = ports_[i].facts.redirection_entries;
  }
  worker_of_.emplace(port::even_redirection(entries, options_.workers));
  spread_by_cards_ = true;
  return {};
}

Result<void> LiveRun::set_up_devices(const PollPlan& polling) {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    LivePort& port = ports_[i];
    const PoolNeeds needs = pool_needs(options_, port.facts, polling.queues[i], steered_);
    auto pool = BufferPool::make(port.facts, plan_pool(needs), needs.data_octets);
    if (!pool) return tl::unexpected(pool.error());
    port.pool = std::move(*pool);
    DeviceOptions options;
    options.queues = polling.queues[i];
    options.descriptors = options_.descriptors;
    options.frame_octets = options_.frame_octets;
    options.promiscuous = options_.promiscuous;
    options.attachable = options_.huge_pages && options_.attachable;
    options.stamp_time = options_.hardware_time;
    if (!steered_ && options_.workers > 1 && lacks_for_spreading(port.facts).empty()) {
      options.hash_functions = hash_functions_wanted(port.facts);
      options.hash_key = port::SymmetricHash::key(std::max<std::size_t>(port.facts.hash_key_octets, kUsualKeyOctets));
    }
    const std::vector<rte_mempool*> pools(options.queues, port.pool.get());
    auto device = Device::configure(port.facts, options, pools);
    if (!device) return tl::unexpected(device.error());
    port.device = std::make_unique<Device>(std::move(*device));
    notes_.insert(notes_.end(), port.device->remarks().begin(), port.device->remarks().end());
    port.stamps = stamps_of(port);
    // Times of files belong to no clock: beside a live port they are not to be used.
    if (port.is_file && !replay_) port.stamps = Stamps::none;
    if (port.stamps == Stamps::device_clock) {
      // Where packets carry their stamps must be known before the device, which says so at its start, is started.
      if (rte_mbuf_dyn_rx_timestamp_register(nullptr, nullptr) == 0) {
        port.clock = std::make_unique<port::TickClock>(ticks_of(port.facts.port));
      } else {
        port.stamps = Stamps::none;
      }
    }
  }
  return {};
}

void LiveRun::start_clock() {
  clock_ = std::make_unique<port::TickClock>([](std::uint64_t& ticks) {
    ticks = rte_rdtsc();
    return true;
  });
  clock_->begin();  // this counter can always be read
}

RxOptions LiveRun::rx_options(const std::vector<QueueRef>& queues, std::uint64_t first, std::uint64_t step) const {
  RxOptions rx;
  for (const QueueRef& queue : queues) {
    const auto port =
        std::find_if(ports_.begin(), ports_.end(), [&queue](const LivePort& p) { return p.facts.port == queue.port; });
    rx.inputs.push_back(
        {.queue = queue, .stamps = port->stamps, .device_clock = port->clock ? &port->clock->line() : nullptr});
  }
  rx.clock = &clock_->line();
  rx.replay = replay_;
  rx.frames_may_be_cut = options_.frames_may_be_cut || replay_;
  rx.filter = options_.filter;
  rx.first_number = first;
  rx.number_step = step;
  return rx;
}

tcp::TrackerOptions LiveRun::share_of_tables() const {
  tcp::TrackerOptions share = options_.tracker.share_of(options_.workers);
  share.expiry_step = tcp::TrackerOptions::kSensorStep;
  return share;
}

WorkerParts LiveRun::worker_parts(std::size_t worker) const {
  tcp::TrackerOptions share = share_of_tables();
  if (!replay_) share.hash_key = flowtable::HashKey::random();
  return {.orders = &orders_,
          .rings = rings_[worker].get(),
          .idle = idle_,
          .wait_for_analysis = options_.events.wait,
          .tracker = share};
}

void LiveRun::make_lanes(const PollPlan& polling) {
  if (!replay_) options_.decode.hash_key = flowtable::HashKey::random();
  options_.events.wait =
      options_.when_behind == WhenBehind::wait || (options_.when_behind == WhenBehind::automatic && replay_);
  const bool shared = lcores_.shared;
  switch (options_.idle) {
    case IdleChoice::automatic:
      idle_ = shared || replay_ ? IdleMode::sleep : IdleMode::pause;
      break;
    case IdleChoice::spin:
      idle_ = IdleMode::spin;
      break;
    case IdleChoice::pause:
      idle_ = IdleMode::pause;
      break;
    case IdleChoice::sleep:
      idle_ = IdleMode::sleep;
      break;
  }
  for (std::size_t i = 0; i < options_.workers; ++i) {
    rings_.push_back(std::make_unique<port::EventRings>(options_.events));
  }
  const std::size_t dealers = steered_ ? polling.receivers.size() : worker_of_ ? options_.workers : 0;
  for (std::size_t i = 0; i < dealers; ++i) {
    const std::size_t ring =
        steered_ ? options_.steering_ring : passing_ring(options_, options_.workers - (spread_by_cards_ ? 1 : 0));
    steering_.push_back(std::make_unique<Steering>(options_.workers, ring));
  }
  add_receivers(polling);
  add_workers(polling);
}

void LiveRun::add_receivers(const PollPlan& polling) {
  const std::size_t receivers = polling.receivers.size();
  for (std::size_t i = 0; i < receivers; ++i) {
    LaneSlot& slot = lanes_.emplace_back();
    slot.role = fmt::format("receiver {}", i);
    slot.lcore = lcores_.receivers[i];
    slot.queues = polling.receivers[i];
    slot.receives = true;
    slot.lane =
        std::make_unique<SteeringReceiver>(orders_, options_.decode, rx_options(slot.queues, i + 1, receivers),
                                           *steering_[i], options_.tracker.vlan_aware, options_.events.wait, idle_);
  }
}

void LiveRun::add_workers(const PollPlan& polling) {
  const std::size_t workers = options_.workers;
  std::vector<Steering*> receivers;
  for (const auto& receiver : steering_) receivers.push_back(receiver.get());
  for (std::size_t i = 0; i < workers; ++i) {
    LaneSlot& slot = lanes_.emplace_back();
    slot.role = fmt::format("worker {}", i);
    slot.lcore = lcores_.workers[i];
    slot.queues = polling.workers[i];
    slot.receives = !steered_;
    slot.tracks = true;
    const RxOptions queues = rx_options(slot.queues, i + 1, workers);
    if (steered_) {
      slot.lane = std::make_unique<SteeredWorker>(worker_parts(i), i, receivers);
    } else if (worker_of_) {
      slot.lane = std::make_unique<SpreadWorker>(worker_parts(i), options_.decode, queues, i, *worker_of_, steering_,
                                                 !spread_by_cards_);
    } else {
      slot.lane = std::make_unique<PollingWorker>(worker_parts(i), options_.decode, queues);
    }
  }
}

}  // namespace doorslam::ethdev
