#include <gtest/gtest.h>

#include <random>

#include "pipeline/packet/checksum.h"
#include "tests/support/frame_builder.h"

namespace doorslam::packet {
namespace {

/// The fast sum, folded and complemented as a header field would hold it.
std::uint16_t folded(std::uint64_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return in_network_order(static_cast<std::uint16_t>(~sum));
}

// The fast sum against the plain one: every length up to several vector blocks, every alignment.
TEST(Checksum, AgreesWithThePlainSum) {
  std::mt19937 random(3);
  test::Bytes octets(400);
  for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(random());
  for (std::size_t start = 0; start < 8; ++start) {
    for (std::size_t length = 0; length < 300; ++length) {
      const ByteView view = ByteView(octets).subspan(start, length);
      EXPECT_EQ(folded(checksum_of(view)), test::internet_checksum(view)) << start << " " << length;
    }
  }
}

// What lies after the headers has a shorter way for each length; what stands before it must not come in.
TEST(Checksum, TheRestAgreesWithThePlainSum) {
  std::mt19937 random(5);
  test::Bytes octets(400);
  for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(random());
  for (const std::size_t from : {std::size_t{16}, std::size_t{40}, std::size_t{58}}) {
    for (std::size_t length = from; length < 300; ++length) {
      const ByteView view = ByteView(octets).first(length);
      EXPECT_EQ(folded(checksum_of_rest(view, from)), test::internet_checksum(view.subspan(from)))
          << from << " " << length;
    }
  }
}

TEST(Checksum, WhatIsCarriedOutOfASumComesInAgain) {
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  EXPECT_EQ(sum_with_carry(1, 2), 3U);
  EXPECT_EQ(sum_with_carry(kAll, 1), 1U);
  EXPECT_EQ(sum_with_carry(kAll, kAll), kAll);
  EXPECT_EQ(folded(sum_with_carry(0xffff'0000'0000'1234, 0x0001'0000'0000'0000)), folded(0x1235));
}

TEST(Checksum, CarriesOfTheLargestDatagram) {
  const test::Bytes octets(65535, 0xff);
  EXPECT_EQ(folded(checksum_of(octets)), test::internet_checksum(octets));
}

// The worked example of RFC 1071, section 3.
TEST(Checksum, HoldsWhenTheFieldIsIncluded) {
  const test::Bytes data = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(test::internet_checksum(data), 0x220d);
  const test::Bytes with_field = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0x22, 0x0d};
  EXPECT_TRUE(checksum_holds(checksum_of(with_field)));
  EXPECT_FALSE(checksum_holds(checksum_of(data)));
  EXPECT_FALSE(checksum_holds(0));
}

}  // namespace
}  // namespace doorslam::packet
