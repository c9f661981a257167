#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/base/result.h"
#include "pipeline/port/analysis_thread.h"
#include "pipeline/port/ethdev/eal.h"
#include "pipeline/port/ethdev/lane.h"
#include "pipeline/port/ethdev/live_options.h"
#include "pipeline/port/ethdev/port_set.h"
#include "pipeline/port/ethdev/worker_lanes.h"
#include "pipeline/port/live_counters.h"
#include "pipeline/port/symmetric_hash.h"
#include "pipeline/port/tick_clock.h"

namespace doorslam::ethdev {

/// What a port's buffers must suffice for, with so many receive queues.
PoolNeeds pool_needs(const LiveOptions& options, const PortFacts& facts, std::size_t queues, bool steered);

/// What has happened since the last look, one sentence each.
using News = std::vector<std::string>;

/// A running sensor but for its outputs: ports, polling threads, clock, analysis thread.
///
/// set_up() prepares everything, start() lets packets in, tick() is to be called about ten times a second by the
/// control thread, stop() drains and ends. snapshot() may be called by any thread between start() and stop(), and by
/// the control thread before and after that.
class LiveRun {
 public:
  /// Errors (data, usage): what is missing and how to mend it.
  static Result<std::unique_ptr<LiveRun>> set_up(const LiveOptions& options, EalLog log);
  ~LiveRun();

  /// `analysis` and `sink` are borrowed until stop() returns. Errors (data): a port cannot be started.
  Result<void> start(diagnose::Analysis& analysis, port::ReadingSink& sink);
  /// Corrects the clock, looks at links and losses.
  News tick();
  /// Takes what is in the queues, ends all connections, judges everything. To be called once.
  void stop();
  /// The analysis thread has failed: nothing is judged any more, and the run is to be stopped.
  bool failed() const noexcept { return analysis_thread_->failed(); }
  /// What it failed with; null: it has not. After stop().
  std::exception_ptr failure() const noexcept { return analysis_thread_->failure(); }

  port::LiveCounters snapshot() const;
  /// Packets processed so far; for whoever waits for them to cease.
  std::uint64_t packets() const noexcept;
  bool replay() const noexcept { return replay_; }
  /// Packet time: of the clock, or with a replay of the latest packet.
  flowtable::TimeNs now_ns() const noexcept;
  port::AnalysisThread& analysis_thread() noexcept { return *analysis_thread_; }
  /// What a person should know of how the sensor is set up, one sentence each.
  const std::vector<std::string>& notes() const noexcept { return notes_; }
  /// True when every thread has made progress since this was last true: asked now and then, for the watchdog.
  bool alive();

 private:
  struct LaneSlot {
    std::string role;
    LcoreCpus lcore;
    std::vector<QueueRef> queues;
    bool receives = false;
    bool tracks = false;
    std::unique_ptr<Lane> lane;
    bool launched = false;
  };

  explicit LiveRun(const LiveOptions& options) : options_(options) {}
  Result<void> start_eal(EalLog log);
  Result<void> open_devices();
  PollPlan poll_plan(bool may_spread);
  Result<void> set_up_devices(const PollPlan& polling);
  Result<void> spread(const PollPlan& polling);
  static Result<void> try_spreading(LivePort& port, std::uint16_t queues);
  void add_workers(const PollPlan& polling);
  void add_receivers(const PollPlan& polling);
  void start_clock();
  void make_lanes(const PollPlan& polling);
  RxOptions rx_options(const std::vector<QueueRef>& queues, std::uint64_t first, std::uint64_t step) const;
  WorkerParts worker_parts(std::size_t worker) const;
  tcp::TrackerOptions share_of_tables() const;
  void begin_device_clocks();
  void correct_clocks();
  void note_clock(News& news);
  void note_links(News& news);
  void note_losses(News& news);
  void close_accounts();
  void wait_until(bool (Lane::*reached)() const noexcept) const;
  port::PortSnapshot port_snapshot(const LivePort& live) const;

  LiveOptions options_;
  LcorePlan lcores_;
  std::optional<Eal> eal_;  ///< declared first: goes last
  std::vector<LivePort> ports_;
  std::vector<std::string> notes_;
  bool replay_ = false;
  bool steered_ = false;
  IdleMode idle_ = IdleMode::pause;
  std::unique_ptr<port::TickClock> clock_;  ///< of the processor's counter
  RunOrders orders_;
  std::vector<std::unique_ptr<port::EventRings>> rings_;
  std::vector<std::unique_ptr<Steering>> steering_;  ///< of the receivers, or of workers that poll side by side
  std::optional<port::WorkerOfConnection> worker_of_;
  bool spread_by_cards_ = false;
  std::vector<LaneSlot> lanes_;
  std::unique_ptr<port::AnalysisThread> analysis_thread_;
  struct LinkHistory {
    LinkState state;
    bool was_up = false;  ///< ever
  };
  std::vector<LinkHistory> links_;  ///< by port
  std::uint64_t losses_seen_ = 0;
  std::uint64_t losses_told_ = 0;
  flowtable::TimeNs looked_for_losses_ns_ = flowtable::kNoTime;
  std::chrono::steady_clock::time_point tell_losses_after_;
  std::vector<std::uint64_t> rounds_seen_;  ///< of the analysis and of each lane, when alive() was last true
  std::uint64_t started_ticks_ = 0;
  bool running_ = false;
  bool stopped_ = false;
  struct ClosedAccount {
    std::uint64_t left = 0;  ///< taken out of its queues unread
    DeviceCounters counters;
  };
  std::vector<ClosedAccount> closed_accounts_;  ///< by port, once all polling has ended; empty before
  bool clock_is_off_ = false;
  /// Drivers add up registers that are cleared by reading: one reads at a time.
  mutable std::mutex snapshot_mutex_;
};

}  // namespace doorslam::ethdev
