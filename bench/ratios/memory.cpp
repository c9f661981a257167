// Octets that a concurrent IPv4 connection takes, everything counted: what the process has resident with a million of
// them beyond what it had before the worker was made.

#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>

#include "bench/support/contest.h"
#include "bench/support/findings.h"
#include "bench/support/path.h"

namespace doorslam::bench {
namespace {

/// Octets resident. The second number of statm counts pages.
double resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t pages = 0;
  if (!(file >> size >> pages)) throw std::runtime_error("/proc/self/statm cannot be read");
  return static_cast<double>(pages) * 4096;
}

void measure(Findings& findings, const BufferPool& pool) {
  const std::uint32_t connections = findings.quick() ? 100'000 : 1'000'000;
  const std::vector<std::uint32_t> order = shuffled(connections);
  MbufSource<Uniform> source(pool, Uniform(order), kStart, 100);
  run_source(source, 64);
  tcp::TrackerOptions options = options_for(0);
  options.capacity_flows = connections * 1024UL / 860;  // to 84 %: the highest load at which none is evicted
  tcp::EventBatch batch;

  const double before = resident();
  port::Worker worker(packet::DecodeOptions{}, options);
  MbufSource<Uniform> live(pool, Uniform(order), kStart, 100);
  run_path(worker, live, std::uint64_t{kHandshake} * connections, batch);
  const double accepted = (resident() - before) / connections;
  run_path(worker, live, live.mix().to_settle() - std::uint64_t{kHandshake} * connections, batch);
  const double served = (resident() - before) / connections;
  const auto& counters = worker.tracker_counters();
  if (counters.connections != connections || counters.ended[static_cast<std::size_t>(tcp::EndReason::evicted)] != 0) {
    throw std::runtime_error("connections were lost: what was measured is not that many of them");
  }
  findings.fact("octets_a_connection_after_handshake", accepted);
  findings.fact("octets_a_connection_served", served);
  findings.ratio("R8_bytes", {served, served});
}

}  // namespace
}  // namespace doorslam::bench

int main(int argc, char** argv) {
  using namespace doorslam::bench;
  Findings findings(argc, argv, "Memory of a concurrent connection");
  try {
    findings.fact("huge_pages", start_dpdk());
    measure(findings, BufferPool());
    return findings.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "memory: %s\n", error.what());
    return 1;
  }
}
