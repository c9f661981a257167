#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <unordered_map>
#include <utility>

#include "flowtable/ip_address.h"
#include "pipeline/diagnose/cause.h"

/// Containers of the incident log.
namespace doorslam::alert {

/// An address and a cause: what folded incidents are found by.
using AddressCause = std::pair<flowtable::IpAddress, diagnose::Cause>;
/// An endpoint and a cause: what an incident is.
using EndpointCause = std::pair<flowtable::Endpoint, diagnose::Cause>;

/// Hashes of the keys above. Not keyed: the containers are small and bounded.
struct KeyHash {
  static std::size_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15) * (b ^ 0xd6e8feb86659fd93);
    return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64);
  }
  std::size_t operator()(const flowtable::IpAddress& address) const noexcept {
    std::uint64_t words[2];
    std::memcpy(words, address.octets.data(), sizeof(words));
    return mixed(words[0], words[1] + static_cast<std::uint64_t>(address.version));
  }
  std::size_t operator()(const flowtable::Endpoint& endpoint) const noexcept {
    return mixed((*this)(endpoint.address), endpoint.port);
  }
  std::size_t operator()(const AddressCause& key) const noexcept {
    return mixed((*this)(key.first), static_cast<std::uint64_t>(key.second));
  }
  std::size_t operator()(const EndpointCause& key) const noexcept {
    return mixed((*this)(key.first), static_cast<std::uint64_t>(key.second));
  }
};

/// A hash map of at most `capacity` entries; a new one beyond that takes the place of the entry longest untouched.
template <class Key, class Value>
class BoundedMap {
 public:
  explicit BoundedMap(std::size_t capacity) : capacity_(capacity == 0 ? 1 : capacity) {}

  /// The entry, made where it is not there, and from now the last to be forgotten. Valid until the next call.
  Value& touch(const Key& key) {
    const auto found = index_.find(key);
    if (found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
    if (entries_.size() >= capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(key, Value{});
    index_.emplace(key, entries_.begin());
    return entries_.front().second;
  }

  /// The entry or nullptr; does not touch it.
  Value* find(const Key& key) {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &found->second->second;
  }

  void erase(const Key& key) {
    const auto found = index_.find(key);
    if (found == index_.end()) return;
    entries_.erase(found->second);
    index_.erase(found);
  }

  std::size_t size() const noexcept { return entries_.size(); }

  /// Calls `visit(key, value)` for each entry, most recently touched first.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [key, value] : entries_) visit(key, value);
  }

 private:
  using Entries = std::list<std::pair<Key, Value>>;

  std::size_t capacity_;
  Entries entries_;  ///< most recently touched first
  std::unordered_map<Key, typename Entries::iterator, KeyHash> index_;
};

}  // namespace doorslam::alert
