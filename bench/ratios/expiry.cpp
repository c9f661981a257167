// How long a burst takes while a million silent connections expire within a second, beside the second before.
//
// Foreground traffic of 10 million packets a second runs on all the time. The silent connections were last heard of
// within one second, so that their deadlines come within one.

#include <x86intrin.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
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

struct Burst {
  double p999 = 0;
  double longest = 0;
};

Burst summary_of(std::vector<double>& cycles) {
  if (cycles.empty()) throw std::logic_error("no burst was timed");
  std::sort(cycles.begin(), cycles.end());
  return {cycles[cycles.size() * 999 / 1000], cycles.back()};
}

/// Times each burst of `duration`.
Burst time_bursts(port::Worker& worker, MbufSource<Uniform>& source, flowtable::DurationNs duration) {
  tcp::EventBatch batch;
  std::vector<double> cycles;
  for (const flowtable::TimeNs end = source.now_ns() + duration; source.now_ns() < end;) {
    const auto burst = source.receive();
    const Stopwatch watch;
    worker.process(burst, batch);
    cycles.push_back(watch.cycles());
    batch.clear();
    source.release();
  }
  return summary_of(cycles);
}

struct Run {
  Burst without;
  Burst expiring;
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

void measure(Findings& findings, const BufferPool& pool) {
  const std::uint32_t silent = findings.quick() ? 100'000 : 1'000'000;
  const std::uint32_t busy = findings.quick() ? 10'000 : 100'000;
  std::vector<double> without;
  std::vector<double> expiring;
  std::vector<double> longest;
  std::vector<double> longest_without;
  for (int i = 0; i < 3; ++i) {
    const Run run = run_once(pool, silent, busy);
    without.push_back(run.without.p999);
    expiring.push_back(run.expiring.p999);
    longest.push_back(run.expiring.longest);
    longest_without.push_back(run.without.longest);
  }
  findings.cycles("expiry", "p999_without", timing_of(without));
  findings.cycles("expiry", "p999_expiring", timing_of(expiring));
  findings.cycles("expiry", "longest_without", timing_of(longest_without));
  findings.cycles("expiry", "longest_expiring", timing_of(longest));
  findings.ratio("R6_expiry", timing_of(expiring) / timing_of(without));
  findings.ratio("R6_longest", timing_of(longest) / timing_of(longest_without));
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
