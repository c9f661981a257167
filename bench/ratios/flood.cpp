// A flood of SYNs at a table that is full, beside the same table's ordinary traffic.
//
// The connections that are established stay in use between the rounds of the flood; in the end each of them sends once
// more, and those that the table does not know any longer were lost to the flood.

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include "bench/support/contest.h"
#include "bench/support/findings.h"
#include "bench/support/path.h"

namespace doorslam::bench {
namespace {

constexpr std::uint64_t kPortion = std::uint64_t{1} << 18U;
constexpr flowtable::DurationNs kApart = 100;
constexpr std::uint32_t kFirstOfFlood = 0x80000000U;

/// Makes two mixes share one clock: what comes later in the program comes later in packet time.
template <class To, class From>
void keep_pace(MbufSource<To>& to, const MbufSource<From>& from) {
  to.skip(std::max<flowtable::DurationNs>(from.now_ns() - to.now_ns(), 0));
}

void measure(Findings& findings, const BufferPool& pool) {
  const std::uint32_t established = findings.quick() ? 50'000 : 700'000;
  tcp::TrackerOptions options = options_for(established);  // filled to 80 %; the flood takes the rest
  port::Worker worker(packet::DecodeOptions{}, options);
  tcp::EventBatch batch;
  const std::vector<std::uint32_t> order = shuffled(established);
  const Uniform talk(order);
  MbufSource<Uniform> steady(pool, talk, kStart, kApart);
  MbufSource<Uniform> steady_alone(pool, talk, kStart, kApart);
  MbufSource<Flood> flood(pool, Flood(kFirstOfFlood), kStart, kApart);
  MbufSource<Flood> flood_alone(pool, Flood(kFirstOfFlood), kStart, kApart);

  run_path(worker, steady, talk.to_settle(), batch);
  keep_pace(flood, steady);
  run_path(worker, flood, established, batch);  // more than fit

  Contest contest;
  contest.add("steady", [&] {
    keep_pace(steady, flood);
    return cycles_each(kPortion, [&] { run_path(worker, steady, kPortion, batch); });
  });
  contest.add("steady/source", [&] { return cycles_each(kPortion, [&] { run_source(steady_alone, kPortion); }); });
  contest.add("flood", [&] {
    keep_pace(flood, steady);
    return cycles_each(kPortion, [&] { run_path(worker, flood, kPortion, batch); });
  });
  contest.add("flood/source", [&] { return cycles_each(kPortion, [&] { run_source(flood_alone, kPortion); }); });
  const auto evicted = static_cast<std::size_t>(tcp::EndReason::evicted);
  const std::uint64_t evicted_before = worker.tracker_counters().ended[evicted];
  contest.run(findings.rounds(31));
  if (worker.tracker_counters().ended[evicted] == evicted_before) throw std::runtime_error("the table never was full");

  // Whoever is not known any longer begins anew.
  const std::uint64_t begun = worker.tracker_counters().connections;
  keep_pace(steady, flood);
  run_path(worker, steady, established, batch);
  const double lost = static_cast<double>(worker.tracker_counters().connections - begun) / established;

  const Timing calm = contest.of("steady") - contest.of("steady/source");
  const Timing under_attack = contest.of("flood") - contest.of("flood/source");
  findings.cycles("flood", "steady", calm);
  findings.cycles("flood", "syn", under_attack);
  findings.ratio("R5_flood", under_attack / calm);
  findings.ratio("R5_kept", {1 - lost, 1 - lost});
}

}  // namespace
}  // namespace doorslam::bench

int main(int argc, char** argv) {
  using namespace doorslam::bench;
  Findings findings(argc, argv, "What a SYN of a flood costs at a full table");
  try {
    findings.fact("huge_pages", start_dpdk());
    measure(findings, BufferPool());
    return findings.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "flood: %s\n", error.what());
    return 1;
  }
}
