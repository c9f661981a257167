#include "pipeline/port/ethdev/spread_worker.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <span>

#include "pipeline/port/ethdev/drain.h"
#include "pipeline/tcp/segment_runs.h"

namespace doorslam::ethdev {

namespace {

using flowtable::TimeNs;
using packet::DecodeOutcome;
using packet::Segment;
using Phase = RunOrders::Phase;

}  // namespace

SpreadWorker::SpreadWorker(const WorkerParts& parts, const packet::DecodeOptions& decode, const RxOptions& queues,
                           std::size_t index, const port::WorkerOfConnection& worker_of,
                           const std::vector<std::unique_ptr<Steering>>& ways, bool own_in_turn)
    : WorkerLane(parts, only_queue(queues)),
      source_(queues),
      decoder_(decode),
      tracker_(parts.tracker),
      index_(index),
      worker_of_(worker_of),
      own_(*ways[index]),
      own_in_turn_(own_in_turn),
      dealer_(own_, false, counters_) {  // two workers that waited for each other would wait for ever
  for (std::size_t i = 0; i < ways.size(); ++i) {
    if (i != index || own_in_turn) dealt_.add(*ways[i], index);
  }
}

bool SpreadWorker::receive() noexcept {
  const std::size_t count = source_.receive();
  std::array<rte_mbuf*, RxSource::kBurst> staying;
  std::size_t staying_count = 0;
  std::size_t own = 0;      // segments
  packet::IcmpError error;  // made once: most packets are none
  const bool keeps_frames = tracker_.keeps_frames();
  tcp::SegmentRuns runs(tracker_, segments_.data(), keeps_frames ? frames_.data() : nullptr, batch_);
  for (std::size_t i = 0; i < count; ++i) {
    rte_mbuf* const buffer = source_.buffers()[i];
    Segment& segment = segments_[own];
    bool travels = false;
    switch (decoder_.decode(source_.packets()[i], segment, error)) {
      case DecodeOutcome::tcp:
        if (const std::size_t owner = worker_of_(segment.source, segment.destination);
            owner == index_ && !own_in_turn_) {
          if (keeps_frames) [[unlikely]]
            frames_[own] = tcp::frame_of(source_.packets()[i], segment);
          ++own;
        } else {
          if (owner != index_) ++counters_.wrong_worker;
          travels = dealer_.deal(segment, buffer, owner);
        }
        break;
      case DecodeOutcome::icmp_error:
        if (const std::size_t owner = worker_of_(error.source, error.destination); owner == index_ && !own_in_turn_) {
          runs.track(error, tcp::frame_of(source_.packets()[i], error), own);
          ++counters_.taken_errors;
        } else {
          if (owner != index_) ++counters_.wrong_worker;
          dealer_.deal(error, owner);
        }
        break;
      default:
        break;  // counted by its outcome
    }
    if (!travels) staying[staying_count++] = buffer;
  }
  runs.track_until(own);
  counters_.taken_segments += own;
  decoder_.recycle();
  rte_pktmbuf_free_bulk(staying.data(), static_cast<unsigned>(staying_count));
  source_.forget();
  own_.covered_ns.store(count == 0 ? source_.passed() : source_.last_ns(), std::memory_order_release);
  return source_.has_taken();
}

bool SpreadWorker::take_dealt() noexcept {
  const bool alone = own_in_turn_ || own_.ended.load(std::memory_order_relaxed);
  const TimeNs own_ns = own_.covered_ns.load(std::memory_order_relaxed);
  const auto make_runs = [this](std::span<const Segment> segments, std::span<void* const> buffers) {
    return runs_of(segments, buffers, tracker_, frames_, batch_);
  };
  const std::size_t taken = dealt_.take(alone ? DealtInput::kNothing : own_ns, counters_, make_runs);
  const TimeNs covered_ns = std::min(own_ns, dealt_.covered_ns());
  // Also where time stands still, as at the end of a replay: what is due may take several steps.
  if (covered_ns > covered_ns_ || tracker_.covered(covered_ns_) < covered_ns_) {
    covered_ns_ = std::max(covered_ns_, covered_ns);
    tracker_.advance(covered_ns_, batch_);
  }
  return taken > 0;
}

bool SpreadWorker::turn() noexcept {
  const bool received = receive();
  const bool taken = take_dealt();
  hand_over();
  return received || taken;
}

void SpreadWorker::hand_over() noexcept {
  give_out(tracker_, covered_ns_);
  publish();
}

void SpreadWorker::run() noexcept {
  poll_until_draining([this] { return turn(); });
  outlet_.wait_from_now_on();
  drain(source_, [this] { return turn(); });
  own_.ended.store(true, std::memory_order_release);
  drained_.store(true, std::memory_order_release);
  // Others may be dealing still.
  while (orders_.phase.load(std::memory_order_acquire) != Phase::finishing) {
    take_dealt() ? idler_.busy() : idler_.idle();
    hand_over();
  }
  while (take_dealt()) hand_over();
  finish([this](TimeNs end_ns, std::size_t most) { return tracker_.finish(end_ns, most, batch_); },
         [this](TimeNs end_ns) {
           covered_ns_ = end_ns;
           hand_over();
         });
}

void SpreadWorker::publish() noexcept {
  source_.count_into(counters_);
  counters_.decode = decoder_.counters();
  count_tracking(tracker_, tracker_.counters(), counters_);
  published_.publish(counters_);
}

}  // namespace doorslam::ethdev
