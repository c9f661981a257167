#include "pipeline/port/ethdev/worker_lanes.h"

#include <algorithm>
#include <limits>
#include <span>

#include "pipeline/port/ethdev/drain.h"

namespace doorslam::ethdev {

namespace {

using flowtable::TimeNs;
using Phase = RunOrders::Phase;

/// Events of a burst for which the batch has room from the beginning.
constexpr std::size_t kEventsReserved = 4096;

/// The CPU may be one that somebody who drains still waits for.
void wait_for_finish(const RunOrders& orders, Idler& idler) noexcept {
  while (orders.phase.load(std::memory_order_acquire) != Phase::finishing) idler.idle();
}

}  // namespace

WorkerLane::WorkerLane(const WorkerParts& parts, const QueueRef* only_queue)
    : Lane(*parts.orders, parts.idle, only_queue), outlet_(*parts.rings, parts.wait_for_analysis) {
  batch_.events.reserve(kEventsReserved);
  batch_.evidence.reserve(kEventsReserved / 4);
}

PollingWorker::PollingWorker(const WorkerParts& parts, const packet::DecodeOptions& decode, const RxOptions& queues)
    : WorkerLane(parts, only_queue(queues)), source_(queues), worker_(decode, parts.tracker) {}

void PollingWorker::hand_over(TimeNs covered_ns) noexcept {
  give_out(worker_, covered_ns);
  publish();
}

bool PollingWorker::turn() noexcept {
  if (source_.receive() == 0) {
    const TimeNs passed_ns = source_.passed();
    worker_.advance(passed_ns, batch_);
    hand_over(passed_ns);
    return source_.has_taken();
  }
  worker_.process(source_.packets(), batch_);
  source_.give_back();
  hand_over(source_.last_ns());
  return true;
}

void PollingWorker::run() noexcept {
  poll_until_draining([this] { return turn(); });
  outlet_.wait_from_now_on();
  drain(source_, [this] { return turn(); });
  drained_.store(true, std::memory_order_release);
  wait_for_finish(orders_, idler_);
  finish([this](TimeNs end_ns, std::size_t most) { return worker_.finish(end_ns, most, batch_); },
         [this](TimeNs end_ns) { hand_over(end_ns); });
}

void PollingWorker::publish() noexcept {
  port::LaneCounters counters;
  source_.count_into(counters);
  counters.decode = worker_.decode_counters();
  count_tracking(worker_, worker_.tracker_counters(), counters);
  counters.taken_segments = counters.tracker.segments;
  counters.taken_errors =
      counters.tracker.icmp_joined + counters.tracker.icmp_unmatched + counters.tracker.icmp_out_of_window;
  published_.publish(counters);
}

SteeredWorker::SteeredWorker(const WorkerParts& parts, std::size_t index, const std::vector<Steering*>& receivers)
    : WorkerLane(parts, nullptr), tracker_(parts.tracker) {
  for (Steering* receiver : receivers) inputs_.emplace_back(*receiver, index);
}

bool SteeredWorker::turn() noexcept {
  std::size_t taken = 0;
  TimeNs covered_ns = std::numeric_limits<TimeNs>::max();
  const auto make_runs = [this](std::span<const packet::Segment> segments, std::span<void* const> buffers) {
    return runs_of(segments, buffers, tracker_, frames_, batch_);
  };
  for (DealtInput& input : inputs_) {
    taken += input.take(counters_, make_runs);
    covered_ns = std::min(covered_ns, input.covered_ns());
  }
  // Also where time stands still, as at the end of a replay: what is due may take several steps.
  if (covered_ns > covered_ns_ || tracker_.covered(covered_ns_) < covered_ns_) {
    covered_ns_ = std::max(covered_ns_, covered_ns);
    tracker_.advance(covered_ns_, batch_);
  }
  hand_over(covered_ns_);
  return taken > 0;
}

void SteeredWorker::hand_over(TimeNs covered_ns) noexcept {
  give_out(tracker_, covered_ns);
  publish();
}

void SteeredWorker::run() noexcept {
  Phase phase = Phase::polling;
  while (phase != Phase::finishing) {
    turn() ? idler_.busy() : idler_.idle();
    phase = orders_.phase.load(std::memory_order_acquire);
    if (phase == Phase::draining) outlet_.wait_from_now_on();
  }
  // The receivers have drained before: what is in the rings now is all.
  outlet_.wait_from_now_on();
  while (turn()) {
  }
  drained_.store(true, std::memory_order_release);
  finish([this](TimeNs end_ns, std::size_t most) { return tracker_.finish(end_ns, most, batch_); },
         [this](TimeNs end_ns) { hand_over(end_ns); });
}

void SteeredWorker::publish() noexcept {
  count_tracking(tracker_, tracker_.counters(), counters_);
  counters_.packet_time_ns = covered_ns_;
  published_.publish(counters_);
}

}  // namespace doorslam::ethdev
