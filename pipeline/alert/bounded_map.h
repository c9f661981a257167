#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <utility>

#include "flowtable/address_hash.h"
#include "pipeline/diagnose/cause.h"

/// Containers of the incident log.
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
