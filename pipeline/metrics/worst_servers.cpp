#include "pipeline/metrics/worst_servers.h"

#include <algorithm>
#include <cmath>

namespace doorslam::metrics {

namespace {

/// Weights stay far from the end of a double's range, in which 2^1023 has place.
constexpr double kMostHalfLives = 400.0;

}  // namespace

double WorstServers::half_lives_since_start(flowtable::TimeNs time_ns) const noexcept {
  return static_cast<double>(time_ns - start_ns_) / static_cast<double>(kHalfLifeNs);
}

/// Weights as if time had begun at `start_ns`. What has become too light to tell is zero.
void WorstServers::rebase(flowtable::TimeNs start_ns) {
  const double factor = std::exp2(-half_lives_since_start(start_ns));
  by_weight_.clear();
  for (auto& [server, entry] : entries_) {
    entry.weight *= factor;
    entry.error *= factor;
    by_weight_.emplace(entry.weight, server);
  }
  start_ns_ = start_ns;
}

void WorstServers::refused(const flowtable::Endpoint& server, diagnose::Cause cause, flowtable::TimeNs time_ns) {
  if (start_ns_ == flowtable::kNoTime) start_ns_ = time_ns;
  if (half_lives_since_start(time_ns) > kMostHalfLives) rebase(time_ns);
  auto found = entries_.find(server);
  if (found == entries_.end()) {
    Entry entry;
    if (entries_.size() >= capacity_) {
      const auto lightest = by_weight_.begin();
      entry.weight = entry.error = lightest->first;
      entries_.erase(lightest->second);
      by_weight_.erase(lightest);
      ++forgotten_;
    }
    found = entries_.emplace(server, entry).first;
  } else {
    by_weight_.erase({found->second.weight, server});
  }
  Entry& entry = found->second;
  entry.weight += std::exp2(std::max(half_lives_since_start(time_ns), -kMostHalfLives));
  ++entry.refused;
  ++entry.by_cause[static_cast<std::size_t>(cause)];
  entry.last_ns = std::max(entry.last_ns, time_ns);
  by_weight_.emplace(entry.weight, server);
}

std::vector<WorstServer> WorstServers::worst(std::size_t most, flowtable::TimeNs now_ns) const {
  std::vector<WorstServer> list;
  list.reserve(entries_.size());
  for (const auto& [server, entry] : entries_) {
    const auto frequent = std::max_element(entry.by_cause.begin(), entry.by_cause.end());
    list.push_back({.server = server,
                    .recent = (entry.weight - entry.error) * std::exp2(-half_lives_since_start(now_ns)),
                    .refused = entry.refused,
                    .cause = static_cast<diagnose::Cause>(frequent - entry.by_cause.begin()),
                    .of_that_cause = *frequent,
                    .last_ns = entry.last_ns});
  }
  const auto worse = [](const WorstServer& a, const WorstServer& b) {
    return a.recent != b.recent ? a.recent > b.recent : a.server < b.server;
  };
  const std::size_t kept = std::min(most, list.size());
  std::partial_sort(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(kept), list.end(), worse);
  list.resize(kept);
  return list;
}

}  // namespace doorslam::metrics
