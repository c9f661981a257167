#include <gtest/gtest.h>

#include "pipeline/packet/reader.h"
#include "tests/support/frame_builder.h"

namespace doorslam::packet {
namespace {

const test::Bytes kOctets = {1, 2, 3, 4, 5, 6, 7, 8};

TEST(Reader, ReadsInBothByteOrders) {
  const auto octets = Reader(kOctets).peek<8>();
  ASSERT_TRUE(octets);
  EXPECT_EQ(octets.u8<7>(), 8);
  EXPECT_EQ(octets.be16<1>(), 0x0203);
  EXPECT_EQ(octets.be32<4>(), 0x05060708U);
  EXPECT_EQ(octets.le16<0>(), 0x0201);
  EXPECT_EQ((octets.view<2, 3>()[2]), 5);
}

TEST(Reader, GivesNothingBeyondTheEnd) {
  Reader reader(kOctets);
  EXPECT_FALSE(reader.peek<9>());
  EXPECT_TRUE(reader.take<5>());
  EXPECT_FALSE(reader.take<4>());
  EXPECT_EQ(reader.captured_size(), 3U) << "a failed take does not move";
  EXPECT_FALSE(reader.skip(4));
  EXPECT_TRUE(reader.skip(3));
  EXPECT_FALSE(reader.peek<1>());
  EXPECT_FALSE(Reader().peek<1>());
}

TEST(Reader, TellsCapturedFromWire) {
  Reader reader(kOctets, 100);
  EXPECT_EQ(reader.wire_size(), 100U);
  EXPECT_TRUE(reader.skip(2));
  EXPECT_EQ(reader.captured_size(), 6U);
  EXPECT_EQ(reader.wire_size(), 98U);
  reader.limit(50);
  EXPECT_EQ(reader.captured_size(), 6U);
  EXPECT_EQ(reader.wire_size(), 50U);
  EXPECT_TRUE(reader.skip_on_wire(10));
  EXPECT_EQ(reader.captured_size(), 0U);
  EXPECT_EQ(reader.wire_size(), 40U);
  EXPECT_FALSE(reader.skip_on_wire(41));
}

TEST(Reader, LimitCutsWhatWasCaptured) {
  Reader reader(kOctets);
  reader.limit(3);
  EXPECT_EQ(reader.captured_size(), 3U);
  EXPECT_EQ(reader.wire_size(), 3U);
  reader.limit(5);
  EXPECT_EQ(reader.wire_size(), 3U) << "a limit never widens";
}

// A source that says less was on the wire than it captured is not believed.
TEST(Reader, WireIsNeverLessThanCaptured) { EXPECT_EQ(Reader(kOctets, 2).wire_size(), 8U); }

}  // namespace
}  // namespace doorslam::packet
