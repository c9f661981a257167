#include "flowtable/address_hash.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <random>
#include <type_traits>
#include <vector>

namespace doorslam::flowtable {
namespace {

template <class Key>
Key random_key(std::mt19937_64& random) {
  std::array<std::uint64_t, sizeof(Key) / 8> words;
  for (auto& word : words) word = random();
  return std::bit_cast<Key>(words);
}

template <class Key>
class HashKeyOf : public testing::Test {};
using Keys = testing::Types<FlowKey4, FlowKey6>;
TYPED_TEST_SUITE(HashKeyOf, Keys);

/// Every bit of the key flips every bit of the hash half of the time. With 8,192 trials the standard deviation of a
/// cell is 0.55 %; six of them leave no chance failure in the 28,000 cells.
TYPED_TEST(HashKeyOf, EveryKeyBitReachesEveryHashBit) {
  constexpr std::size_t kTrials = 8192;
  constexpr std::size_t kUsedBits = sizeof(TypeParam) * 8;
  const HashKey hash_key = HashKey::fixed();
  std::mt19937_64 random(1);
  std::vector<std::array<std::uint32_t, 64>> flips(kUsedBits);
  for (std::size_t trial = 0; trial < kTrials; ++trial) {
    auto words = random_key<TypeParam>(random).words();
    const std::uint64_t before = hash_key.hash(std::bit_cast<TypeParam>(words));
    for (std::size_t bit = 0; bit < kUsedBits; ++bit) {
      words[bit / 64] ^= std::uint64_t{1} << bit % 64;
      std::uint64_t changed = before ^ hash_key.hash(std::bit_cast<TypeParam>(words));
      words[bit / 64] ^= std::uint64_t{1} << bit % 64;
      for (; changed != 0; changed &= changed - 1) ++flips[bit][static_cast<std::size_t>(std::countr_zero(changed))];
    }
  }
  for (std::size_t bit = 0; bit < kUsedBits; ++bit) {
    for (std::size_t out = 0; out < 64; ++out) {
      ASSERT_NEAR(flips[bit][out], kTrials / 2, kTrials * 6 * 0.0055) << "key bit " << bit << ", hash bit " << out;
    }
  }
}

/// Keys as networks have them (addresses and ports that count up) spread like random ones over either half of the hash.
TEST(HashKey, CountingKeysFillBucketsEvenly) {
  constexpr std::size_t kBuckets = 4096;
  constexpr std::size_t kFlows = kBuckets * 64;
  const HashKey hash_key = HashKey::fixed();
  std::vector<std::uint32_t> upper(kBuckets);
  std::vector<std::uint32_t> lower(kBuckets);
  for (std::uint32_t i = 0; i < kFlows; ++i) {
    const FlowKey4 key(0x0a000001, 443, 0x0a010000 + i / 512, static_cast<std::uint16_t>(32768 + i % 512));
    const std::uint64_t hash = hash_key.hash(key);
    ++upper[(hash >> 32) * kBuckets >> 32];
    ++lower[(hash & 0xffffffff) * kBuckets >> 32];
  }
  for (const auto* counts : {&upper, &lower}) {
    double chi_square = 0;
    for (const std::uint32_t count : *counts) chi_square += (count - 64.0) * (count - 64.0) / 64.0;
    // 4,095 degrees of freedom: mean 4,095, standard deviation 90.5.
    EXPECT_NEAR(chi_square, kBuckets - 1, 6 * 90.5);
  }
}

/// No container gets a hash that everybody knows by mistake.
static_assert(!std::is_default_constructible_v<AddressHash>);

TEST(AddressHash, EveryBitReachesEveryHashBit) {
  constexpr std::size_t kTrials = 4096;
  constexpr std::size_t kBits = 16 * 8 + 16;
  const AddressHash hash(HashKey::fixed());
  std::mt19937_64 random(3);
  std::vector<std::array<std::uint32_t, 64>> flips(kBits);
  for (std::size_t trial = 0; trial < kTrials; ++trial) {
    Endpoint endpoint{.address = {.version = IpVersion::v6}, .port = static_cast<std::uint16_t>(random())};
    for (std::uint8_t& octet : endpoint.address.octets) octet = static_cast<std::uint8_t>(random());
    for (std::size_t bit = 0; bit < kBits; ++bit) {
      Endpoint other = endpoint;
      if (bit < 128) {
        other.address.octets[bit / 8] = static_cast<std::uint8_t>(other.address.octets[bit / 8] ^ 1U << bit % 8);
      } else {
        other.port = static_cast<std::uint16_t>(other.port ^ 1U << (bit - 128));
      }
      std::uint64_t changed = hash(endpoint) ^ hash(other);
      for (; changed != 0; changed &= changed - 1) ++flips[bit][static_cast<std::size_t>(std::countr_zero(changed))];
    }
  }
  for (std::size_t bit = 0; bit < kBits; ++bit) {
    for (std::size_t out = 0; out < 64; ++out) {
      // The standard deviation is 0.78 %; there are 9,000 cells.
      ASSERT_NEAR(flips[bit][out], kTrials / 2, kTrials * 6 * 0.0078) << "bit " << bit << ", hash bit " << out;
    }
  }
}

/// Addresses chosen so that all lie in one place of a table under a hash that is known lie anywhere under another.
TEST(AddressHash, CollisionsCannotBePrepared) {
  const AddressHash known(HashKey::fixed());
  const AddressHash secret(HashKey::random());
  std::vector<std::uint32_t> by_place(64);
  std::uint32_t chosen = 0;
  for (std::uint32_t number = 0; chosen < 6400; ++number) {
    IpAddress address;
    for (std::size_t i = 0; i < 4; ++i) address.octets[i] = static_cast<std::uint8_t>(number >> 8 * i);
    if (known(address) % 64 != 0) continue;
    ++chosen;
    ++by_place[secret(address) % 64];
  }
  // Of 100 on average; the standard deviation is 10.
  for (const std::uint32_t count : by_place) EXPECT_NEAR(count, 100, 70);
}

TEST(HashKey, FixedIsRepeatable) {
  const FlowKey4 key(0x0a000001, 22, 0x0a000002, 50000);
  EXPECT_EQ(HashKey::fixed().hash(key), HashKey::fixed().hash(key));
}

/// What shares a bucket under one secret does not under another: collisions cannot be prepared.
TEST(HashKey, AnotherSecretIsAnotherDistribution) {
  const HashKey one = HashKey::random();
  const HashKey other = HashKey::random();
  std::mt19937_64 random(2);
  std::size_t colliding = 0;
  std::size_t still_colliding = 0;
  std::vector<FlowKey4> first_of(1024);
  std::vector<bool> taken(1024);
  for (int i = 0; i < 100000; ++i) {
    const auto key = random_key<FlowKey4>(random);
    const std::size_t bucket = one.hash(key) >> 54;
    if (!taken[bucket]) {
      taken[bucket] = true;
      first_of[bucket] = key;
      continue;
    }
    ++colliding;
    if (other.hash(key) >> 54 == other.hash(first_of[bucket]) >> 54) ++still_colliding;
  }
  ASSERT_GT(colliding, 90000U);
  // About 97 of 99,000 meet again by chance, standard deviation 10.
  EXPECT_LT(still_colliding, 200U);
}

}  // namespace
}  // namespace doorslam::flowtable
