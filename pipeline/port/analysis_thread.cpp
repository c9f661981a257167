#include "pipeline/port/analysis_thread.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "pipeline/base/thread.h"

namespace doorslam::port {

namespace {

using flowtable::kNoTime;
using flowtable::TimeNs;
using namespace std::chrono_literals;

/// Events of one worker a round: as many as fit into the cache with what is made of them.
constexpr std::size_t kEventsPerRound = 4096;
/// Events followed and connections judged a round: what takes longer would keep the watchdog and the commands waiting.
constexpr std::size_t kStepsPerRound = 4096;
/// Events that wait for the watermark before the others are left in their rings.
constexpr std::size_t kMostHeld = std::size_t{1} << 18U;
constexpr auto kNap = 1ms;
constexpr auto kLongNap = 10ms;
constexpr unsigned kNapsBeforeLong = 100;
constexpr auto kFlushInterval = 200ms;

}  // namespace

AnalysisThread::AnalysisThread(std::span<EventRings* const> rings, diagnose::Analysis& analysis, ReadingSink& sink)
    : sources_(rings.size()), analysis_(analysis), sink_(sink) {
  for (std::size_t i = 0; i < rings.size(); ++i) sources_[i].rings = rings[i];
}

AnalysisThread::~AnalysisThread() { finish(); }

Result<void> AnalysisThread::start() {
  auto thread = start_thread("the analysis thread", [this] { run(); });
  if (!thread) return tl::unexpected(thread.error());
  thread_ = std::move(*thread);
  return {};
}

void AnalysisThread::post(Command command) {
  const std::lock_guard lock(commands_mutex_);
  commands_.push_back(std::move(command));
  has_commands_.store(true, std::memory_order_release);
}

void AnalysisThread::note_loss(const diagnose::CaptureLoss& loss, std::uint64_t at_ports) {
  post([this, loss, at_ports](diagnose::Analysis& analysis) {
    analysis.note_loss(loss);
    sink_.note_port_losses(at_ports);
  });
}

void AnalysisThread::finish() noexcept {
  finishing_.store(true, std::memory_order_release);
  if (thread_.joinable()) thread_.join();
}

void AnalysisThread::run() noexcept {
  try {
    judge();
  } catch (...) {
    failure_ = std::current_exception();
    failed_.store(true, std::memory_order_release);
    discard();
  }
}

/// Until the workers have ended.
void AnalysisThread::discard() noexcept {
  while (true) {
    const bool last = finishing_.load(std::memory_order_acquire);
    for (const Source& source : sources_) source.rings->discard();
    if (last) return;
    std::this_thread::sleep_for(kNap);
  }
}

void AnalysisThread::judge() {
  auto flushed = std::chrono::steady_clock::now();
  unsigned naps = 0;
  while (true) {
    const bool last = finishing_.load(std::memory_order_acquire);
    if (has_commands_.load(std::memory_order_acquire)) run_commands();
    const bool idle = !round();
    // One that takes nothing of what waits is no progress.
    if (!idle || std::none_of(sources_.begin(), sources_.end(), has_waiting)) {
      rounds_.fetch_add(1, std::memory_order_relaxed);
    }
    if (const auto now = std::chrono::steady_clock::now(); now - flushed > kFlushInterval) {
      sink_.flush();
      flushed = now;
    }
    if (!idle) {
      naps = 0;
      continue;
    }
    if (last) break;
    std::this_thread::sleep_for(++naps > kNapsBeforeLong ? kLongNap : kNap);
  }
  run_commands();
  analysis_.finish(readings_);
  give_out();
  publish();
}

/// Aims at the time that all workers have covered, and at the events that were in the rings by then.
void AnalysisThread::take_aim() {
  aim_ns_ = kAllCovered;
  for (Source& source : sources_) {
    source.covered_ns = source.rings->covered_ns.load(std::memory_order_acquire);
    // Read after the time: all events before it count.
    source.refusals_owed = source.rings->refusals.pushed();
    source.served_owed = source.rings->served.pushed();
    aim_ns_ = std::min(aim_ns_, source.covered_ns);
  }
}

bool AnalysisThread::owes(const Source& source) noexcept {
  return source.rings->refusals.popped() < source.refusals_owed || source.rings->served.popped() < source.served_owed;
}

bool AnalysisThread::has_waiting(const Source& source) noexcept {
  return source.rings->refusals.size() + source.rings->served.size() > 0;
}

/// Whether the watermark is to move once nothing is owed.
bool AnalysisThread::aims_ahead() const noexcept {
  return aim_ns_ != kNoTime && aim_ns_ != kAllCovered && aim_ns_ > counters_.watermark_ns + 1;
}

/// False: there was nothing to do.
bool AnalysisThread::round() {
  if (advancing_) {
    advance();
    return true;
  }
  // An aim that moves nothing is not worth what it makes the workers owe.
  if (!aims_ahead() || std::none_of(sources_.begin(), sources_.end(), owes)) take_aim();
  std::size_t taken = 0;
  for (Source& source : sources_) {
    // While one worker lags, the others' events cannot be judged, and must not pile up here: beyond what is owed, which
    // is no more than rings hold and has to come for the watermark to move.
    const bool needed = aims_ahead() && owes(source);
    if (held_ > kMostHeld && source.covered_ns > aim_ns_ && !needed) continue;
    taken += drain(*source.rings, kEventsPerRound, source.batch);
    analysis_.collect(source.batch);
  }
  held_ += taken;
  counters_.events += taken;
  const bool known = aim_ns_ != kNoTime && aim_ns_ != kAllCovered;
  const bool moved = aims_ahead() && std::none_of(sources_.begin(), sources_.end(), owes);
  const bool hurried = known && taken > 0 && aim_ns_ >= end_ns_.load(std::memory_order_acquire);
  if (moved || hurried) {
    // Packets of that very time may still come. When all end, order is given up: the ends that are here are judged, for
    // each round that held them would move them all.
    counters_.watermark_ns = std::max(counters_.watermark_ns, hurried ? aim_ns_ : aim_ns_ - 1);
    advance();
  } else if (taken > 0) {
    publish();
  }
  return taken > 0 || advancing_;
}

/// Goes on towards the watermark.
void AnalysisThread::advance() {
  advancing_ = analysis_.advance_some(kStepsPerRound, counters_.watermark_ns, readings_);
  give_out();
  if (!advancing_) {
    held_ = 0;
    sink_.advance(counters_.watermark_ns);
  }
  publish();
}

void AnalysisThread::give_out() {
  counters_.readings += readings_.size();
  for (const diagnose::DiagnosedConnection& reading : readings_) {
    ++counters_.readings_by_cause[static_cast<std::size_t>(reading.diagnosis.cause)];
  }
  sink_.take(readings_);
  readings_.clear();
}

void AnalysisThread::run_commands() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(commands_mutex_);
    commands.swap(commands_);
    has_commands_.store(false, std::memory_order_relaxed);
  }
  for (const Command& command : commands) command(analysis_);
}

void AnalysisThread::publish() {
  counters_.analysis = analysis_.counters();
  counters_.waiting_events = 0;
  TimeNs newest = counters_.watermark_ns;
  for (const Source& source : sources_) {
    counters_.waiting_events += source.rings->refusals.size() + source.rings->served.size();
    const TimeNs covered = source.rings->covered_ns.load(std::memory_order_relaxed);
    if (covered != kAllCovered) newest = std::max(newest, covered);
  }
  counters_.lag_ns = newest - counters_.watermark_ns;
  published_.publish(counters_);
}

}  // namespace doorslam::port
