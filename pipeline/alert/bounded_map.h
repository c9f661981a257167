#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "flowtable/address_hash.h"
#include "pipeline/base/recency_map.h"
#include "pipeline/diagnose/cause.h"

/// Keys and containers of the incident log.
namespace doorslam::alert {

/// An address and a cause: what folded incidents are found by.
using AddressCause = std::pair<flowtable::IpAddress, diagnose::Cause>;
/// An endpoint and a cause: what an incident is.
using EndpointCause = std::pair<flowtable::Endpoint, diagnose::Cause>;

/// Hashes of the keys above, and of what they are made of. Immutable.
class KeyHash : public flowtable::AddressHash {
 public:
  using AddressHash::AddressHash;
  using AddressHash::operator();
  std::size_t operator()(const AddressCause& of) const noexcept {
    return key().hash(of.first, std::uint64_t{static_cast<std::uint8_t>(of.second)} << 16U);
  }
  std::size_t operator()(const EndpointCause& of) const noexcept {
    return key().hash(of.first.address, std::uint64_t{static_cast<std::uint8_t>(of.second)} << 16U | of.first.port);
  }
};

/// The same for RecencyMap.
template <class Key>
struct Keys {
  KeyHash hash_of;

  std::uint64_t hash(const Key& key) const noexcept { return hash_of(key); }
  static bool same(const Key& a, const Key& b) noexcept { return a == b; }
};

/// A hash map of at most `capacity` entries; a new one beyond that takes the place of the entry longest untouched.
template <class Key, class Value>
class BoundedMap : public RecencyMap<Key, Value, Keys<Key>> {
 public:
  BoundedMap(std::size_t capacity, const KeyHash& hash)
      : RecencyMap<Key, Value, Keys<Key>>(capacity, Keys<Key>{hash}) {}
};

}  // namespace doorslam::alert
