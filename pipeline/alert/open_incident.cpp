#include "pipeline/alert/open_incident.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <iterator>
#include <tuple>

#include "pipeline/alert/ecs_record.h"
#include "pipeline/base/add_words.h"
#include "pipeline/diagnose/ending.h"

namespace doorslam::alert {

namespace {

constexpr std::size_t kSamplePorts = 16;
constexpr std::size_t kSampleServers = 16;
constexpr std::size_t kPorts = 65'536;
/// Told apart in one incident.
constexpr std::size_t kReasons = 16;

/// How much a connection has to show of the incident's cause by itself: a whole view before a partial one, then known
/// words.
auto worth_showing(const diagnose::DiagnosedConnection& connection, diagnose::Cause cause) {
  const tcp::ConnectionSummary& summary = connection.summary;
  const bool whole =
      !summary.one_sided && !summary.mid_stream && summary.side[0].gap_bytes == 0 && summary.side[1].gap_bytes == 0;
  return std::tuple(connection.diagnosis.cause == cause, connection.evidence != nullptr, whole,
                    connection.diagnosis.signature.has_value());
}

/// What was argued of it.
std::size_t sentences_of(const diagnose::DiagnosedConnection& connection) {
  std::size_t sentences = 0;
  for (const diagnose::Hypothesis& hypothesis : connection.diagnosis.hypotheses) {
    sentences += hypothesis.evidence_for.size() + hypothesis.evidence_against.size();
  }
  return sentences;
}

std::uint64_t stable_id(IncidentScope scope, const diagnose::DiagnosedConnection& first) {
  StableId id;
  id.mix(static_cast<std::uint64_t>(scope)).mix(static_cast<std::uint64_t>(first.diagnosis.cause));
  id.mix(first.summary.originator).mix(first.summary.responder);
  id.mix(static_cast<std::uint64_t>(first.summary.start_ns)).mix(first.summary.id);
  return id.value();
}

constexpr auto address_of_tally = [](const auto& entry) { return entry.first; };

/// The sketch, made of what is known one by one where it is not there yet. `address_of` says whose an entry is.
template <class Known, class AddressOf>
DistinctSketch& sketch_of(std::unique_ptr<DistinctSketch>& sketch, const Known& known, AddressOf address_of) {
  if (sketch) return *sketch;
  sketch = std::make_unique<DistinctSketch>();
  for (const auto& entry : known) sketch->add(known.hash_function()(address_of(entry)));
  return *sketch;
}

/// In the order of their addresses: which of them finds room must not hang on the hash.
template <class Addresses>
std::vector<flowtable::IpAddress> in_order(const Addresses& addresses) {
  std::vector<flowtable::IpAddress> sorted(addresses.begin(), addresses.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

/// The most refused first, among equals in the order of their addresses.
bool is_told_before(const ClientTally& a, const ClientTally& b) {
  return a.refused != b.refused ? a.refused > b.refused : a.address < b.address;
}

}  // namespace

void add_quality(CaptureQuality& quality, const tcp::ConnectionSummary& summary) {
  const std::uint64_t gaps = std::uint64_t{summary.side[0].gap_bytes} + summary.side[1].gap_bytes;
  ++quality.connections;
  quality.one_sided += summary.one_sided;
  quality.mid_stream += summary.mid_stream;
  quality.with_gaps += gaps != 0;
  quality.gap_bytes += gaps;
  quality.payload_bytes += summary.side[0].payload_bytes + summary.side[1].payload_bytes;
  quality.duplicates += summary.duplicates;
  quality.evidence_missing += summary.evidence_missing;
}

OpenIncident::OpenIncident(IncidentScope scope, const diagnose::DiagnosedConnection& first, std::size_t exact,
                           const KeyHash& hash)
    : exact_(exact), clients_(0, hash), served_clients_(0, hash), earlier_clients_(0, hash), servers_(0, hash) {
  incident_.id = stable_id(scope, first);
  incident_.scope = scope;
  incident_.cause = first.diagnosis.cause;
  incident_.server = first.summary.responder;
  if (scope == IncidentScope::server) incident_.server.port = 0;
  if (scope == IncidentScope::server) incident_.ftp_control = first.diagnosis.ftp_control;
  incident_.client = first.summary.originator.address;
  incident_.first_ns = first.summary.start_ns;
  incident_.last_ns = first.summary.start_ns;
  incident_.first_end_ns = diagnose::close_time(first.summary, first.evidence.get());
  incident_.last_end_ns = incident_.first_end_ns;
  if (scope != IncidentScope::endpoint) ports_.resize(kPorts);
}

void OpenIncident::add(const diagnose::DiagnosedConnection& refused) {
  count(refused);
  reached_ns_ = std::max(reached_ns_, incident_.last_end_ns);
  reach_last_refusal();
}

void OpenIncident::add_last(const diagnose::DiagnosedConnection& refused) { count(refused); }

void OpenIncident::count(const diagnose::DiagnosedConnection& refused) {
  const tcp::ConnectionSummary& summary = refused.summary;
  consider_sample(refused);
  // The latest has seen the most.
  if (refused.diagnosis.limit) incident_.sample.diagnosis.limit = refused.diagnosis.limit;
  if (refused.diagnosis.one_server) incident_.sample.diagnosis.one_server = refused.diagnosis.one_server;
  ++incident_.refused;
  ++incident_.refused_since_update;
  incident_.first_ns = std::min(incident_.first_ns, summary.start_ns);
  incident_.last_ns = std::max(incident_.last_ns, summary.start_ns);
  const flowtable::TimeNs end_ns = diagnose::close_time(summary, refused.evidence.get());
  incident_.first_end_ns = std::min(incident_.first_end_ns, end_ns);
  incident_.last_end_ns = std::max(incident_.last_end_ns, end_ns);
  add_probabilities(refused.diagnosis);
  add_reason(refused.diagnosis.cause, refused.diagnosis.signature ? refused.diagnosis.signature->name : std::string(),
             1);
  last_judged_ns = std::max(last_judged_ns, refused.judged_ns);
  add_quality(incident_.quality, summary);
  add_port(summary.responder.port);
  add_server(summary.responder.address);

  add_client(summary.originator.address);
}

void OpenIncident::keep_frames(const diagnose::DiagnosedConnection& refused, std::size_t most) {
  most_frame_samples_ = most;
  if (!refused.frames || !refused.evidence) return;
  keep_frames(FrameSample{refused.summary, refused.evidence, refused.frames, refused.diagnosis.confidence});
}

/// Several clients show more than one that tries again and again.
void OpenIncident::keep_frames(const FrameSample& sample) {
  std::vector<FrameSample>& kept = incident_.frame_samples;
  if (kept.size() < most_frame_samples_) {
    kept.push_back(sample);
    return;
  }
  const auto tries = [&kept](const FrameSample& of) {
    return std::count_if(kept.begin(), kept.end(), [&of](const FrameSample& one) {
      return one.summary.originator.address == of.summary.originator.address;
    });
  };
  if (tries(sample) > 0) return;
  const auto again = std::find_if(kept.rbegin(), kept.rend(), [&](const FrameSample& one) { return tries(one) > 1; });
  if (again == kept.rend()) return;
  kept.erase(std::next(again).base());
  kept.push_back(sample);
}

flowtable::TimeNs OpenIncident::begin_ns() const noexcept {
  return incident_.cause == diagnose::Cause::app_crash ? incident_.first_end_ns : incident_.first_ns;
}

/// A burst of refusals leaves no time to serve anybody.
void OpenIncident::reach_last_refusal() noexcept {
  constexpr flowtable::DurationNs kLeastNs = 2 * flowtable::kSecondNs;
  served_.reach(std::max(reached_ns_, begin_ns() + kLeastNs));
}

void OpenIncident::add_client(const flowtable::IpAddress& client) {
  const auto known = clients_.find(client);
  if (known != clients_.end()) {
    ++known->second.refused;
  } else if (clients_.size() < exact_) {
    const bool served = served_clients_.contains(client);
    clients_.emplace(client, ClientTally{client, 1, served ? std::uint64_t{1} : 0});
  } else {
    count_beyond(client);
  }
}

/// One of more clients than are told apart.
void OpenIncident::count_beyond(const flowtable::IpAddress& client) {
  incident_.distinct_clients.lower_bound = true;
  sketch_of(all_clients_, clients_, address_of_tally).add(clients_.hash_function()(client));
}

void OpenIncident::add_served(const flowtable::IpAddress& client, flowtable::TimeNs start_ns,
                              flowtable::TimeNs held_until_ns) {
  const bool held_on = held_until_ns != flowtable::kNoTime;
  incident_.contrast.served_on += held_on && held_until_ns >= begin_ns();
  if (start_ns < begin_ns()) {
    if (earlier_clients_.size() < exact_) earlier_clients_.insert(client);
    return add_served_before(1);
  }
  if (held_on) return;
  served_.add(start_ns);
  const auto refused = clients_.find(client);
  if (refused != clients_.end()) ++refused->second.served;
  add_served_client(client);
}

void OpenIncident::add_served_client(const flowtable::IpAddress& client) {
  if (served_clients_.size() < exact_) {
    served_clients_.insert(client);
  } else if (!served_clients_.contains(client)) {
    incident_.contrast.served_clients.lower_bound = true;
  }
}

void OpenIncident::absorb(const OpenIncident& other) {
  consider_sample(other.incident_.sample);
  most_frame_samples_ = std::max(most_frame_samples_, other.most_frame_samples_);
  for (const FrameSample& sample : other.incident_.frame_samples) keep_frames(sample);
  incident_.refused += other.incident_.refused;
  incident_.refused_since_update += other.incident_.refused;
  incident_.first_ns = std::min(incident_.first_ns, other.incident_.first_ns);
  incident_.last_ns = std::max(incident_.last_ns, other.incident_.last_ns);
  incident_.first_end_ns = std::min(incident_.first_end_ns, other.incident_.first_end_ns);
  incident_.last_end_ns = std::max(incident_.last_end_ns, other.incident_.last_end_ns);
  reached_ns_ = std::max(reached_ns_, other.reached_ns_);
  for (std::size_t i = 0; i < probabilities_.size(); ++i) probabilities_[i] += other.probabilities_[i];
  for (const ReasonTally& reason : other.incident_.reasons) add_reason(reason.cause, reason.signature, reason.refused);
  incident_.reasons_left_out += other.incident_.reasons_left_out;
  incident_.turned_away_before += other.incident_.turned_away_before;
  last_judged_ns = std::max(last_judged_ns, other.last_judged_ns);

  add_words(incident_.quality, other.incident_.quality);
  for (const std::uint16_t port : other.incident_.sample_ports) add_port(port);
  for (std::size_t port = 0; port < other.ports_.size(); ++port) {
    if (other.ports_[port]) add_port(static_cast<std::uint16_t>(port));
  }
  for (const flowtable::IpAddress& server : other.incident_.sample_servers) add_server(server);
  for (const flowtable::IpAddress& server : in_order(other.servers_)) add_server(server);
  if (other.all_servers_) {
    sketch_of(all_servers_, servers_, std::identity()).merge(*other.all_servers_);
    incident_.distinct_servers.lower_bound = true;
  }
  absorb_clients(other);
  absorb_served(other);
}

void OpenIncident::absorb_clients(const OpenIncident& other) {
  for (const ClientTally& tally : other.tallies()) {
    if (clients_.size() >= exact_ && !clients_.contains(tally.address)) {
      count_beyond(tally.address);
      continue;
    }
    ClientTally& own = clients_.try_emplace(tally.address, ClientTally{tally.address, 0, 0}).first->second;
    own.refused += tally.refused;
    own.served += tally.served;
  }
  if (other.all_clients_) {
    sketch_of(all_clients_, clients_, address_of_tally).merge(*other.all_clients_);
    incident_.distinct_clients.lower_bound = true;
  }
}

/// After absorb_clients().
void OpenIncident::absorb_served(const OpenIncident& other) {
  const bool has_seen_the_same = scope() == IncidentScope::endpoint && other.incident_.server == server();
  if (has_seen_the_same) {
    incident_.contrast.served_on = std::max(incident_.contrast.served_on, other.incident_.contrast.served_on);
    return reach_last_refusal();
  }
  if (scope() == IncidentScope::client) absorb_served_to_client(other);
  if (scope() != IncidentScope::endpoint && scope() != IncidentScope::server) return reach_last_refusal();
  incident_.contrast.served_on += other.incident_.contrast.served_on;
  incident_.contrast.served_before += other.incident_.contrast.served_before;
  served_.absorb(other.served_);
  reach_last_refusal();
  incident_.contrast.served_clients.lower_bound |= other.incident_.contrast.served_clients.lower_bound;
  for (const flowtable::IpAddress& client : in_order(other.served_clients_)) add_served_client(client);
  // Who was refused on one port and served on another is both.
  for (auto& [address, tally] : clients_) {
    if (tally.served == 0 && served_clients_.contains(address)) tally.served = 1;
  }
  for (const flowtable::IpAddress& client : in_order(other.earlier_clients_)) {
    if (earlier_clients_.size() < exact_) earlier_clients_.insert(client);
  }
}

/// Of what the servers of a client's incident served, only what they served to this client belongs to it: at some time
/// since they refused it.
void OpenIncident::absorb_served_to_client(const OpenIncident& other) {
  for (const ClientTally& tally : other.tallies()) {
    if (tally.served == 0) continue;
    served_.add(begin_ns(), tally.served);
    add_served_client(tally.address);
  }
}

std::vector<RefusedPrefix> OpenIncident::refused_prefixes() const {
  const bool of_one_server = scope() == IncidentScope::endpoint || scope() == IncidentScope::server;
  const bool anyone_served = !served_clients_.empty() || !earlier_clients_.empty();
  if (!of_one_server || !anyone_served || !diagnose::traits_of(cause()).by_address) return {};
  std::vector<flowtable::IpAddress> refused;
  std::vector<flowtable::IpAddress> served(served_clients_.begin(), served_clients_.end());
  served.insert(served.end(), earlier_clients_.begin(), earlier_clients_.end());
  for (const auto& [address, tally] : clients_) (tally.served == 0 ? refused : served).push_back(address);
  return prefixes_of(std::move(refused), std::move(served));
}

std::vector<ClientTally> OpenIncident::tallies() const {
  std::vector<ClientTally> sorted;
  sorted.reserve(clients_.size());
  for (const auto& [address, tally] : clients_) sorted.push_back(tally);
  std::sort(sorted.begin(), sorted.end(), is_told_before);
  return sorted;
}

Incident OpenIncident::snapshot(std::size_t samples) const {
  Incident out = incident_;
  out.mean_confidence = mean_confidence();
  std::ranges::sort(out.reasons, [](const ReasonTally& a, const ReasonTally& b) {
    return std::tuple(b.refused, a.cause, a.signature) < std::tuple(a.refused, b.cause, b.signature);
  });
  out.distinct_clients.count = clients_.size();
  if (all_clients_) out.distinct_clients.estimate = std::max<std::uint64_t>(all_clients_->estimate(), clients_.size());
  out.distinct_servers.count = std::max<std::uint64_t>(servers_.size(), 1);
  if (all_servers_) out.distinct_servers.estimate = std::max<std::uint64_t>(all_servers_->estimate(), servers_.size());
  out.distinct_ports.count =
      ports_.empty() ? 1 : static_cast<std::uint64_t>(std::count(ports_.begin(), ports_.end(), true));
  out.contrast.served = served_.meanwhile();
  out.contrast.served_after = served_.afterwards();
  out.contrast.served_clients.count = served_clients_.size();

  out.sample_clients = tallies();
  for (const ClientTally& tally : out.sample_clients) out.contrast.served_refused_clients += tally.served != 0;
  if (out.sample_clients.size() > samples) out.sample_clients.resize(samples);
  out.refused_prefixes = refused_prefixes();
  if (clients_.size() == 1) out.client = clients_.begin()->first;
  return out;
}

double OpenIncident::mean_confidence() const noexcept {
  return refused() == 0 ? 0.0 : probability_sum(cause()) / static_cast<double>(refused());
}

std::uint64_t OpenIncident::count_read_as(diagnose::Cause cause) const noexcept {
  std::uint64_t connections = 0;
  for (const ReasonTally& reason : incident_.reasons) connections += reason.cause == cause ? reason.refused : 0;
  return connections;
}

/// A reading speaks of its own cause by its confidence, and of the others where it has weighed them.
void OpenIncident::add_probabilities(const diagnose::Diagnosis& diagnosis) {
  probabilities_[static_cast<std::size_t>(diagnosis.cause)] += diagnosis.confidence;
  for (const diagnose::Hypothesis& hypothesis : diagnosis.hypotheses) {
    if (hypothesis.cause == diagnosis.cause) continue;
    probabilities_[static_cast<std::size_t>(hypothesis.cause)] += hypothesis.probability;
  }
}

void OpenIncident::add_reason(diagnose::Cause cause, const std::string& signature, std::uint64_t refused) {
  std::vector<ReasonTally>& reasons = incident_.reasons;
  const auto known = std::ranges::find_if(
      reasons, [&](const ReasonTally& one) { return one.cause == cause && one.signature == signature; });
  if (known != reasons.end()) {
    known->refused += refused;
  } else if (reasons.size() < kReasons) {
    reasons.push_back({cause, signature, refused});
  } else {
    incident_.reasons_left_out += refused;
  }
}

bool OpenIncident::concerns_only(const flowtable::IpAddress& client) const noexcept {
  return clients_.size() == 1 && !incident_.distinct_clients.lower_bound && clients_.contains(client);
}

void OpenIncident::add_port(std::uint16_t port) {
  auto& sample = incident_.sample_ports;
  if (sample.size() < kSamplePorts && std::find(sample.begin(), sample.end(), port) == sample.end()) {
    sample.push_back(port);
  }
  if (!ports_.empty()) ports_[port] = true;
}

void OpenIncident::add_server(const flowtable::IpAddress& server) {
  auto& sample = incident_.sample_servers;
  if (sample.size() < kSampleServers && std::find(sample.begin(), sample.end(), server) == sample.end()) {
    sample.push_back(server);
  }
  if (scope() == IncidentScope::endpoint || scope() == IncidentScope::server) return;
  if (servers_.size() < exact_) {
    servers_.insert(server);
  } else if (!servers_.contains(server)) {
    incident_.distinct_servers.lower_bound = true;
    sketch_of(all_servers_, servers_, std::identity()).add(servers_.hash_function()(server));
  }
}

/// Of those with as much to show the latest has seen the most ("8 of 8 refused"), so that its sentences agree with the
/// incident's own figures, unless it argues much less than others did. Copying only so many keeps a flood cheap.
void OpenIncident::consider_sample(const diagnose::DiagnosedConnection& candidate) {
  constexpr std::uint64_t kEachOne = 64;
  const auto candidate_worth = worth_showing(candidate, cause());
  const auto sample_worth = worth_showing(incident_.sample, cause());
  const std::size_t sentences = sentences_of(candidate);
  const bool better = incident_.refused == 0 || candidate_worth > sample_worth;
  const bool as_good = candidate_worth == sample_worth && 4 * sentences >= 3 * most_sentences_;
  const bool its_turn = incident_.refused < kEachOne || std::has_single_bit(incident_.refused + 1);
  if (!better && !(as_good && (its_turn || sentences > most_sentences_))) return;
  most_sentences_ = better ? sentences : std::max(most_sentences_, sentences);
  incident_.sample = candidate;
}

}  // namespace doorslam::alert
