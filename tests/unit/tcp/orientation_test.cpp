#include "pipeline/tcp/orientation.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/segment_scenario.h"

namespace doorslam::tcp {
namespace {

using namespace packet::tcp_flag;

class OrientationTest : public ::testing::Test {
 protected:
  static Orientation first(std::uint16_t from, std::uint16_t to, std::uint8_t flags) {
    static constexpr std::array<std::uint16_t, 3> kPorts = {80, 443, 40000};
    static const ServerPorts servers{kPorts};
    packet::Segment segment;
    segment.source.port = from;
    segment.destination.port = to;
    segment.flags = flags;
    return orient(segment, servers);
  }
};

TEST_F(OrientationTest, SynTellsWhateverThePorts) {
  EXPECT_TRUE(first(80, 50000, kSyn).source_is_originator);
  EXPECT_FALSE(first(80, 50000, kSyn).guessed);
  EXPECT_FALSE(first(80, 50000, kSyn).turned);
}

TEST_F(OrientationTest, SynAckComesFromTheResponder) {
  EXPECT_FALSE(first(50000, 80, kSyn | kAck).source_is_originator);
  EXPECT_TRUE(first(50000, 80, kSyn | kAck).turned);
  EXPECT_FALSE(first(50000, 80, kSyn | kAck).guessed);
}

TEST_F(OrientationTest, KnownPortIsTheServers) {
  EXPECT_TRUE(first(80, 50000, kAck).turned);
  EXPECT_FALSE(first(50000, 80, kAck).turned);
  EXPECT_TRUE(first(40000, 50000, kAck).turned);
  EXPECT_TRUE(first(80, 50000, kAck).guessed);
}

TEST_F(OrientationTest, OfTwoKnownPortsTheLowerIsTheServers) {
  EXPECT_TRUE(first(80, 443, kAck).turned);
  EXPECT_FALSE(first(443, 80, kAck).turned);
}

TEST_F(OrientationTest, UnknownPortsTellByTheirRange) {
  EXPECT_TRUE(first(900, 5000, kAck).turned);     // privileged towards unprivileged
  EXPECT_TRUE(first(5000, 50000, kAck).turned);   // registered towards ephemeral
  EXPECT_FALSE(first(50000, 5000, kAck).turned);  // the other way
  EXPECT_FALSE(first(5000, 6000, kAck).turned);   // nothing to go by: the sender counts as originator
  EXPECT_FALSE(first(50000, 60000, kAck).turned);
}

}  // namespace
}  // namespace doorslam::tcp
