#include "pipeline/port/symmetric_hash.h"

#include <gtest/gtest.h>

#include <array>
#include <random>

namespace doorslam::port {
namespace {

using flowtable::Endpoint;
using flowtable::IpVersion;

/// Toeplitz as cards compute it, bit by bit ("Microsoft RSS hash", NDIS documentation): for each set bit of the input,
/// the 32 bits of the key that begin there.
std::uint32_t toeplitz(const std::vector<std::uint8_t>& input, const std::vector<std::uint8_t>& key) {
  std::uint32_t hash = 0;
  for (std::size_t bit = 0; bit < input.size() * 8; ++bit) {
    if ((input[bit / 8] >> (7 - bit % 8) & 1) == 0) continue;
    std::uint32_t window = 0;
    for (std::size_t i = 0; i < 32; ++i) {
      const std::size_t at = bit + i;
      window = window << 1 | (key[at / 8] >> (7 - at % 8) & 1U);
    }
    hash ^= window;
  }
  return hash;
}

std::vector<std::uint8_t> tuple(const Endpoint& from, const Endpoint& to) {
  const std::size_t octets = from.address.version == IpVersion::v4 ? 4 : 16;
  std::vector<std::uint8_t> input;
  for (const Endpoint* end : {&from, &to}) {
    input.insert(input.end(), end->address.octets.begin(), end->address.octets.begin() + static_cast<long>(octets));
  }
  for (const Endpoint* end : {&from, &to}) {
    input.push_back(static_cast<std::uint8_t>(end->port >> 8));
    input.push_back(static_cast<std::uint8_t>(end->port));
  }
  return input;
}

Endpoint random_end(std::mt19937& random, IpVersion version) {
  Endpoint end;
  end.address.version = version;
  for (std::size_t i = 0; i < (version == IpVersion::v4 ? 4U : 16U); ++i) {
    end.address.octets[i] = static_cast<std::uint8_t>(random());
  }
  end.port = static_cast<std::uint16_t>(random());
  return end;
}

TEST(SymmetricHash, IsWhatACardComputesInBothDirections) {
  std::mt19937 random(1);
  const std::vector<std::uint8_t> key = SymmetricHash::key(52);
  for (const IpVersion version : {IpVersion::v4, IpVersion::v6}) {
    for (int i = 0; i < 200; ++i) {
      const Endpoint a = random_end(random, version);
      const Endpoint b = random_end(random, version);
      EXPECT_EQ(SymmetricHash::of(a, b), toeplitz(tuple(a, b), key));
      EXPECT_EQ(SymmetricHash::of(b, a), toeplitz(tuple(b, a), key));
      EXPECT_EQ(SymmetricHash::of(a, b), SymmetricHash::of(b, a));
    }
  }
}

TEST(SymmetricHash, SpreadsTheConnectionsOfOneServerOverAllWorkers) {
  const WorkerOfConnection worker_of(even_redirection(128, 3));
  std::mt19937 random(2);
  const Endpoint server = random_end(random, IpVersion::v4);
  std::array<int, 3> count{};
  for (int i = 0; i < 3000; ++i) ++count[worker_of(random_end(random, IpVersion::v4), server)];
  for (const int of_worker : count) EXPECT_NEAR(of_worker, 1000, 200);
}

TEST(SymmetricHash, ARedirectionTableHasAPowerOfTwoOfEntries) {
  EXPECT_EQ(even_redirection(100, 4).size(), 128U);
  EXPECT_EQ(even_redirection(1, 1).size(), 1U);
}

}  // namespace
}  // namespace doorslam::port
