#include "pipeline/port/ethdev/live_run.h"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf_dyn.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <functional>
#include <thread>
#include <utility>

#include "pipeline/port/ethdev/receiver.h"
#include "pipeline/port/ethdev/rss.h"
#include "pipeline/port/ethdev/spread_worker.h"
#include "pipeline/port/symmetric_hash.h"

namespace doorslam::ethdev {

namespace {

using flowtable::TimeNs;
using Phase = RunOrders::Phase;

constexpr auto kShortWait = std::chrono::microseconds(200);
constexpr auto kLossReportInterval = std::chrono::seconds(10);
constexpr std::size_t kMinimumShare = 1024;
/// Of a redirection table that no card has.
constexpr std::size_t kSoftwareEntries = 128;
/// Of a ring between two workers.
constexpr std::size_t kLeastPassingRing = 64;
/// Of an RSS key, where the driver does not say.
constexpr std::size_t kUsualKeyOctets = 40;

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
    DeviceFacts unknown;
    unknown.most_descriptors = UINT16_MAX;
    octets +=
        group.size() * plan_pool(pool_needs(options, unknown, options.workers, options.workers > 1)).octets * 5 / 4;
  }
  return octets;
}

/// Of workers side by side, each to each other: all that one passes on has the room of one ring to a worker, so that
/// the port's buffers suffice (pool_needs).
std::size_t passing_ring(const LiveOptions& options) {
  return std::bit_floor(std::max(options.steering_ring / (options.workers - 1), kLeastPassingRing));
}

int run_lane(void* lane) {
  static_cast<Lane*>(lane)->run();
  return 0;
}

}  // namespace

PoolNeeds pool_needs(const LiveOptions& options, const DeviceFacts& facts, std::size_t queues, bool steered) {
  return {.queues = queues,
          .descriptors = fitting_descriptors(facts, options.descriptors),
          .pollers = steered ? 1 : options.workers,
          .held = RxSource::kBurst,
          .in_rings = options.workers > 1 ? options.workers * options.steering_ring : 0,
          .users = options.workers,
          .data_octets = buffer_octets(facts, options.frame_octets)};
}

Result<std::unique_ptr<LiveRun>> LiveRun::set_up(const LiveOptions& options, EalLog log) {
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
  for (const auto& group : options_.groups)
    std::copy_if(group.begin(), group.end(), std::back_inserter(eal.pci), is_pci_address);
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
  rx.first_number = first;
  rx.number_step = step;
  return rx;
}

tcp::TrackerOptions LiveRun::share_of_tables() const {
  tcp::TrackerOptions share = options_.tracker;
  share.capacity_flows = std::max(share.capacity_flows / options_.workers, kMinimumShare);
  share.capacity_flows6 = std::max(share.capacity_flows6 / options_.workers, kMinimumShare);
  share.evidence_capacity =
      std::max(share.evidence_capacity / static_cast<std::uint32_t>(options_.workers), std::uint32_t{64});
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
    const std::size_t ring = steered_ ? options_.steering_ring : passing_ring(options_);
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
    slot.lane = std::make_unique<Receiver>(orders_, options_.decode, rx_options(slot.queues, i + 1, receivers),
                                           *steering_[i], options_.tracker.vlan_aware, options_.events.wait, idle_);
  }
}

void LiveRun::add_workers(const PollPlan& polling) {
  const std::size_t workers = options_.workers;
  const auto all_but = [this](std::size_t index) {
    std::vector<Steering*> others;
    for (std::size_t i = 0; i < steering_.size(); ++i) {
      if (i != index) others.push_back(steering_[i].get());
    }
    return others;
  };
  for (std::size_t i = 0; i < workers; ++i) {
    LaneSlot& slot = lanes_.emplace_back();
    slot.role = fmt::format("worker {}", i);
    slot.lcore = lcores_.workers[i];
    slot.queues = polling.workers[i];
    slot.receives = !steered_;
    slot.tracks = true;
    const RxOptions queues = rx_options(slot.queues, i + 1, workers);
    if (steered_) {
      slot.lane = std::make_unique<SteeredWorker>(worker_parts(i), i, all_but(steering_.size()));
    } else if (worker_of_) {
      slot.lane = std::make_unique<SpreadWorker>(worker_parts(i), options_.decode, queues, i, *worker_of_,
                                                 *steering_[i], all_but(i));
    } else {
      slot.lane = std::make_unique<PollingWorker>(worker_parts(i), options_.decode, queues);
    }
  }
}

Result<void> LiveRun::start(diagnose::Analysis& analysis, port::ReadingSink& sink) {
  sink_ = &sink;
  std::vector<port::EventRings*> rings;
  for (const auto& of_worker : rings_) rings.push_back(of_worker.get());
  analysis_thread_ = std::make_unique<port::AnalysisThread>(rings, analysis, sink);
  analysis_thread_->start();
  for (LivePort& port : ports_) {
    if (auto started = port.device->start(); !started) return started;
    links_.push_back({.state = port.device->link()});
    // Starting may have set up its hash anew.
    if (!spread_by_cards_) continue;
    if (auto even = spread_evenly(port.facts, port.device->options().queues); !even) {
      return data_error(even.error().message + "; set run.steering to receiver");
    }
  }
  correct_clocks();
  started_ticks_ = rte_rdtsc();
  looked_for_losses_ns_ = now_ns();
  // All or none: lanes wait for each other at the end.
  for (const LaneSlot& slot : lanes_) {
    if (rte_eal_get_lcore_state(slot.lcore.lcore) != WAIT) {
      return data_error(fmt::format("{}: lcore {} is busy", slot.role, slot.lcore.lcore));
    }
  }
  running_ = true;
  for (LaneSlot& slot : lanes_) {
    slot.launched = rte_eal_remote_launch(run_lane, slot.lane.get(), slot.lcore.lcore) == 0;
    if (!slot.launched) {
      return data_error(fmt::format("{} cannot be started on lcore {}", slot.role, slot.lcore.lcore));
    }
  }
  return {};
}

void LiveRun::correct_clocks() {
  clock_->correct();
  for (LivePort& port : ports_) {
    if (port.clock) port.clock->correct();
  }
}

News LiveRun::tick() {
  News news;
  correct_clocks();
  note_links(news);
  note_losses(news);
  return news;
}

void LiveRun::note_links(News& news) {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const LinkState link = ports_[i].device->link();
    LinkHistory& known = links_[i];
    known.was_up = known.was_up || known.state.up;
    if (link.up != known.state.up) {
      const char* const now = link.up ? known.was_up ? "up again" : "up" : "down";
      news.push_back(fmt::format("{}: the link is {}", ports_[i].facts.name, now));
    }
    known.state = link;
  }
}

void LiveRun::note_losses(News& news) {
  const port::LiveCounters counters = snapshot();
  const std::uint64_t at_ports = counters.lost_at_ports();
  std::uint64_t losses = at_ports + counters.events().lost;
  for (const port::LaneSnapshot& lane : counters.lanes) losses += lane.counters.steering_lost;
  const TimeNs from_ns = std::exchange(looked_for_losses_ns_, counters.now_ns);
  if (losses > losses_seen_) {
    const diagnose::CaptureLoss loss{.from_ns = from_ns, .to_ns = counters.now_ns, .packets = losses - losses_seen_};
    analysis_thread_->note_loss(loss, at_ports);
    losses_seen_ = losses;
  }
  if (losses_seen_ == losses_told_ || std::chrono::steady_clock::now() < tell_losses_after_) return;
  news.push_back(fmt::format("{} packets or events were lost since the last report, {} in all",
                             losses_seen_ - losses_told_, losses_seen_));
  losses_told_ = losses_seen_;
  tell_losses_after_ = std::chrono::steady_clock::now() + kLossReportInterval;
}

void LiveRun::wait_until(bool (Lane::*reached)() const noexcept) const {
  for (const LaneSlot& slot : lanes_) {
    if (!slot.launched || (reached == &Lane::drained && !slot.receives)) continue;
    while (!(slot.lane.get()->*reached)()) std::this_thread::sleep_for(kShortWait);
  }
}

void LiveRun::stop() {
  if (!running_) return;
  running_ = false;
  orders_.phase.store(Phase::draining, std::memory_order_release);
  wait_until(&Lane::drained);
  News too_late;
  note_losses(too_late);
  TimeNs end_ns = replay_ ? 1 : now_ns();
  for (const LaneSlot& slot : lanes_) end_ns = std::max(end_ns, slot.lane->counters().packet_time_ns);
  if (!replay_) analysis_thread_->judge_as_they_come(end_ns);
  orders_.end_ns.store(end_ns, std::memory_order_relaxed);
  orders_.phase.store(Phase::finishing, std::memory_order_release);
  wait_until(&Lane::done);
  rte_eal_mp_wait_lcore();
  for (const LivePort& port : ports_) last_counters_.push_back(port.device->counters());
  analysis_thread_->finish();
  stopped_ = true;
}

LiveRun::~LiveRun() {
  stop();
  if (analysis_thread_) analysis_thread_->finish();
  // Only now, when all is told: what a driver does at its end must not cost a record. Devices before the buffers that
  // their queues hold, and both before the EAL.
  for (LivePort& port : ports_) port.device.reset();
  lanes_.clear();
}

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

bool LiveRun::alive() {
  std::vector<std::uint64_t> rounds{analysis_thread_->rounds()};
  for (const LaneSlot& slot : lanes_) rounds.push_back(slot.lane->rounds());
  const bool all_moved =
      rounds_seen_.empty() || std::equal(rounds.begin(), rounds.end(), rounds_seen_.begin(), std::not_equal_to<>());
  if (all_moved) rounds_seen_ = std::move(rounds);
  return all_moved;
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
  const DeviceCounters counters = stopped_ ? last_counters_[place] : live.device->counters();
  // A device whose other end has gone may forget its counters (net_memif); what was polled was received.
  snapshot.received = link.up ? counters.received : std::max(counters.received, snapshot.polled);
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
