#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "flowtable/address_hash.h"
#include "flowtable/time.h"
#include "pipeline/diagnose/cause.h"

namespace doorslam::metrics {

/// A server endpoint and how often it refused.
struct WorstServer {
  flowtable::Endpoint server;
  double recent = 0.0;        ///< refusals, each counting half after every half-life: at least so many
  std::uint64_t refused = 0;  ///< since it was last taken in
  diagnose::Cause cause = diagnose::Cause::unknown;  ///< the most frequent of them
  std::uint64_t of_that_cause = 0;
  flowtable::TimeNs last_ns = 0;  ///< start of the latest refused connection
};

/// The servers that refused most recently, in fixed memory.
///
/// Theory of operation. Space saving (Metwally and others, 2005) over weights that grow with time in place of counts
/// that shrink: a refusal at time t weighs 2^(t / half-life), so that entries keep their order while time passes, and
/// nothing has to be aged. When all places are taken, a server that is not there takes the place of the lightest and
/// inherits its weight as its error. Who has more than 1 / capacity of all recent refusals is therefore never missing,
/// however many ports a scan runs through. One refusal costs O(log capacity). Not thread-safe.
class WorstServers {
 public:
  static constexpr std::size_t kCapacity = 1024;
  static constexpr flowtable::DurationNs kHalfLifeNs = 300 * flowtable::kSecondNs;

  explicit WorstServers(const flowtable::HashKey& hash_key, std::size_t capacity = kCapacity)
      : capacity_(capacity), entries_(0, flowtable::AddressHash(hash_key)) {}

  /// A connection that began at `time_ns` was refused.
  void refused(const flowtable::Endpoint& server, diagnose::Cause cause, flowtable::TimeNs time_ns);

  /// The `most` worst as seen at `now_ns`, worst first.
  std::vector<WorstServer> worst(std::size_t most, flowtable::TimeNs now_ns) const;
  std::size_t size() const noexcept { return entries_.size(); }
  /// Servers that made place for others.
  std::uint64_t forgotten() const noexcept { return forgotten_; }

 private:
  struct Entry {
    double weight = 0.0;  ///< with its error
    double error = 0.0;   ///< inherited: what it may not have earned
    std::uint64_t refused = 0;
    std::array<std::uint64_t, diagnose::kCauseCount> by_cause{};
    flowtable::TimeNs last_ns = 0;
  };

  double half_lives_since_start(flowtable::TimeNs time_ns) const noexcept;
  void rebase(flowtable::TimeNs start_ns);

  std::size_t capacity_;
  flowtable::TimeNs start_ns_ = flowtable::kNoTime;  ///< when a refusal weighs 1
  std::unordered_map<flowtable::Endpoint, Entry, flowtable::AddressHash> entries_;
  std::set<std::pair<double, flowtable::Endpoint>> by_weight_;
  std::uint64_t forgotten_ = 0;
};

}  // namespace doorslam::metrics
