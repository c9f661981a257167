#include "pipeline/base/address_prefix.h"

#include <gtest/gtest.h>

namespace doorslam {
namespace {

flowtable::IpAddress address(const char* text) { return parse_prefix(text)->address; }

TEST(AddressPrefix, IsReadOrRefused) {
  EXPECT_EQ(parse_prefix("192.0.2.1")->length, 32U);
  EXPECT_EQ(parse_prefix("2001:db8::/33")->length, 33U);
  for (const char* wrong :
       {"", "/8", "10/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "example.org", "::1/129"}) {
    EXPECT_FALSE(parse_prefix(wrong).has_value()) << wrong;
  }
  EXPECT_EQ(parse_prefix("10.0.0.0/33").error().message,
            "\"10.0.0.0/33\" is no network: its length is not from 0 to 32; write 192.0.2.0/24, 2001:db8::/32 or an "
            "address");
}

TEST(AddressPrefix, HoldsWhatSharesItsFirstBits) {
  EXPECT_TRUE(parse_prefix("2001:db8:8000::/33")->holds(address("2001:db8:ffff::1")));
  EXPECT_FALSE(parse_prefix("2001:db8:8000::/33")->holds(address("2001:db8:7fff::1")));
  EXPECT_TRUE(parse_prefix("0.0.0.0/0")->holds(address("255.255.255.255")));
  EXPECT_FALSE(parse_prefix("0.0.0.0/0")->holds(address("::"))) << "the other version";
  EXPECT_TRUE(parse_prefix("10.9.0.1/16")->holds(address("10.9.255.1"))) << "bits beyond the length count for nothing";
}

TEST(AddressPrefix, KnowsAHostWithinIt) {
  EXPECT_TRUE(parse_prefix("10.9.0.1/16")->names_a_host_within());
  EXPECT_FALSE(parse_prefix("10.9.0.0/16")->names_a_host_within());
  EXPECT_FALSE(parse_prefix("10.9.0.1")->names_a_host_within());
  EXPECT_TRUE(parse_prefix("2001:db8::1/127")->names_a_host_within());
}

TEST(AddressPrefix, IsWrittenAsItIsRead) {
  for (const char* text : {"10.1.2.0/25", "10.1.2.3", "2001:db8::/32", "0.0.0.0/0", "::1"}) {
    EXPECT_EQ(text_of(*parse_prefix(text)), text);
  }
}

}  // namespace
}  // namespace doorslam
