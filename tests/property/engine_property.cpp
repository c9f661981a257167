// Captures of any mixture of refusals, sessions, scans and errors, read by one worker and by several: how connections
// are spread over workers must not show in a single record.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "pipeline/alert/ecs_flow.h"
#include "pipeline/app/engine.h"
#include "tests/support/segment_capture.h"
#include "tests/support/segment_scenario.h"
#include "tests/support/temporary_folder.h"

namespace doorslam::app {
namespace {

using namespace test;

/// A capture that one number determines: thousands of packets would take RapidCheck too long to draw one by one.
class Traffic {
 public:
  Traffic(std::uint32_t seed, std::size_t connections) : random_(seed) {
    talks_.reserve(connections);
    for (std::size_t i = 0; i < connections; ++i) add_connection();
  }

  void write(const std::filesystem::path& path) {
    struct Packet {
      TimeNs time_ns;
      Bytes frame;
    };
    std::vector<Packet> packets;
    for (const Conversation& talk : talks_) {
      for (const Segment& segment : talk.segments()) packets.push_back({segment.time_ns, frame_of(segment)});
      const Segment& first = talk.segments().front();
      if (below(10) == 0 && first.source.address.version == flowtable::IpVersion::v4) {
        const std::uint8_t code = below(2) == 0 ? 13 : 1;
        packets.push_back({first.time_ns + kMillisecondNs, unreachable_frame(first, address4(254), code)});
      }
    }
    std::stable_sort(packets.begin(), packets.end(),
                     [](const Packet& a, const Packet& b) { return a.time_ns < b.time_ns; });
    CaptureFile file;
    for (const Packet& packet : packets) file.add(packet.time_ns, packet.frame);
    file.write(path);
  }

 private:
  int below(int limit) { return std::uniform_int_distribution(0, limit - 1)(random_); }

  void add_connection() {
    const bool six = below(6) == 0;
    const auto address = [six](int last) {
      return six ? address6(static_cast<std::uint8_t>(last)) : address4(static_cast<std::uint8_t>(last));
    };
    // Few tuples, so that some are used again; times on a coarse grid, so that packets of several meet at one.
    const flowtable::Endpoint client{address(1 + below(20)), static_cast<std::uint16_t>(40'000 + below(50))};
    const flowtable::Endpoint server{address(200 + below(3)), static_cast<std::uint16_t>(below(2) == 0 ? 21 : 80)};
    Conversation& talk = talks_.emplace_back(client, server);
    talk.set_now(kStart + below(600) * 100 * kMillisecondNs);
    if (below(12) == 0) {
      talk.client(kSyn);
      if (below(2) == 0) talk.server(kRst | kAck);
      return;
    }
    talk.handshake();
    if (below(3) == 0) talk.server(kPsh | kAck, below(4) == 0 ? "421 too many users\r\n" : "220 ready\r\n");
    for (int i = below(4); i > 0; --i)
      talk.exchange(std::string(1 + below(300), 'q'), std::string(1 + below(900), 'a'));
    if (below(8) == 0) talk.copy_latest().ttl = 30;
    if (below(8) == 0) talk.lose_latest();
    talk.after(below(100) * 100 * kMillisecondNs + kMillisecondNs);
    end(talk);
  }

  void end(Conversation& talk) {
    switch (below(6)) {
      case 0:
        talk.close();
        break;
      case 1:
        talk.server(kRst | kAck).ttl = below(4) == 0 ? 20 : 63;
        break;
      case 2:
        talk.client(kRst | kAck);
        break;
      case 3:
        break;  // stays open
      default:
        talk.server(kFin | kAck);
        talk.client(kAck);
        talk.client(kFin | kAck);
        talk.server(kAck);
    }
  }

  std::mt19937 random_;
  std::vector<Conversation> talks_;
};

std::vector<std::string> records(const std::filesystem::path& path, std::size_t workers) {
  const std::vector<std::string> paths{path.string()};
  port::CaptureSource source = port::CaptureSource::open(paths);
  EngineOptions options{.workers = workers, .decode = {}, .tracker = {}};
  options.tracker.capacity_flows = 1 << 14;
  options.tracker.capacity_flows6 = 1 << 13;
  options.tracker.evidence_capacity = 1 << 14;  // a pool that runs out is the only thing that may make a difference
  const auto engine = std::move(Engine::make(options).value());
  diagnose::Analysis analysis({}, nullptr);
  std::vector<diagnose::DiagnosedConnection> readings;
  while (engine->step(source, analysis, readings)) {
  }
  while (engine->finish(analysis, readings)) {
  }
  std::vector<std::string> lines;
  alert::FlowEncoder encoder;
  for (const auto& reading : readings) lines.emplace_back(encoder.encode(reading));
  std::sort(lines.begin(), lines.end());
  return lines;
}

RC_GTEST_PROP(EngineProperty, TheNumberOfWorkersDoesNotShowInTheRecords, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint32_t>();
  // Up to a few batches of packets.
  const auto connections = *rc::gen::weightedOneOf<std::size_t>(
      {{4, rc::gen::inRange<std::size_t>(1, 60)}, {1, rc::gen::inRange<std::size_t>(60, 1500)}});
  const auto workers = *rc::gen::element<std::size_t>(2, 4, 7);
  const TemporaryFolder folder;
  Traffic(seed, connections).write(folder / "traffic.pcap");
  const std::vector<std::string> alone = records(folder / "traffic.pcap", 1);
  RC_ASSERT(!alone.empty());
  const std::vector<std::string> shared = records(folder / "traffic.pcap", workers);
  for (std::size_t i = 0; i < std::min(alone.size(), shared.size()); ++i) RC_ASSERT(shared[i] == alone[i]);
  RC_ASSERT(shared.size() == alone.size());
}

}  // namespace
}  // namespace doorslam::app
