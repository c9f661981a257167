#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flowtable/hash_key.h"
#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/alert/expected_refusal.h"
#include "pipeline/alert/prefix_cover.h"
#include "pipeline/alert/refused_times.h"
#include "pipeline/diagnose/diagnosis.h"

/// What the incident log makes of many refused connections: few things to tell a person.
namespace doorslam::alert {

/// What one incident covers. Only causes below the application fold: a scan is one incident, not one a port. Beside
/// them, whom an endpoint turns away in silence while it serves no newcomer is one incident, whatever each was taken
/// for; of unknown cause where no cause is likely enough.
enum class IncidentScope : std::uint8_t {
  endpoint,  ///< one (server address, port, cause)
  /// One (server address, cause), many ports: a port scan, a host that is down, or data connections of FTP.
  server,
  client,      ///< one (client address, cause), many servers: a sweep, or a client cut off from the network
  everywhere,  ///< one cause, more servers than the log has room for
};

enum class AlertAction : std::uint8_t { opened, updated, closed };

/// A client of an incident.
struct ClientTally {
  flowtable::IpAddress address;
  std::uint64_t refused = 0;
  std::uint64_t served = 0;  ///< connections of this client served by the same endpoint meanwhile
};

/// Connections of an incident that were read alike.
struct ReasonTally {
  diagnose::Cause cause = diagnose::Cause::unknown;
  std::string signature;  ///< whose words were said; empty: none that a signature knows
  std::uint64_t refused = 0;
};

/// A number of distinct things, counted exactly up to a bound.
struct DistinctCount {
  std::uint64_t count = 0;
  bool lower_bound = false;    ///< true: the bound was reached, there may be more
  std::uint64_t estimate = 0;  ///< how many there are, to within about 3 %; 0 where `count` is exact, or nobody knows
};

/// How good the capture was: what the reader must know before believing the diagnosis.
struct CaptureQuality {
  std::uint64_t connections = 0;       ///< over which the other figures go
  std::uint64_t one_sided = 0;         ///< connections of which one direction is missing
  std::uint64_t mid_stream = 0;        ///< connections without their beginning
  std::uint64_t with_gaps = 0;         ///< connections with octets that were acknowledged but never seen
  std::uint64_t gap_bytes = 0;         ///< those octets
  std::uint64_t payload_bytes = 0;     ///< octets that were sent, those among them
  std::uint64_t duplicates = 0;        ///< mirror duplicates dropped
  std::uint64_t evidence_missing = 0;  ///< connections whose evidence found no room
  std::uint64_t expected = 0;          ///< refusals that are in no incident because IncidentOptions::expected says so
  std::uint64_t port_drops = 0;        ///< packets that the capture port lost, as note_port_drops() said

  /// Share of the stream that the capture lost, 0 to 1.
  double loss_ratio() const noexcept;
};

/// What was served beside the refusals, by the connections' starts. (Whom a crash met was cut off long after its start:
/// so the first cut is its first refusal.) On the endpoint; with scope `server` on the server; with scope `client`
/// to the client, anywhere (until it had met many servers, by those that had refused it). Nothing with scope
/// `everywhere`.
struct IncidentContrast {
  std::uint64_t served_before = 0;  ///< connections served that started before the first refusal, as far as remembered
  std::uint64_t served = 0;         ///< from then on until the last refusal, but for two seconds at least
  std::uint64_t served_after = 0;   ///< since then
  DistinctCount served_clients;     ///< the clients of both
  std::uint64_t served_refused_clients = 0;  ///< refused clients among them
  /// Sessions whose beginning was not captured, with payload in both directions, that ended after the first refusal: so
  /// the server serves somebody, which says nothing of newcomers. Not in `served` and `served_after`; those with
  /// packets before the first refusal are in `served_before` too.
  std::uint64_t served_on = 0;
};

/// A refused connection whose frames were kept, for the evidence file.
struct FrameSample {
  tcp::ConnectionSummary summary;
  std::shared_ptr<const tcp::Evidence> evidence;  ///< never null; so the next
  std::shared_ptr<const tcp::FrameTrace> frames;
  double confidence = 0.0;  ///< of its reading
};

/// One incident as it stands when an alert tells of it. Self-contained.
struct Incident {
  std::uint64_t id = 0;  ///< stable over reruns of the same input
  IncidentScope scope = IncidentScope::endpoint;
  diagnose::Cause cause = diagnose::Cause::unknown;
  flowtable::Endpoint server;          ///< scope `endpoint`; port 0 with scope `server`; the sample's otherwise
  flowtable::IpAddress client;         ///< the only client where distinct_clients is 1, or with scope `client`
  flowtable::TimeNs first_ns = 0;      ///< start of the first refused connection
  flowtable::TimeNs last_ns = 0;       ///< start of the latest refused connection
  flowtable::TimeNs first_end_ns = 0;  ///< the earliest end of a refused connection (diagnose::close_time)
  flowtable::TimeNs last_end_ns = 0;   ///< and the latest
  std::uint64_t refused = 0;           ///< connections
  std::uint64_t refused_since_update = 0;
  std::vector<ClientTally> sample_clients;  ///< most refused first
  DistinctCount distinct_clients;
  /// Where addresses may decide (a list, a packet filter) and other clients were served: what holds all refused clients
  /// that were never served and none that was, as far as both are known.
  std::vector<RefusedPrefix> refused_prefixes;
  std::vector<std::uint16_t> sample_ports;  ///< of the servers, in order of appearance
  DistinctCount distinct_ports;
  std::vector<flowtable::IpAddress> sample_servers;  ///< in order of appearance
  DistinctCount distinct_servers;
  double mean_confidence = 0.0;  ///< in the cause, over the refused connections' diagnoses
  /// How its connections were read one by one, most frequent first. Several where they said different things, and where
  /// causes fold: in an outage in silence, and in a port scan.
  std::vector<ReasonTally> reasons;
  /// Of scope `server`: the connections are data connections of FTP sessions with this server, whose own they are or,
  /// from port 20, their clients'.
  std::optional<flowtable::Endpoint> ftp_control;
  std::uint64_t reasons_left_out = 0;  ///< connections of further reasons than are told apart
  /// Of an outage in silence: connections turned away likewise by the same endpoint, but before it last served
  /// somebody. They are in no incident.
  std::uint64_t turned_away_before = 0;
  diagnose::DiagnosedConnection sample;    ///< the refused connection with the most evidence
  std::vector<FrameSample> frame_samples;  ///< the first refused, of several clients where there were several
  std::string evidence_file;               ///< with the packets of those; empty: there is none
  IncidentContrast contrast;
  /// With scope `endpoint`, where the endpoint's refusals, of whatever cause above the SYN, come at times of their own.
  std::optional<RefusedTimes> times;
  CaptureQuality quality;         ///< of this incident's connections
  std::uint32_t reopened = 0;     ///< times that it came back soon after it had closed; see IncidentOptions::flap_ns
  std::uint64_t folded_into = 0;  ///< closed because that wider incident took over; 0: not so
};

struct AlertEvent {
  AlertAction action = AlertAction::opened;
  flowtable::TimeNs time_ns = 0;  ///< packet time at which it was decided
  Incident incident;
  CaptureQuality capture;  ///< of everything observed up to then
};

struct IncidentOptions {
  /// At most one update per incident in this; a millisecond at least.
  flowtable::DurationNs update_interval_ns = 60 * flowtable::kSecondNs;
  /// Closed after so long without a refusal; a millisecond at least.
  flowtable::DurationNs quiet_ns = 300 * flowtable::kSecondNs;
  flowtable::DurationNs fold_wait_ns = 2 * flowtable::kSecondNs;  ///< foldable incidents are held back so long
  /// What opens again within this after closing comes and goes: it then stays open twice as long as the time before, up
  /// to 16 times quiet_ns, so that it makes fewer alerts. 0: never.
  flowtable::DurationNs flap_ns = 3600 * flowtable::kSecondNs;
  std::size_t sample_clients = 10;  ///< clients named in an alert
  std::size_t frame_samples = 5;    ///< connections whose frames are kept for an incident
  std::size_t exact_clients = 512;  ///< distinct clients (ports, servers) counted exactly per incident
  std::size_t fold_ports = 10;      ///< more ports of one server than this are one incident
  std::size_t fold_servers = 10;    ///< more servers refused to one client than this are one incident
  /// Incidents open at a time; beyond, one `everywhere` incident a cause. As many endpoints are remembered with their
  /// times, with what they turned away in silence, and for flapping.
  std::size_t max_open = 1024;
  std::size_t max_endpoints = 16'384;       ///< endpoints whose served connections are remembered
  std::size_t max_clients = 65'536;         ///< clients watched for sweeps
  std::vector<ExpectedRefusal> expected{};  ///< refusals that are no news
  /// For captures, to be repeatable; live traffic takes a random one.
  flowtable::HashKey hash_key = flowtable::HashKey::fixed();

  friend bool operator==(const IncidentOptions&, const IncidentOptions&) = default;
};

/// Turns a stream of diagnosed connections into opened, updated and closed incidents. Time comes with the records
/// (judged_ns) and must not go back. The result depends on the order of observe() calls alone, not on how often
/// advance() is called between them. Bounded memory: see IncidentOptions. Not thread-safe.
class IncidentLog {
 public:
  explicit IncidentLog(const IncidentOptions& options = {});
  ~IncidentLog();
  IncidentLog(IncidentLog&&) noexcept;
  IncidentLog& operator=(IncidentLog&&) noexcept;

  /// Appends to `out` what this connection, and the time that has passed with it, lead to.
  void observe(const diagnose::DiagnosedConnection& connection, std::vector<AlertEvent>& out);

  /// Packet time has reached `now`: updates and closes what is due. No later connection may be judged before `now`.
  void advance(flowtable::TimeNs now, std::vector<AlertEvent>& out);

  /// The source ended: opens what waited to fold and closes everything; what was turned away in silence and is no
  /// outage is dropped.
  void finish(std::vector<AlertEvent>& out);

  /// Total of packets lost by the capture port so far (imissed and the like); goes into CaptureQuality.
  void note_port_drops(std::uint64_t total) noexcept;

  /// From now on with these thresholds; what is open keeps the time of its next look. Memory that was provided for
  /// max_endpoints and max_clients stays, and so does the key.
  void reconfigure(const IncidentOptions& options);

  /// Refusals so far that are in no incident because they were expected.
  std::uint64_t expected_refusals() const noexcept;

  /// Incidents open now, those that wait to fold included.
  std::size_t open_count() const noexcept;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// "incident-opened" and so on: ECS event.action of an alert.
std::string_view action_name(AlertAction action) noexcept;
/// "endpoint" and so on.
std::string_view name_of(IncidentScope scope) noexcept;

}  // namespace doorslam::alert
