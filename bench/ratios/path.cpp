// The whole path of a packet beside what nobody can avoid: touching one cache line for it, and receiving it.
//
// Packets are in memory: recycled buffers into which a source writes the next segment of each connection. The path is
// decode, hash, lookup, tracker and events; the source's own cost is measured in turn with it and subtracted.

#include <rte_ethdev.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/support/contest.h"
#include "bench/support/findings.h"
#include "bench/support/path.h"
#include "pipeline/port/ethdev/device.h"

namespace doorslam::bench {
namespace {

constexpr flowtable::DurationNs kApart = 100;  // 10 million packets a second
constexpr std::uint64_t kPortion = std::uint64_t{1} << 18U;
constexpr std::uint32_t kThousand = 1000;
constexpr std::uint32_t kMillion = 1'000'000;

/// Time in which the first, short deadlines of all connections come and are filed anew.
template <class Mix>
void let_deadlines_settle(port::Worker& worker, MbufSource<Mix>& source, tcp::EventBatch& batch) {
  for (int i = 0; i < 120; ++i) {
    source.skip(100 * flowtable::kMillisecondNs);
    worker.advance(source.now_ns(), batch);
    batch.clear();
  }
}

/// A mix, the worker that it runs through, and the same mix running through nothing.
template <class Mix>
struct Track {
  Track(const BufferPool& pool, const Mix& mix, const tcp::TrackerOptions& options)
      : worker(packet::DecodeOptions{}, options), live(pool, mix, kStart, kApart), alone(pool, mix, kStart, kApart) {}

  void warm_up(std::uint64_t packets) {
    run_path(worker, live, packets, batch);
    run_source(alone, packets);
  }
  void enter(Contest& contest, const std::string& name) {
    contest.add(name + "/all",
                [this] { return cycles_each(kPortion, [this] { run_path(worker, live, kPortion, batch); }); });
    contest.add(name + "/verified", [this] {
      live.set_verified(true);
      const double cost = cycles_each(kPortion, [this] { run_path(worker, live, kPortion, batch); });
      live.set_verified(false);
      return cost;
    });
    contest.add(name + "/source", [this] { return cycles_each(kPortion, [this] { run_source(alone, kPortion); }); });
  }
  static Timing path(const Contest& contest, const std::string& name) {
    return contest.of(name + "/all") - contest.of(name + "/source");
  }
  /// The same where the card has verified the checksums.
  static Timing verified(const Contest& contest, const std::string& name) {
    return contest.of(name + "/verified") - contest.of(name + "/source");
  }

  port::Worker worker;
  MbufSource<Mix> live;
  MbufSource<Mix> alone;
  tcp::EventBatch batch;
};

std::string name_of(std::uint32_t connections) {
  if (connections % kMillion == 0) return std::to_string(connections / kMillion) + "M";
  return connections % kThousand == 0 ? std::to_string(connections / kThousand) + "k" : std::to_string(connections);
}

/// Decoding alone.
double decode(packet::Decoder& decoder, MbufSource<Uniform>& source) {
  std::array<packet::Segment, MbufSource<Uniform>::kBurst> segments;
  packet::IcmpError error;
  return cycles_each(kPortion, [&] {
    for (std::uint64_t done = 0; done < kPortion; done += segments.size()) {
      std::size_t count = 0;
      for (const packet::RawPacket& packet : source.receive()) {
        count += decoder.decode(packet, segments[count], error) == packet::DecodeOutcome::tcp ? 1 : 0;
      }
      keep(segments);
      decoder.recycle();
      source.release();
    }
  });
}

/// Mid-flow, uniformly random: every packet a segment in order of an established, served connection.
void measure_connections(Findings& findings, const BufferPool& pool, std::uint32_t connections) {
  const std::vector<std::uint32_t> order = shuffled(connections);
  Track<Uniform> track(pool, Uniform(order), options_for(connections));
  track.warm_up(track.live.mix().to_settle());
  let_deadlines_settle(track.worker, track.live, track.batch);
  TouchedLines lines(order);
  packet::Decoder decoder{packet::DecodeOptions{}};
  Contest contest;
  track.enter(contest, "path");
  contest.add("touch", [&] { return cycles_each(kPortion, [&] { lines.run(kPortion); }); });
  contest.add("decode", [&] { return decode(decoder, track.alone); });
  contest.run(findings.rounds(31));
  if (track.worker.tracker_counters().connections != connections) {
    throw std::runtime_error("connections were lost: what was measured is not mid-flow traffic");
  }

  const std::string count = std::to_string(connections);
  const Timing path = Track<Uniform>::path(contest, "path");
  findings.cycles("path", count, path);
  findings.cycles("touch", count, contest.of("touch"));
  findings.cycles("source", count, contest.of("path/source"));
  findings.cycles("decode", count, contest.of("decode") - contest.of("path/source"));
  findings.ratio("R1_" + name_of(connections), path / contest.of("touch"));
  const Timing verified = Track<Uniform>::verified(contest, "path");
  findings.cycles("path_verified", count, verified);
  findings.ratio("R1_" + name_of(connections) + "_verified", verified / contest.of("touch"));
}

/// A port whose driver hands out empty buffers and does nothing else: the cheapest there is to receive from.
class NullPort {
 public:
  explicit NullPort(const BufferPool& pool) {
    const auto port = attach_port("net_null0,size=60");
    auto facts = ethdev::facts_of(port);
    if (!facts) throw std::runtime_error(facts.error().message);
    rte_mempool* const pools[] = {pool.get()};
    ethdev::DeviceOptions options;
    options.stamp_time = false;
    auto device = ethdev::Device::configure(*facts, options, pools);
    if (!device) throw std::runtime_error(device.error().message);
    device_.emplace(std::move(*device));
    if (auto started = device_->start(); !started) throw std::runtime_error(started.error().message);
    port_ = port;
  }

  /// Receives, reads each packet's addresses, frees.
  void run(std::uint64_t packets) noexcept {
    std::array<rte_mbuf*, MbufSource<Uniform>::kBurst> buffers;
    std::uint64_t sum = 0;
    for (std::uint64_t done = 0; done < packets;) {
      const std::uint16_t count = rte_eth_rx_burst(port_, 0, buffers.data(), buffers.size());
      for (std::uint16_t i = 0; i < count; ++i) {
        std::uint64_t addresses;
        std::memcpy(&addresses, rte_pktmbuf_mtod_offset(buffers[i], const std::uint8_t*, 26), sizeof(addresses));
        sum += addresses;
      }
      rte_pktmbuf_free_bulk(buffers.data(), count);
      done += count;
    }
    keep(sum);
  }

 private:
  std::optional<ethdev::Device> device_;
  std::uint16_t port_ = 0;
};

/// The path beside receiving alone. Both leave out what it costs the source to make packets.
void measure_receiving(Findings& findings, const BufferPool& pool) {
  constexpr std::uint32_t kConnections = 10 * kThousand;
  const std::vector<std::uint32_t> order = shuffled(kConnections);
  Track<Uniform> track(pool, Uniform(order), options_for(kConnections));
  track.warm_up(track.live.mix().to_settle());
  let_deadlines_settle(track.worker, track.live, track.batch);
  NullPort port(pool);
  Contest contest;
  track.enter(contest, "path");
  contest.add("receive", [&] { return cycles_each(kPortion, [&] { port.run(kPortion); }); });
  contest.run(findings.rounds(61));
  const Timing path = Track<Uniform>::path(contest, "path");
  const Timing receive = contest.of("receive");
  findings.cycles("receive", "rx_touch_free", receive);
  findings.ratio("R2_10k", path / receive);
  findings.ratio("R2_10k_verified", Track<Uniform>::verified(contest, "path") / receive);
  findings.ratio("R2_10k_with_rx", (path + receive) / receive);
}

template <class Mix>
void measure_mix(Findings& findings, const BufferPool& pool, const std::string& name, const Mix& mix,
                 const tcp::TrackerOptions& options, std::uint64_t warm_up) {
  Track<Mix> track(pool, mix, options);
  track.warm_up(warm_up);
  Contest contest;
  track.enter(contest, name);
  contest.run(findings.rounds(15));
  findings.cycles("mix", name, Track<Mix>::path(contest, name));
}

/// Other traffic than the worst case.
void measure_mixes(Findings& findings, const BufferPool& pool) {
  const std::uint32_t connections = findings.quick() ? 100 * kThousand : kMillion;
  const std::vector<std::uint32_t> order = shuffled(connections);
  const Uniform half(order, Uniform::Kind::half_v6);
  measure_mix(findings, pool, "half_ipv6", half, options_for(connections / 2, connections / 2), half.to_settle());
  const Uniform imix(order, Uniform::Kind::imix);
  measure_mix(findings, pool, "imix", imix, options_for(connections), imix.to_settle());

  // Closed connections linger for five seconds, and a million come in each of them.
  const std::uint32_t most = findings.quick() ? 500 * kThousand : 6 * kMillion;
  constexpr std::uint32_t kApartConnections = 50 * kThousand;
  const std::uint64_t warm_up = std::uint64_t{most} * Churn::kShortLife;
  measure_mix(findings, pool, "churn", Churn(kApartConnections), options_for(most), warm_up);

  const std::vector<std::uint32_t> draws = zipf(connections, std::size_t{4} * connections);
  measure_mix(findings, pool, "zipf", Drawn(draws, connections), options_for(connections), 16 * draws.size());
}

}  // namespace
}  // namespace doorslam::bench

int main(int argc, char** argv) {
  using namespace doorslam::bench;
  Findings findings(argc, argv, "Cycles that a packet takes through decode, lookup and tracker");
  try {
    findings.fact("huge_pages", start_dpdk());
    const BufferPool pool;
    measure_receiving(findings, pool);
    std::vector<std::uint32_t> counts = {kThousand, 10 * kThousand, 100 * kThousand, kMillion};
    if (!findings.quick()) counts.insert(counts.end(), {3 * kMillion, 10 * kMillion, 16 * kMillion});
    for (const std::uint32_t connections : counts) measure_connections(findings, pool, connections);
    measure_mixes(findings, pool);
    return findings.finish();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "path: %s\n", error.what());
    return 1;
  }
}
