#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>

#include "tests/unit/packet/decoding.h"
#include "tests/unit/packet/sample_frames.h"

namespace doorslam::packet {
namespace {

using namespace doorslam::test;

class SampleFrames : public testing::TestWithParam<SampleFrame> {};

// Whatever is wrapped around it, the segment inside comes out as it was put in.
TEST_P(SampleFrames, HoldTheSegment) {
  const SampleFrame& sample = GetParam();
  const Decoded decoded = decode(sample.octets, sample.link_type);
  ASSERT_EQ(decoded.outcome, DecodeOutcome::tcp);
  const Segment& segment = decoded.segment;
  const bool v4 = segment.source.address.version == flowtable::IpVersion::v4;
  EXPECT_EQ(segment.source, endpoint(v4 ? kClient : kClient6, 50123));
  EXPECT_EQ(segment.destination, endpoint(v4 ? kServer : kServer6, 8443));
  EXPECT_EQ(segment.seq, 0x01020304U);
  EXPECT_EQ(segment.ack, 0x0a0b0c0dU);
  EXPECT_EQ(segment.flags, tcp_flag::kPsh | tcp_flag::kAck);
  EXPECT_EQ(segment.window, 512);
  EXPECT_EQ(segment.ttl, 64);
  EXPECT_EQ(segment.ip_id, v4 ? 1 : 0);
  EXPECT_TRUE(segment.dont_fragment);
  EXPECT_FALSE(segment.checksum_bad);
  EXPECT_EQ(segment.payload_length, kSamplePayload.size());
  EXPECT_EQ(decoded.payload(), kSamplePayload);
  EXPECT_EQ(segment.vlan, sample.vlan);
  EXPECT_EQ(segment.tunneled, sample.tunneled);
  EXPECT_EQ(segment.options, TcpOptions{});
}

// A snap length at every octet: never a crash, always a reason; and once the TCP header is there, the segment, with
// the payload length that the wire had.
TEST_P(SampleFrames, CutByTheSnapLength) {
  const SampleFrame& sample = GetParam();
  const bool no_length_in_ip = sample.name.find("offload") != std::string::npos;
  bool reached = false;
  for (std::size_t snap = 0; snap < sample.octets.size(); ++snap) {
    const std::vector<std::uint8_t> captured(sample.octets.begin(), sample.octets.begin() + static_cast<long>(snap));
    Decoder decoder({});
    const RawPacket packet = {.captured = captured,
                              .wire_length = static_cast<std::uint32_t>(sample.octets.size()),
                              .link_type = sample.link_type};
    const Decoded decoded = decode_with(decoder, packet);
    EXPECT_EQ(decoder.counters().received(), 1U);
    EXPECT_EQ(decoder.counters().of(decoded.outcome), 1U);
    if (decoded.outcome != DecodeOutcome::tcp) {
      EXPECT_FALSE(reached) << snap;
      continue;
    }
    reached = true;
    EXPECT_FALSE(decoded.segment.checksum_bad) << snap;
    EXPECT_LE(decoded.segment.payload.size(), decoded.segment.payload_length);
    if (!no_length_in_ip) {
      EXPECT_EQ(decoded.segment.payload_length, kSamplePayload.size()) << snap;
    }
  }
  EXPECT_TRUE(reached);
}

// A frame that was too short already on the wire: its IP length cannot be right.
TEST_P(SampleFrames, ShortOnTheWire) {
  const SampleFrame& sample = GetParam();
  if (sample.name.find("padded") != std::string::npos || sample.name.find("offload") != std::string::npos) return;
  for (std::size_t length = 0; length < sample.octets.size(); ++length) {
    const Bytes frame(sample.octets.begin(), sample.octets.begin() + static_cast<long>(length));
    EXPECT_NE(decode(frame, sample.link_type).outcome, DecodeOutcome::tcp) << length;
  }
}

// Octets turned over at random, in heap memory of exactly the frame's size so that the sanitizers see each step aside.
TEST_P(SampleFrames, HostileOctets) {
  const SampleFrame& sample = GetParam();
  std::mt19937 random(7);
  DecodeOptions options;
  options.verify_checksums = false;
  Decoder decoder(options);
  constexpr std::uint64_t kRounds = 2000;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    Bytes frame = sample.octets;
    for (int change = 0; change < 3; ++change) frame[random() % frame.size()] = static_cast<std::uint8_t>(random());
    const Decoded decoded = decode_with(decoder, raw_packet(frame, sample.link_type));
    if (decoded.outcome == DecodeOutcome::tcp) {
      EXPECT_LE(decoded.segment.payload.size(), decoded.segment.payload_length);
      EXPECT_LE(decoded.segment.payload_length, frame.size());
    }
    decoder.recycle();
  }
  EXPECT_EQ(decoder.counters().received(), kRounds);
}

std::string name_of_sample(const testing::TestParamInfo<SampleFrame>& info) {
  return info.param.name + "_" + std::to_string(info.index);
}

INSTANTIATE_TEST_SUITE_P(Decode, SampleFrames, testing::ValuesIn(sample_frames()), name_of_sample);

TEST(DecodeOutcome, NamesAreDistinct) {
  std::map<std::string_view, int> seen;
  for (const std::string_view name : kDecodeOutcomeNames) EXPECT_EQ(++seen[name], 1) << name;
}

}  // namespace
}  // namespace doorslam::packet
