#include "pipeline/port/deal_ring.h"

#include <gtest/gtest.h>

#include <string>

namespace doorslam::port {
namespace {

packet::Segment segment(std::uint64_t number) {
  packet::Segment made;
  made.number = number;
  return made;
}

packet::IcmpError icmp_error(std::uint64_t number) {
  packet::IcmpError made;
  made.number = number;
  return made;
}

/// Takes everything out as a worker does, and tells the order: s3 for segment 3, e4 for ICMP error 4.
std::string taken(DealRing& ring, std::size_t burst) {
  std::string order;
  while (true) {
    const auto segments = ring.segments(burst);
    std::size_t done = 0;
    const auto tell_until = [&](std::size_t end) {
      for (; done < end; ++done) order += "s" + std::to_string(segments[done].number) + " ";
    };
    bool any = false;
    while (const packet::IcmpError* error = ring.error_before(segments.size())) {
      tell_until(ring.segments_before_error());
      order += "e" + std::to_string(error->number) + " ";
      ring.pop_error();
      any = true;
    }
    tell_until(segments.size());
    EXPECT_EQ(ring.buffers(segments.size()).size(), segments.size());
    ring.pop(segments.size());
    if (segments.empty() && !any) return order;
  }
}

TEST(DealRing, ErrorsKeepTheirPlaceAmongTheSegments) {
  DealRing ring(64);
  ring.deal(icmp_error(1));
  ring.deal(segment(2), nullptr);
  ring.deal(segment(3), nullptr);
  ring.deal(icmp_error(4));
  ring.deal(icmp_error(5));
  ring.deal(segment(6), nullptr);
  ring.deal(icmp_error(7));
  EXPECT_EQ(ring.dealt(), 7U);
  EXPECT_EQ(taken(ring, 2), "e1 s2 s3 e4 e5 s6 e7 ");
  EXPECT_EQ(ring.taken(), 7U);
}

TEST(DealRing, TheOrderHoldsOverTheEdgeOfTheRing) {
  DealRing ring(16);
  for (std::uint64_t number = 1; number <= 200; number += 5) {
    ring.deal(segment(number), nullptr);
    ring.deal(segment(number + 1), nullptr);
    ring.deal(icmp_error(number + 2));
    ring.deal(segment(number + 3), nullptr);
    const std::string n = std::to_string(number);
    EXPECT_EQ(taken(ring, 64), "s" + n + " s" + std::to_string(number + 1) + " e" + std::to_string(number + 2) + " s" +
                                   std::to_string(number + 3) + " ");
  }
}

TEST(DealRing, AFullRingTakesNeitherSegmentNorBuffer) {
  DealRing ring(4);
  int buffer = 0;
  for (std::uint64_t number = 0; number < 4; ++number) EXPECT_TRUE(ring.deal(segment(number), &buffer));
  EXPECT_FALSE(ring.deal(segment(4), &buffer));
  EXPECT_EQ(ring.size(), 4U);
  EXPECT_EQ(ring.buffers(4).size(), 4U);
}

TEST(DealRing, ABurstHasItsBuffersAlsoWhenMoreIsDealtMeanwhile) {
  DealRing ring(64);
  int buffer = 0;
  const auto deal = [&](int count) {
    for (int i = 0; i < count; ++i) ring.deal(segment(1), &buffer);
  };
  std::size_t given_back = 0;
  const auto take = [&](std::size_t dealt_meanwhile) {
    const std::size_t count = ring.segments(64).size();
    deal(static_cast<int>(dealt_meanwhile));
    given_back += ring.buffers(count).size();
    ring.pop(count);
  };
  deal(10);
  take(2);
  deal(8);
  take(0);
  take(0);
  EXPECT_EQ(ring.taken(), 20U);
  EXPECT_EQ(given_back, 20U);
}

}  // namespace
}  // namespace doorslam::port
