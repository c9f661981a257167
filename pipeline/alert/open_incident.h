#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/distinct_sketch.h"
#include "pipeline/alert/incident.h"
#include "pipeline/alert/served_meanwhile.h"

namespace doorslam::alert {

/// Adds one connection to the figures.
void add_quality(CaptureQuality& quality, const tcp::ConnectionSummary& summary);

/// An incident that still grows: the sets behind the counts of an Incident. Memory bounded by `exact` entries a set.
class OpenIncident {
 public:
  /// `first` is the refused connection that opens it (not counted yet: add() it). All of one log have the same `hash`.
  OpenIncident(IncidentScope scope, const diagnose::DiagnosedConnection& first, std::size_t exact, const KeyHash& hash);

  void add(const diagnose::DiagnosedConnection& refused);
  /// The same of one that is known to have begun before anybody was served again: who is served from then on was not
  /// served meanwhile, though it may have ended later.
  void add_last(const diagnose::DiagnosedConnection& refused);
  /// Keeps the frames of a refused connection, of at most `most` connections.
  void keep_frames(const diagnose::DiagnosedConnection& refused, std::size_t most);
  /// A served connection: meanwhile, or before where it started earlier than the first refused one. `held_until_ns`: as
  /// held_until().
  void add_served(const flowtable::IpAddress& client, flowtable::TimeNs start_ns, flowtable::TimeNs held_until_ns);
  void add_served_before(std::uint64_t connections) noexcept { incident_.contrast.served_before += connections; }
  void add_turned_away_before(std::uint64_t connections) noexcept { incident_.turned_away_before += connections; }
  /// Takes over all that `other` has counted; of the same endpoint, not what was served there, which both have seen.
  void absorb(const OpenIncident& other);

  /// The incident as it stands, with the `samples` most refused clients.
  Incident snapshot(std::size_t samples) const;
  /// An update has been told.
  void mark_told() noexcept { incident_.refused_since_update = 0; }
  bool has_news() const noexcept { return incident_.refused_since_update != 0; }

  std::uint64_t id() const noexcept { return incident_.id; }
  IncidentScope scope() const noexcept { return incident_.scope; }
  diagnose::Cause cause() const noexcept { return incident_.cause; }
  const flowtable::Endpoint& server() const noexcept { return incident_.server; }
  const flowtable::IpAddress& client() const noexcept { return incident_.client; }
  flowtable::TimeNs first_ns() const noexcept { return incident_.first_ns; }
  /// Refusals of it that are to be absorbed began then: what was served since counts as served meanwhile.
  void reach_back_to(flowtable::TimeNs since_ns) noexcept {
    incident_.first_ns = std::min(incident_.first_ns, since_ns);
  }
  std::uint64_t refused() const noexcept { return incident_.refused; }
  /// Over its connections, how probable their readings call this cause.
  double probability_sum(diagnose::Cause cause) const noexcept {
    return probabilities_[static_cast<std::size_t>(cause)];
  }
  double mean_confidence() const noexcept;
  /// Its connections that were read as of this cause, as far as they are told apart.
  std::uint64_t count_read_as(diagnose::Cause cause) const noexcept;
  /// No other client than `client` was refused.
  bool concerns_only(const flowtable::IpAddress& client) const noexcept;

  bool is_of_ftp_data() const noexcept { return incident_.ftp_control.has_value(); }

  void set_reopened(std::uint32_t times) noexcept { incident_.reopened = times; }
  std::uint32_t reopened() const noexcept { return incident_.reopened; }

  // State of the log that holds it.
  std::uint32_t quiet_doublings = 0;  ///< of the time without a refusal after which it closes
  flowtable::TimeNs last_judged_ns = 0;
  flowtable::TimeNs next_update_ns = 0;
  bool announced = false;
  bool foldable = false;

 private:
  void count(const diagnose::DiagnosedConnection& refused);
  // Parts of absorb(), in this order.
  void absorb_clients(const OpenIncident& other);
  void absorb_served(const OpenIncident& other);
  void absorb_served_to_client(const OpenIncident& other);
  /// When it began to refuse: whom a crash cuts off may have come long before.
  flowtable::TimeNs begin_ns() const noexcept;
  void reach_last_refusal() noexcept;
  void add_client(const flowtable::IpAddress& client);
  void count_beyond(const flowtable::IpAddress& client);
  void add_served_client(const flowtable::IpAddress& client);
  void add_port(std::uint16_t port);
  void add_server(const flowtable::IpAddress& server);
  /// The clients in the order in which they are told.
  std::vector<ClientTally> tallies() const;
  std::vector<RefusedPrefix> refused_prefixes() const;
  void keep_frames(const FrameSample& sample);
  void consider_sample(const diagnose::DiagnosedConnection& candidate);
  void add_probabilities(const diagnose::Diagnosis& diagnosis);
  void add_reason(diagnose::Cause cause, const std::string& signature, std::uint64_t refused);

  std::size_t exact_;
  Incident incident_;
  std::size_t most_sentences_ = 0;  ///< argued of a sample so far
  std::size_t most_frame_samples_ = 0;
  std::array<double, diagnose::kCauseCount> probabilities_{};  ///< summed over the connections
  ServedMeanwhile served_;
  flowtable::TimeNs reached_ns_ = flowtable::kNoTime;  ///< end of the last refusal that served_ knows of
  std::unordered_map<flowtable::IpAddress, ClientTally, KeyHash> clients_;
  std::unique_ptr<DistinctSketch> all_clients_;  ///< once there are more than `exact_`
  std::unordered_set<flowtable::IpAddress, KeyHash> served_clients_;
  std::unordered_set<flowtable::IpAddress, KeyHash> earlier_clients_;  ///< served before the first refusal
  std::unordered_set<flowtable::IpAddress, KeyHash> servers_;
  std::unique_ptr<DistinctSketch> all_servers_;  ///< once there are more than `exact_`
  std::vector<bool> ports_;                      ///< by port; empty where the scope has one port
};

}  // namespace doorslam::alert
