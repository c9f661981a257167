#include "pipeline/app/engine.h"

#include <gtest/gtest.h>

#include "pipeline/alert/ecs_flow.h"
#include "tests/support/segment_capture.h"
#include "tests/support/segment_scenario.h"
#include "tests/support/temporary_folder.h"

/// One worker and several read the same story. tests/property/engine_property.cpp tries any.
namespace doorslam::app {
namespace {

using namespace test;

struct ReadOut {
  std::vector<std::string> records;  ///< in the order in which they came
  packet::DecodeCounters decoded;
  tcp::TrackerCounters tracked;
  flowtable::TimeNs first_ns = 0;
  flowtable::TimeNs last_ns = 0;
};

ReadOut read(const std::string& path, std::size_t workers) {
  const std::vector<std::string> paths{path};
  port::CaptureSource source = port::CaptureSource::open(paths);
  EngineOptions options{.workers = workers, .decode = {}, .tracker = {}};
  options.tracker.capacity_flows = 1 << 16;
  options.tracker.capacity_flows6 = 1 << 12;
  const std::unique_ptr<Engine> engine = std::move(Engine::make(options).value());
  diagnose::Analysis analysis({}, nullptr);
  std::vector<diagnose::DiagnosedConnection> readings;
  while (engine->step(source, analysis, readings)) {
  }
  while (engine->finish(analysis, readings)) {
  }
  ReadOut out;
  alert::FlowEncoder encoder;
  for (const auto& reading : readings) out.records.emplace_back(encoder.encode(reading));
  out.decoded = engine->decode_counters();
  out.tracked = engine->tracker_counters();
  out.first_ns = engine->first_ns();
  out.last_ns = engine->last_ns();
  return out;
}

class EngineTest : public testing::Test {
 protected:
  Conversation& connect(std::size_t number, flowtable::DurationNs at) {
    const auto client = static_cast<std::uint8_t>(number % 250);
    const auto port = static_cast<std::uint16_t>(10'000 + number / 250);
    Conversation& talk =
        talks_.emplace_back(flowtable::Endpoint{address4(client, 1), port}, flowtable::Endpoint{address4(200), 21});
    talk.set_now(kStart + at);
    return talk;
  }
  std::string write() {
    CaptureFile file;
    file.add(merge(talks_));
    const std::string path = folder_ / "capture.pcap";
    file.write(path);
    return path;
  }

  TemporaryFolder folder_;
  std::vector<Conversation> talks_;
};

TEST_F(EngineTest, ReadsTheSameInTheSameOrderWithAnyNumberOfWorkers) {
  // Several batches of packets, and at the end more open connections than are ended at a time.
  talks_.reserve(12'000);
  for (std::size_t i = 0; i < 12'000; ++i) {
    Conversation& talk = connect(i, static_cast<flowtable::DurationNs>(i) * 3 * kMillisecondNs);
    talk.handshake();
    switch (i % 8) {
      case 0:
        talk.server(kFin | kAck);
        talk.client(kFin | kAck);
        break;
      case 1:
        talk.exchange();
        talk.close();
        break;
      case 2:
        talk.server(kRst | kAck);
        break;
      default:
        talk.server(kPsh | kAck, "220 ready\r\n");
        break;
    }
  }
  const std::string path = write();
  const ReadOut alone = read(path, 1);
  ASSERT_EQ(alone.records.size(), talks_.size());
  for (const std::size_t workers : {2, 3, 8}) {
    const ReadOut shared = read(path, workers);
    EXPECT_EQ(shared.records.size(), alone.records.size());
    EXPECT_TRUE(shared.records == alone.records) << workers << " workers";
    EXPECT_EQ(shared.tracked.connections, alone.tracked.connections);
    EXPECT_EQ(shared.tracked.segments, alone.tracked.segments);
    EXPECT_EQ(shared.decoded.packets, alone.decoded.packets);
    EXPECT_EQ(shared.first_ns, alone.first_ns);
    EXPECT_EQ(shared.last_ns, alone.last_ns);
  }
}

TEST_F(EngineTest, SaysWhenTheCaptureBeganAndEnded) {
  connect(1, 0).handshake();
  const ReadOut out = read(write(), 1);
  EXPECT_EQ(out.first_ns, talks_.front().segments().front().time_ns);
  EXPECT_EQ(out.last_ns, talks_.front().now());
}

TEST_F(EngineTest, OfNothingReadsNothing) {
  const std::string path = write();
  for (const std::size_t workers : {1, 4}) {
    const ReadOut out = read(path, workers);
    EXPECT_TRUE(out.records.empty());
    EXPECT_EQ(out.first_ns, flowtable::kNoTime);
  }
}

TEST_F(EngineTest, CanBeGivenUpInTheMiddle) {
  for (std::size_t i = 0; i < 3000; ++i) connect(i, 0).handshake();
  const std::vector<std::string> paths{write()};
  port::CaptureSource source = port::CaptureSource::open(paths);
  const auto engine = std::move(Engine::make({.workers = 4, .decode = {}, .tracker = {}}).value());
  diagnose::Analysis analysis({}, nullptr);
  std::vector<diagnose::DiagnosedConnection> readings;
  EXPECT_TRUE(engine->step(source, analysis, readings));
  // The workers are at it still; the destructor must neither hang nor leave them behind.
}

}  // namespace
}  // namespace doorslam::app
