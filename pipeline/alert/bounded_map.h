#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "flowtable/address_hash.h"
#include "pipeline/diagnose/cause.h"
#include "pipeline/diagnose/recency_map.h"

/// Keys and containers of the incident log.
namespace doorslam::alert {

/// An address and a cause: what folded incidents are found by.
using AddressCause = std::pair<flowtable::IpAddress, diagnose::Cause>;
/// An endpoint and a cause: what an incident is.
using EndpointCause = std::pair<flowtable::Endpoint, diagnose::Cause>;

/// Hashes of the keys above, and of what they are made of.
struct KeyHash : flowtable::AddressHash {
  using AddressHash::operator();
  std::size_t operator()(const AddressCause& key) const noexcept {
    return mixed((*this)(key.first), static_cast<std::uint64_t>(key.second));
  }
  std::size_t operator()(const EndpointCause& key) const noexcept {
    return mixed((*this)(key.first), static_cast<std::uint64_t>(key.second));
  }
};

/// The same for RecencyMap.
template <class Key>
struct Keys {
  static std::uint64_t hash(const Key& key) noexcept { return KeyHash()(key); }
  static bool same(const Key& a, const Key& b) noexcept { return a == b; }
};

/// A hash map of at most `capacity` entries; a new one beyond that takes the place of the entry longest untouched.
template <class Key, class Value>
using BoundedMap = diagnose::RecencyMap<Key, Value, Keys<Key>>;

}  // namespace doorslam::alert
