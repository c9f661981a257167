// The tracker alone, from decoded segments to events, beside looking up and touching the connection's slot.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "bench/support/containers.h"
#include "bench/support/traffic.h"
#include "pipeline/tcp/tracker.h"

namespace doorslam::bench {
namespace {

constexpr std::size_t kBurst = 64;
constexpr flowtable::DurationNs kApart = 100;

/// A decoded segment; only what the tracker reads.
packet::Segment segment_of(const Line& line) {
  const Ends ends = ends_of(line.connection);
  const auto endpoint = [](std::uint32_t address, std::uint16_t port) {
    flowtable::Endpoint end;
    for (std::size_t i = 0; i < 4; ++i) end.address.octets[i] = static_cast<std::uint8_t>(address >> (24 - 8 * i));
    end.port = port;
    return end;
  };
  static constexpr std::array<std::uint8_t, 1460> kPayload{};
  packet::Segment segment;
  segment.source = endpoint(ends.client, ends.client_port);
  segment.destination = endpoint(ends.server, ends.server_port);
  if (!line.from_client) std::swap(segment.source, segment.destination);
  segment.seq = line.seq;
  segment.ack = line.ack;
  segment.flags = line.flags;
  segment.window = 8192;
  segment.ttl = 64;
  segment.dont_fragment = true;
  segment.payload_length = line.payload;
  segment.payload = {kPayload.data(), line.payload};
  return segment;
}

/// Bursts of segments of a mix, made while the clock stands still.
template <class Mix>
class Segments {
 public:
  Segments(const Mix& mix, std::size_t bursts) : mix_(mix), segments_(bursts * kBurst) {}

  void make() {
    for (packet::Segment& segment : segments_) {
      segment = segment_of(mix_.next());
      segment.number = ++number_;
      segment.time_ns = now_ns_ += kApart;
    }
  }
  std::size_t process(tcp::Tracker& tracker, tcp::EventBatch& batch) const {
    std::size_t events = 0;
    for (std::size_t i = 0; i < segments_.size(); i += kBurst) {
      const std::span<const packet::Segment> burst(&segments_[i], kBurst);
      tracker.process(burst, batch);
      tracker.advance(burst.back().time_ns, batch);
      events += batch.events.size();
      batch.clear();
    }
    return events;
  }
  std::size_t size() const { return segments_.size(); }

 private:
  Mix mix_;
  std::vector<packet::Segment> segments_;
  std::uint64_t number_ = 0;
  flowtable::TimeNs now_ns_ = kTableStart;
};

tcp::TrackerOptions options_for(std::size_t connections) {
  tcp::TrackerOptions options;
  options.capacity_flows = connections * 10 / 8;
  options.capacity_flows6 = 1024;
  options.pages = flowtable::Pages::huge;
  return options;
}

template <class Mix>
void track(benchmark::State& state, const Mix& mix, std::size_t connections, std::uint64_t warm_up) {
  constexpr std::size_t kBursts = 512;
  tcp::Tracker tracker(options_for(connections));
  tcp::EventBatch batch;
  Segments<Mix> segments(mix, kBursts);
  for (std::uint64_t done = 0; done < warm_up; done += segments.size()) {
    segments.make();
    segments.process(tracker, batch);
  }
  std::size_t events = 0;
  for (auto _ : state) {
    state.PauseTiming();
    segments.make();
    state.ResumeTiming();
    events += segments.process(tracker, batch);
  }
  const auto packets = static_cast<double>(state.iterations()) * static_cast<double>(segments.size());
  state.SetItemsProcessed(static_cast<std::int64_t>(packets));
  state.counters["events"] = static_cast<double>(events) / packets;
}

/// Segments in order of established connections, uniformly random.
void mid_flow(benchmark::State& state) {
  const auto connections = static_cast<std::uint32_t>(state.range(0));
  const std::vector<std::uint32_t> order = shuffled(connections);
  const Uniform mix(order);
  track(state, mix, connections, mix.to_settle());
}

/// Connections of ten segments; after the first round all of them linger and are there to be expired or pushed out.
void churn(benchmark::State& state) {
  const auto connections = static_cast<std::uint32_t>(state.range(0));
  track(state, Churn(connections / 100), connections, std::uint64_t{connections} * Churn::kShortLife);
}

void syn_flood(benchmark::State& state) {
  const auto connections = static_cast<std::uint32_t>(state.range(0));
  track(state, Flood(0), connections, 2UL * connections);
}

BENCHMARK(mid_flow)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(churn)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);
BENCHMARK(syn_flood)->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace doorslam::bench
