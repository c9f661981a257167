// How long a burst takes while a million silent connections expire within a second, beside the second before.
//
// Foreground traffic of 10 million packets a second runs on all the time. The silent connections were last heard of
// within one second, so that their deadlines come within one.
//
// One burst in a thousand is as rare as a burst that an interrupt or another process falls into, which takes ten times
// as long: a percentile of one run tells of the machine. But every run does the same, burst by burst, and a disturbance
// falls into another one each time. So of the n-th burst the least (or the median) of all runs counts, and the
// percentile is of these.

#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/support/contest.h"
#include "bench/support/findings.h"
#include "bench/support/path.h"

namespace doorslam::bench {
namespace {

constexpr flowtable::DurationNs kApart = 100;

/// All of the silent connections.
class Silent {
 public:
  explicit Silent(std::uint32_t first) : first_(first) {}
  Line next() noexcept {
    const Line line = talk(first_ + n_ / Uniform::kSettled, n_ % Uniform::kSettled, kLeastPayload);
    ++n_;
    return line;
  }

 private:
  std::uint32_t first_;
  std::uint32_t n_ = 0;
};

/// Cycles of each burst, in the order in which they came.
using Bursts = std::vector<double>;

/// Times each burst of `duration`.
Bursts time_bursts(port::Worker& worker, MbufSource<Uniform>& source, flowtable::DurationNs duration) {
  tcp::EventBatch batch;
  Bursts cycles;
  for (const flowtable::TimeNs end = source.now_ns() + duration; source.now_ns() < end;) {
    const auto burst = source.receive();
    const Stopwatch watch;
    worker.process(burst, batch);
    cycles.push_back(watch.cycles());
    batch.clear();
    source.release();
  }
  return cycles;
}

struct Run {
  Bursts without;
  Bursts expiring;
};

Run run_once(const BufferPool& pool, std::uint32_t silent, std::uint32_t busy) {
  using flowtable::kSecondNs;
  const std::vector<std::uint32_t> order = shuffled(busy);
  const Uniform talk(order);
  const tcp::TrackerOptions options = options_for(silent + busy);
  port::Worker worker(packet::DecodeOptions{}, options);
  tcp::EventBatch batch;
  MbufSource<Uniform> foreground(pool, talk, kStart, kApart);
  run_path(worker, foreground, talk.to_settle(), batch);
  const flowtable::TimeNs begin = foreground.now_ns();
  const std::uint64_t packets = std::uint64_t{silent} * Uniform::kSettled;
  MbufSource<Silent> background(pool, Silent(busy), begin, kSecondNs / static_cast<std::int64_t>(packets));
  run_path(worker, background, packets, batch);

  // The silence, in steps, so that deadlines are filed anew as time goes by.
  const flowtable::TimeNs due = begin + options.timeouts.established_ns;
  while (foreground.now_ns() < due - 15 * kSecondNs) {
    run_path(worker, foreground, busy, batch);
    foreground.skip(10 * kSecondNs);
  }
  foreground.skip(due - 2 * kSecondNs - foreground.now_ns());
  Run run;
  const auto ended = [&] { return worker.tracker_counters().ended[static_cast<std::size_t>(tcp::EndReason::expired)]; };
  run.without = time_bursts(worker, foreground, kSecondNs);
  foreground.skip(due - foreground.now_ns());
  if (ended() != 0) throw std::runtime_error("connections expired before their time");
  run.expiring = time_bursts(worker, foreground, kSecondNs + kSecondNs / 4);
  if (ended() < silent) throw std::runtime_error("not all of the silent connections expired");
  return run;
}

double part_of(Bursts bursts, std::size_t thousandths) {
  if (bursts.empty()) throw std::logic_error("no burst was timed");
  std::sort(bursts.begin(), bursts.end());
  return bursts[std::min(bursts.size() * thousandths / 1000, bursts.size() - 1)];
}

/// What so many thousandths of the bursts do not take longer than: of each burst the least of the runs, and the median.
Timing part_of(const std::vector<Bursts>& runs, std::size_t thousandths) {
  Bursts least;
  Bursts median;
  for (std::size_t n = 0; n < runs.front().size(); ++n) {
    std::vector<double> costs;
    for (const Bursts& run : runs) costs.push_back(run.at(n));
    const Timing timing = timing_of(std::move(costs));
    least.push_back(timing.minimum);
    median.push_back(timing.median);
  }
  return {part_of(std::move(least), thousandths), part_of(std::move(median), thousandths)};
}

void measure(Findings& findings, const BufferPool& pool) {
  constexpr int kRuns = 5;
  const std::uint32_t silent = findings.quick() ? 100'000 : 1'000'000;
  const std::uint32_t busy = findings.quick() ? 10'000 : 100'000;
  std::vector<Bursts> without;
  std::vector<Bursts> expiring;
  for (int i = 0; i < kRuns; ++i) {
    Run run = run_once(pool, silent, busy);
    without.push_back(std::move(run.without));
    expiring.push_back(std::move(run.expiring));
  }
  const auto compare = [&](const std::string& part, const std::string& id, std::size_t thousandths) {
    const Timing calm = part_of(without, thousandths);
    const Timing loaded = part_of(expiring, thousandths);
    findings.cycles("expiry", part + "_without", calm);
    findings.cycles("expiry", part + "_expiring", loaded);
    findings.ratio(id, loaded / calm);
  };
  compare("p500", "R6_half", 500);
  compare("p999", "R6_expiry", 999);
  compare("longest", "R6_longest", 1000);
}

}  // namespace
}  // namespace doorslam::bench

int main(int argc, char** argv) {
  using namespace doorslam::bench;
  Findings findings(argc, argv, "How long a burst takes while a million connections expire");
  try {
    findings.fact("huge_pages", start_dpdk());
    measure(findings, BufferPool());
    return findings.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "expiry: %s\n", error.what());
    return 1;
  }
}
