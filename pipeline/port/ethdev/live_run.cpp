#include "pipeline/port/ethdev/live_run.h"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_launch.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>
#include <utility>

#include "pipeline/port/ethdev/rss.h"

namespace doorslam::ethdev {

namespace {

using flowtable::TimeNs;
using Phase = RunOrders::Phase;

constexpr auto kShortWait = std::chrono::microseconds(200);
constexpr auto kLossReportInterval = std::chrono::seconds(10);
/// Packet time that is off so far is told; and told to agree again when it is off by a tenth of that.
constexpr std::int64_t kClockOffNs = 100 * flowtable::kMillisecondNs;

int run_lane(void* lane) {
  static_cast<Lane*>(lane)->run();
  return 0;
}

}  // namespace

Result<void> LiveRun::start(diagnose::Analysis& analysis, port::ReadingSink& sink) {
  std::vector<port::EventRings*> rings;
  for (const auto& of_worker : rings_) rings.push_back(of_worker.get());
  analysis_thread_ = std::make_unique<port::AnalysisThread>(rings, analysis, sink);
  if (auto started = analysis_thread_->start(); !started) return started;
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
  begin_device_clocks();
  return {};
}

/// Cards' clocks run from the start of their ports on. Packets are being polled meanwhile, and until a clock is known
/// bear the time at which they were.
void LiveRun::begin_device_clocks() {
  for (LivePort& port : ports_) {
    if (!port.clock || port.clock->begin()) continue;
    notes_.push_back(fmt::format("{}: the card's clock cannot be read; packets bear the time at which they are polled",
                                 port.facts.name));
  }
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
  note_clock(news);
  note_links(news);
  note_losses(news);
  return news;
}

/// Somebody has set the wall clock: time follows slowly, and records bear the wrong time meanwhile.
void LiveRun::note_clock(News& news) {
  if (replay_) return;
  const std::int64_t off_ns = clock_->offset_ns();
  if (!clock_is_off_ && std::abs(off_ns) > kClockOffNs) {
    news.push_back(fmt::format(
        "the wall clock was set: the time of packets is {:.1f} s {} it, and is brought nearer by {} us a second",
        std::abs(static_cast<double>(off_ns)) / 1e9, off_ns > 0 ? "behind" : "ahead of",
        port::ClockDiscipline::kMostSlewPpm));
    clock_is_off_ = true;
  } else if (clock_is_off_ && std::abs(off_ns) < kClockOffNs / 10) {
    news.emplace_back("the time of packets agrees with the wall clock again");
    clock_is_off_ = false;
  }
}

void LiveRun::note_links(News& news) {
  const std::lock_guard lock(snapshot_mutex_);
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

/// Nobody polls any more. What the devices have received by now, and what of it lies in their queues, is their account;
/// what comes later comes to nobody.
void LiveRun::close_accounts() {
  const std::lock_guard lock(snapshot_mutex_);
  for (const LivePort& port : ports_) {
    // Of a file nothing has been received but what was read.
    const std::uint64_t left = port.is_file ? 0 : port.device->take_out();
    closed_accounts_.push_back({.left = left, .counters = port.device->counters()});
  }
}

void LiveRun::stop() {
  if (!running_) return;
  running_ = false;
  orders_.phase.store(Phase::draining, std::memory_order_release);
  wait_until(&Lane::drained);
  close_accounts();
  News too_late;
  note_losses(too_late);
  TimeNs end_ns = replay_ ? 1 : now_ns();
  for (const LaneSlot& slot : lanes_) end_ns = std::max(end_ns, slot.lane->counters().packet_time_ns);
  if (!replay_) analysis_thread_->judge_as_they_come(end_ns);
  orders_.end_ns.store(end_ns, std::memory_order_relaxed);
  orders_.phase.store(Phase::finishing, std::memory_order_release);
  wait_until(&Lane::done);
  rte_eal_mp_wait_lcore();
  analysis_thread_->finish();
  stopped_ = true;
}

LiveRun::~LiveRun() {
  stop();
  if (analysis_thread_) analysis_thread_->finish();
  // Only now, when all is told: what a driver does at its end must not cost a record. Devices before the buffers that
  // their queues hold, and both before the EAL.
  if (eal_) eal_->still_interrupts();
  for (LivePort& port : ports_) port.device.reset();
  lanes_.clear();
}

bool LiveRun::alive() {
  std::vector<std::uint64_t> rounds{analysis_thread_->rounds()};
  for (const LaneSlot& slot : lanes_) rounds.push_back(slot.lane->rounds());
  const bool all_moved =
      rounds_seen_.empty() || std::equal(rounds.begin(), rounds.end(), rounds_seen_.begin(), std::not_equal_to<>());
  if (all_moved) rounds_seen_ = std::move(rounds);
  return all_moved;
}

}  // namespace doorslam::ethdev
