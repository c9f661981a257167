#include "pipeline/tcp/segment_runs.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>

#include "pipeline/packet/link_layer.h"
#include "tests/support/segment_scenario.h"

/// Runs of segments with an ICMP error among them, on their way to a tracker that keeps frames.
namespace doorslam::tcp {
namespace {

using namespace test;

FrameView frame(std::string_view text) {
  return {.captured = {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
          .wire_length = 60,
          .link_type = packet::link_type::kEthernet};
}

/// What a tracker made of a handshake and an ICMP error about its SYN.
struct Told {
  TrackerCounters counters;
  std::string frames;  ///< those that were kept, a word each
};

/// The error comes after `before` segments, twice with nothing between.
Told tell(std::size_t before, const FrameView& of_error) {
  Conversation talk;
  talk.handshake();
  const std::array<FrameView, 3> frames = {frame("syn"), frame("syn-ack"), frame("ack")};
  packet::IcmpError error = unreachable(talk);
  error.time_ns = talk.segments()[before == 0 ? 0 : before - 1].time_ns;
  TrackerOptions options = small_options();
  options.frame_octets = 256;
  Tracker tracker(options);
  EventBatch batch;
  SegmentRuns runs(tracker, talk.segments().data(), frames.data(), batch);
  runs.track(error, of_error, before);
  runs.track(error, of_error, before);
  runs.track_until(talk.segments().size());
  tracker.finish(talk.now(), batch);
  Told told{tracker.counters(), {}};
  for (const PackedFrame& kept : frames_of(batch.frames_of(0))) {
    told.frames +=
        std::string(told.frames.empty() ? "" : " ") + std::string(kept.captured.begin(), kept.captured.end());
  }
  return told;
}

TEST(SegmentRuns, FramesStayWithTheirSegmentsAroundAnIcmpError) {
  for (const std::size_t before : {0U, 1U, 2U, 3U}) {
    const Told told = tell(before, frame("icmp"));
    const bool about_nobody = before == 0;  // in front of its SYN
    EXPECT_EQ(told.frames, about_nobody ? "syn syn-ack ack" : "syn syn-ack ack icmp") << before;
    EXPECT_EQ(told.counters.segments, 3U) << before;
    EXPECT_EQ(told.counters.duplicates, 0U) << before;
    EXPECT_EQ(told.counters.icmp_unmatched, about_nobody ? 2U : 0U) << before;
    EXPECT_EQ(told.counters.icmp_joined, about_nobody ? 0U : 2U) << before;
    EXPECT_EQ(told.counters.evidence.frameless, 0U) << before;
  }
}

/// Only the first is due a frame.
TEST(SegmentRuns, AnErrorWithoutFrameIsCounted) {
  const Told told = tell(1, {});
  EXPECT_EQ(told.frames, "syn syn-ack ack");
  EXPECT_EQ(told.counters.icmp_joined, 2U);
  EXPECT_EQ(told.counters.evidence.frameless, 1U);
}

}  // namespace
}  // namespace doorslam::tcp
