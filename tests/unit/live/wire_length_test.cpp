#include "pipeline/port/wire_length.h"

#include <gtest/gtest.h>

#include <vector>

namespace doorslam::port {
namespace {

std::vector<std::uint8_t> ethernet(std::uint16_t type, std::size_t octets_after) {
  std::vector<std::uint8_t> frame(14 + octets_after);
  frame[12] = static_cast<std::uint8_t>(type >> 8U);
  frame[13] = static_cast<std::uint8_t>(type);
  return frame;
}

TEST(WireLength, IsWhatTheIpv4HeaderSays) {
  auto frame = ethernet(0x0800, 50);
  frame[14] = 0x45;
  frame[16] = 1500 >> 8;
  frame[17] = 1500 & 0xff;
  EXPECT_EQ(wire_length_of(frame), 14U + 1500);
}

TEST(WireLength, LooksPastAVlanTagAndIntoIpv6) {
  auto frame = ethernet(0x8100, 60);
  frame[16] = 0x86;
  frame[17] = 0xdd;
  frame[18] = 0x60;
  frame[22] = 1000 >> 8;
  frame[23] = 1000 & 0xff;
  EXPECT_EQ(wire_length_of(frame), 18U + 40 + 1000);
}

TEST(WireLength, IsNeverLessThanTheFrame) {
  auto padded = ethernet(0x0800, 46);
  padded[14] = 0x45;
  padded[17] = 28;
  EXPECT_EQ(wire_length_of(padded), 60U);
  EXPECT_EQ(wire_length_of(ethernet(0x0806, 46)), 60U);
  EXPECT_EQ(wire_length_of({}), 0U);
}

}  // namespace
}  // namespace doorslam::port
