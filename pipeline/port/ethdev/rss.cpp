#include "pipeline/port/ethdev/rss.h"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_thash.h>

#include <algorithm>
#include <array>
#include <bit>

#include "pipeline/port/symmetric_hash.h"

namespace doorslam::ethdev {

namespace {

using port::SymmetricHash;

constexpr std::uint64_t kTcpOverIpv4 = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
constexpr std::uint64_t kTcpOverIpv6 = RTE_ETH_RSS_NONFRAG_IPV6_TCP;
constexpr std::uint64_t kWanted = kTcpOverIpv4 | kTcpOverIpv6 | RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_IPV6 |
                                  RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_IPV6_TCP_EX;
constexpr unsigned kProbes = 256;

tl::unexpected<Error> not_spread(const PortFacts& facts, const std::string& what) {
  return data_error(fmt::format("{} ({}): {}", facts.name, facts.driver, what));
}

using Redirection = std::vector<rte_eth_rss_reta_entry64>;

Redirection whole_table(std::uint16_t entries) {
  Redirection table((entries + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE);
  for (rte_eth_rss_reta_entry64& group : table) group.mask = UINT64_MAX;
  return table;
}

std::uint16_t& entry(Redirection& table, std::size_t i) {
  return table[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE];
}

/// The queue of a connection of `words` 32-bit words of addresses and ports, by the table.
std::uint16_t queue_of(std::span<std::uint32_t> tuple, std::span<const std::uint8_t> key, Redirection& table,
                       std::uint16_t entries) {
  const std::uint32_t hash = rte_softrss(tuple.data(), static_cast<std::uint32_t>(tuple.size()), key.data());
  return entry(table, hash & (entries - 1U));
}

/// Connections between made-up ends, IPv4 and IPv6 in turn: both directions must share a queue.
bool both_directions_meet(std::span<const std::uint8_t> key, Redirection& table, std::uint16_t entries) {
  std::uint32_t seed = 1;
  const auto next = [&seed] { return seed = seed * 1664525U + 1013904223U; };
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    const std::size_t words = probe % 2 == 0 ? 1 : 4;
    std::vector<std::uint32_t> there(2 * words + 1);
    for (std::uint32_t& word : there) word = next();
    std::vector<std::uint32_t> back(there);
    std::swap_ranges(back.begin(), back.begin() + static_cast<long>(words), back.begin() + static_cast<long>(words));
    back.back() = std::rotl(there.back(), 16);
    if (queue_of(there, key, table, entries) != queue_of(back, key, table, entries)) return false;
  }
  return true;
}

/// Some drivers take key and functions when they are configured, some afterwards only. Whether either worked, reading
/// them back tells.
void offer_key(const PortFacts& facts) {
  std::vector<std::uint8_t> key =
      SymmetricHash::key(facts.hash_key_octets == 0 ? kUsualKeyOctets : facts.hash_key_octets);
  rte_eth_rss_conf conf{};
  conf.rss_key = key.data();
  conf.rss_key_len = static_cast<std::uint8_t>(key.size());
  conf.rss_hf = hash_functions_wanted(facts);
  static_cast<void>(rte_eth_dev_rss_hash_update(facts.port, &conf));
}

Result<std::vector<std::uint8_t>> key_in_use(const PortFacts& facts) {
  std::vector<std::uint8_t> key(std::max<std::size_t>(facts.hash_key_octets, kUsualKeyOctets));
  rte_eth_rss_conf conf{};
  conf.rss_key = key.data();
  conf.rss_key_len = static_cast<std::uint8_t>(key.size());
  if (const int failed = rte_eth_dev_rss_hash_conf_get(facts.port, &conf); failed != 0) {
    return not_spread(facts, fmt::format("does not tell its hash key: {}", rte_strerror(-failed)));
  }
  for (const std::uint64_t functions : {kTcpOverIpv4, kTcpOverIpv6}) {
    if ((conf.rss_hf & functions) == 0) return not_spread(facts, "did not take TCP into its hash");
  }
  return key;
}

}  // namespace

std::string lacks_for_spreading(const PortFacts& facts) {
  if ((facts.hash_functions & kTcpOverIpv4) == 0 || (facts.hash_functions & kTcpOverIpv6) == 0) {
    return "its hash does not know TCP over IPv4 and IPv6";
  }
  return facts.redirection_entries == 0 ? "it has no redirection table" : "";
}

std::uint64_t hash_functions_wanted(const PortFacts& facts) { return kWanted & facts.hash_functions; }

Result<void> spread_evenly(const PortFacts& facts, std::uint16_t queues) {
  const std::uint16_t entries = facts.redirection_entries;
  if (!std::has_single_bit(entries))
    return not_spread(facts, fmt::format("its redirection table has {} entries", entries));
  Redirection table = whole_table(entries);
  for (std::uint16_t i = 0; i < entries; ++i) entry(table, i) = static_cast<std::uint16_t>(i % queues);
  if (const int failed = rte_eth_dev_rss_reta_update(facts.port, table.data(), entries); failed != 0) {
    return not_spread(facts, fmt::format("its redirection table cannot be written: {}", rte_strerror(-failed)));
  }
  Redirection in_use = whole_table(entries);
  if (const int failed = rte_eth_dev_rss_reta_query(facts.port, in_use.data(), entries); failed != 0) {
    return not_spread(facts, fmt::format("its redirection table cannot be read: {}", rte_strerror(-failed)));
  }
  for (std::uint16_t i = 0; i < entries; ++i) {
    if (entry(in_use, i) != entry(table, i))
      return not_spread(facts, "it keeps another redirection table than it was given");
  }
  offer_key(facts);
  const auto key = key_in_use(facts);
  if (!key) return tl::unexpected(key.error());
  if (*key != SymmetricHash::key(key->size())) return not_spread(facts, "it keeps another hash key than it was given");
  if (!both_directions_meet(*key, in_use, entries)) return not_spread(facts, "the two directions of a connection part");
  return {};
}

}  // namespace doorslam::ethdev
