#include "pipeline/tcp/frames.h"

#include <gtest/gtest.h>

#include <string>

#include "pipeline/packet/link_layer.h"
#include "tests/support/segment_scenario.h"

/// Which frames are kept beside the evidence, and how they leave the tracker.
namespace doorslam::tcp {
namespace {

using namespace test;

/// A tracker that keeps frames, and one text for the frame of each segment.
class Keeper {
 public:
  explicit Keeper(std::size_t frame_octets = 256, std::uint32_t evidence_capacity = 1024)
      : tracker_([&] {
          TrackerOptions options = small_options();
          options.frame_octets = frame_octets;
          options.evidence_capacity = evidence_capacity;
          return options;
        }()) {}

  /// Frames are texts: the segment's number in its conversation, padded to `length` octets.
  void track(const Conversation& talk, std::size_t length = 20) {
    std::vector<std::string> texts;
    for (const Segment& segment : talk.segments()) {
      texts.push_back(std::to_string(segment.number) + " " + std::string(length, '.'));
      texts.back().resize(length);
    }
    std::vector<FrameView> frames;
    for (const std::string& text : texts) frames.push_back(view(text));
    tracker_.process(talk.segments(), frames, batch);
    last_ns_ = std::max(last_ns_, talk.now());
  }
  static FrameView view(const std::string& text) {
    return {.captured = {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()},
            .wire_length = 1000,
            .link_type = packet::link_type::kEthernet,
            .header_octets = 14};
  }
  Tracker& tracker() { return tracker_; }
  void finish() { tracker_.finish(last_ns_, batch); }

  /// Of the connection that ended first, second, and so on, as far as it has evidence.
  std::vector<PackedFrame> frames(std::size_t connection = 0) const { return frames_of(batch.frames_of(connection)); }
  static std::string text(const PackedFrame& frame) { return {frame.captured.begin(), frame.captured.end()}; }

  EventBatch batch;

 private:
  Tracker tracker_;
  TimeNs last_ns_ = kStart;
};

Conversation talk_of(int exchanges, std::uint8_t client = 1) {
  Conversation talk({address4(client), 40000});
  talk.handshake();
  for (int i = 0; i < exchanges; ++i) talk.exchange("a", "b");
  talk.server(kRst | kAck);
  return talk;
}

TEST(Frames, StandBesideEveryRungThatIsKept) {
  for (const int exchanges : {0, 3, 5, 10}) {
    Keeper keeper;
    const Conversation talk = talk_of(exchanges);
    keeper.track(talk);
    keeper.finish();
    ASSERT_EQ(keeper.batch.evidence.size(), 1U);
    const Evidence& evidence = keeper.batch.evidence[0];
    const auto frames = keeper.frames();
    std::size_t at = 0;
    evidence.for_each_rung([&](const Rung& rung, std::uint32_t number) {
      ASSERT_LT(at, frames.size());
      EXPECT_EQ(frames[at].rung, number);
      const std::size_t segment = std::stoul(Keeper::text(frames[at])) - 1;
      EXPECT_EQ(talk.segments().at(segment).time_ns, rung.time_ns) << Keeper::text(frames[at]);
      EXPECT_EQ(frames[at].wire_length, 1000U);
      EXPECT_EQ(frames[at].link_type, packet::link_type::kEthernet);
      EXPECT_EQ(frames[at].header_octets, 14U);
      ++at;
    });
    EXPECT_EQ(at, frames.size());
    EXPECT_EQ(keeper.tracker().counters().evidence.frames, frames.size());
    EXPECT_EQ(keeper.tracker().counters().evidence.frameless, 0U);
  }
}

TEST(Frames, AreCut) {
  Keeper keeper(64);
  keeper.track(talk_of(0), 200);
  keeper.finish();
  for (const PackedFrame& frame : keeper.frames()) EXPECT_EQ(frame.captured.size(), 64U);
}

/// A slot that had a long connection before must show nothing of it.
TEST(Frames, AreOfTheirOwnConnectionOnly) {
  Keeper keeper(256, 1);
  Conversation first = talk_of(10, 1);
  keeper.track(first);
  keeper.tracker().advance(first.now() + 60 * kSecondNs, keeper.batch);
  Conversation second({address4(3), 40000});
  second.set_now(first.now() + 61 * kSecondNs);
  second.client(kSyn);
  second.server(kRst | kAck);
  keeper.track(second, 30);
  keeper.finish();
  ASSERT_EQ(keeper.batch.frames_end.size(), 2U);
  ASSERT_EQ(keeper.frames(1).size(), 2U);
  for (const PackedFrame& frame : keeper.frames(1)) EXPECT_EQ(frame.captured.size(), 30U);
}

/// Of a datagram that was put together, the payload lies elsewhere than in the frame.
TEST(Frames, AreMissingAndCountedWhereThereIsNoSingleOne) {
  const std::string frame = "a frame of some octets";
  const std::string elsewhere = "payload";
  const packet::RawPacket packet{.captured = {reinterpret_cast<const std::uint8_t*>(frame.data()), frame.size()},
                                 .wire_length = 100,
                                 .link_type = packet::link_type::kEthernet};
  Segment segment;
  segment.payload = packet.captured.subspan(14);
  EXPECT_EQ(frame_of(packet, segment).captured.size(), frame.size());
  EXPECT_EQ(frame_of(packet, segment).header_octets, 14U);
  segment.payload = packet.captured.last(0);
  EXPECT_EQ(frame_of(packet, segment).header_octets, frame.size()) << "a segment without payload";
  segment.payload = {reinterpret_cast<const std::uint8_t*>(elsewhere.data()), elsewhere.size()};
  EXPECT_TRUE(frame_of(packet, segment).captured.empty());

  packet::IcmpError error;
  EXPECT_EQ(frame_of(packet, error).captured.size(), frame.size());
  error.reassembled = true;
  EXPECT_TRUE(frame_of(packet, error).captured.empty()) << "the last fragment is no error";

  Keeper keeper;
  Conversation talk;
  talk.handshake();
  std::vector<FrameView> frames(3);
  const std::string whole(40, 'x');
  frames[0] = frames[2] = Keeper::view(whole);
  keeper.tracker().process(talk.segments(), frames, keeper.batch);
  keeper.finish();
  ASSERT_EQ(keeper.frames().size(), 2U);
  EXPECT_EQ(keeper.frames()[1].rung, 2U);
  EXPECT_EQ(keeper.tracker().counters().evidence.frameless, 1U);
}

TEST(Frames, AreNotKeptUnlessWanted) {
  Tracker tracker(small_options());
  EXPECT_FALSE(tracker.keeps_frames());
  const Tracked seen = track(talk_of(0).segments());
  EXPECT_TRUE(seen.batch.frames_end.empty());
  EXPECT_TRUE(seen.batch.frames_of(0).empty());
  EXPECT_EQ(seen.counters.evidence.frames + seen.counters.evidence.frameless, 0U);
}

}  // namespace
}  // namespace doorslam::tcp
