#include "flowtable/flow_key.h"

#include <gtest/gtest.h>

namespace doorslam::flowtable {
namespace {

Endpoint end4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d, std::uint16_t port) {
  Endpoint end;
  end.address.octets = {a, b, c, d};
  end.port = port;
  return end;
}

Endpoint end6(std::uint8_t first, std::uint8_t ninth, std::uint8_t last, std::uint16_t port) {
  Endpoint end;
  end.address.version = IpVersion::v6;
  end.address.octets[0] = first;
  end.address.octets[8] = ninth;
  end.address.octets[15] = last;
  end.port = port;
  return end;
}

TEST(FlowKey4, PutsTheNumericallyLowerAddressFirst) {
  // As octets in memory read by a little-endian machine, 10.0.0.9 would be above 11.0.0.1.
  const auto [key, source_is_lo] = make_key4(end4(11, 0, 0, 1, 80), end4(10, 0, 0, 9, 4000), 7);
  EXPECT_FALSE(source_is_lo);
  EXPECT_EQ(key.lo_address(), 0x0a000009U);
  EXPECT_EQ(key.lo_port(), 4000);
  EXPECT_EQ(key.hi_address(), 0x0b000001U);
  EXPECT_EQ(key.hi_port(), 80);
  EXPECT_EQ(key.vlan(), 7);
}

TEST(FlowKey4, ComparesPortsOnlyBetweenEqualAddresses) {
  EXPECT_TRUE(make_key4(end4(10, 0, 0, 1, 9), end4(10, 0, 0, 1, 10), 0).source_is_lo);
  EXPECT_FALSE(make_key4(end4(10, 0, 0, 1, 10), end4(10, 0, 0, 1, 9), 0).source_is_lo);
  EXPECT_TRUE(make_key4(end4(10, 0, 0, 1, 65535), end4(10, 0, 0, 2, 1), 0).source_is_lo);
}

TEST(FlowKey4, OneEndTalkingToItselfIsLo) {
  EXPECT_TRUE(make_key4(end4(127, 0, 0, 1, 5), end4(127, 0, 0, 1, 5), 0).source_is_lo);
}

TEST(FlowKey4, TellsEveryFieldApart) {
  const FlowKey4 key = make_key4(end4(10, 0, 0, 1, 1), end4(10, 0, 0, 2, 2), 0).key;
  EXPECT_NE(key, make_key4(end4(10, 0, 0, 0, 1), end4(10, 0, 0, 2, 2), 0).key);
  EXPECT_NE(key, make_key4(end4(10, 0, 0, 1, 2), end4(10, 0, 0, 2, 2), 0).key);
  EXPECT_NE(key, make_key4(end4(10, 0, 0, 1, 1), end4(10, 0, 0, 3, 2), 0).key);
  EXPECT_NE(key, make_key4(end4(10, 0, 0, 1, 1), end4(10, 0, 0, 2, 3), 0).key);
  EXPECT_NE(key, make_key4(end4(10, 0, 0, 1, 1), end4(10, 0, 0, 2, 2), 1).key);
  // Ports that change places are another connection, not the other direction.
  EXPECT_NE(key, make_key4(end4(10, 0, 0, 1, 2), end4(10, 0, 0, 2, 1), 0).key);
}

TEST(FlowKey4, GivesItsEndsBack) {
  const Endpoint client = end4(192, 0, 2, 200, 51000);
  const Endpoint server = end4(10, 1, 2, 3, 443);
  const FlowKey4 key = make_key4(client, server, 0).key;
  EXPECT_EQ(key.lo(), server);
  EXPECT_EQ(key.hi(), client);
}

TEST(FlowKey6, PutsTheNumericallyLowerAddressFirst) {
  EXPECT_TRUE(make_key6(end6(1, 9, 9, 9), end6(2, 1, 1, 1), 0).source_is_lo);
  EXPECT_FALSE(make_key6(end6(2, 3, 1, 9), end6(2, 2, 9, 9), 0).source_is_lo);
  EXPECT_TRUE(make_key6(end6(2, 2, 1, 9), end6(2, 2, 2, 9), 0).source_is_lo);
  EXPECT_FALSE(make_key6(end6(2, 2, 2, 9), end6(2, 2, 2, 8), 0).source_is_lo);
}

TEST(FlowKey6, GivesItsEndsBack) {
  const Endpoint client = end6(0x20, 7, 0xff, 51000);
  const Endpoint server = end6(0x20, 7, 0xfe, 443);
  const FlowKey6 key = make_key6(client, server, 4094).key;
  EXPECT_EQ(key.lo(), server);
  EXPECT_EQ(key.hi(), client);
  EXPECT_EQ(key.vlan(), 4094);
}

}  // namespace
}  // namespace doorslam::flowtable
