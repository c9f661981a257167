#include "pipeline/alert/ecs_alert.h"

#include <algorithm>
#include <array>

#include "pipeline/alert/ecs_record.h"
#include "pipeline/alert/incident_steps.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/ladder.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::alert {

namespace {

using diagnose::Cause;

/// By diagnose::Worry, and one beyond.
constexpr std::array kSeverities = {21, 47, 73, 99};

void add_count(EcsRecord& record, const DistinctCount& count) {
  record.number("count", count.count);
  record.flag("lower_bound", count.lower_bound);
  if (count.estimate != 0) record.number("estimate", count.estimate);
}

void add_event(EcsRecord& record, const AlertEvent& event) {
  const Incident& incident = event.incident;
  record.open("event");
  record.word("kind", "alert");
  record.open_list("category");
  record.word_item("network");
  record.close_list();
  record.open_list("type");
  record.word_item("connection");
  record.word_item(diagnose::traits_of(incident.cause).denial ? "denied" : "info");
  record.close_list();
  record.word("outcome", "failure");
  record.word("action", action_name(event.action));
  std::string reason(diagnose::guide_entry(incident.cause).sentence);
  if (const std::string pattern = pattern_words(incident); !pattern.empty()) reason += ' ' + pattern;
  record.text("reason", reason);
  StableId id = alert_id(event);
  record.word("id", id.text());
  record.number("severity", severity_of(incident));
  record.word("dataset", "doorslam.alert");
  record.word("module", "doorslam");
  const IncidentTimes times = times_of(incident);
  record.time("start", times.first_ns);
  record.time("end", times.last_ns);
  record.number("duration", times.last_ns - times.first_ns);
  record.close();
}

void add_rule(EcsRecord& record, Cause cause) {
  const diagnose::GuideEntry& guide = diagnose::guide_entry(cause);
  record.open("rule");
  record.word("id", name_of(cause));
  record.text("name", guide.title);
  record.text("description", guide.definition);
  record.word("category", diagnose::traits_of(cause).clients_own ? "failed connection" : "refused connection");
  record.word("ruleset", "doorslam");
  record.close();
}

/// The packets of the sample connections, where they were written down.
void add_file(EcsRecord& record, const Incident& incident) {
  if (incident.evidence_file.empty()) return;
  record.open("file");
  record.text("path", incident.evidence_file);
  record.word("type", "file");
  record.word("extension", "pcapng");
  record.word("mime_type", "application/x-pcapng");
  record.close();
}

/// Who and where, as far as the incident is about one client, one server and one port.
void add_parties(EcsRecord& record, const Incident& incident) {
  if (incident.distinct_clients.count == 1 && !incident.distinct_clients.lower_bound) {
    record.open("source");
    record.address("ip", incident.client);
    record.close();
  }
  if (incident.scope == IncidentScope::endpoint || incident.scope == IncidentScope::server) {
    record.open("destination");
    record.address("ip", incident.server.address);
    if (incident.scope == IncidentScope::endpoint) record.number("port", incident.server.port);
    record.close();
  }
  record.open("network");
  record.word("transport", "tcp");
  record.word("type", incident.server.address.version == flowtable::IpVersion::v6 ? "ipv6" : "ipv4");
  if (const std::string protocol = protocol_of(incident); !protocol.empty()) record.text("protocol", protocol);
  record.close();
  record.open("related");
  record.open_list("ip");
  for (const flowtable::IpAddress& server : incident.sample_servers) record.address_item(server);
  for (const ClientTally& client : incident.sample_clients) record.address_item(client.address);
  record.close_list();
  record.close();
}

/// How its connections were read; left out in an incident without any.
void add_reasons(EcsRecord& record, const Incident& incident) {
  if (incident.reasons.empty()) return;
  record.open_list("reasons");
  for (const ReasonTally& reason : incident.reasons) {
    record.open();
    record.word("cause", name_of(reason.cause));
    if (!reason.signature.empty()) record.word("signature", reason.signature);
    record.number("refused", reason.refused);
    record.close();
  }
  record.close_list();
  if (incident.reasons_left_out != 0) record.number("reasons_left_out", incident.reasons_left_out);
}

void add_incident(EcsRecord& record, const Incident& incident) {
  record.open("incident");
  record.word("id", StableId().mix(incident.id).text());
  record.word("scope", name_of(incident.scope));
  if (incident.folded_into != 0) record.word("folded_into", StableId().mix(incident.folded_into).text());
  if (incident.reopened != 0) record.number("reopened", incident.reopened);
  if (incident.ftp_control) {
    record.open("ftp_control");
    record.address("ip", incident.ftp_control->address);
    record.number("port", incident.ftp_control->port);
    record.close();
  }
  record.number("refused", incident.refused);
  record.number("refused_since_update", incident.refused_since_update);
  add_reasons(record, incident);
  if (incident.turned_away_before != 0) record.number("turned_away_before", incident.turned_away_before);
  record.time("first_seen", incident.first_ns);
  record.time("last_seen", incident.last_ns);
  record.time("first_ended", incident.first_end_ns);
  record.time("last_ended", incident.last_end_ns);
  record.open("clients");
  add_count(record, incident.distinct_clients);
  record.open_list("sample");
  for (const ClientTally& client : incident.sample_clients) {
    record.open();
    record.address("ip", client.address);
    record.number("refused", client.refused);
    record.number("served", client.served);
    record.close();
  }
  record.close_list();
  if (!incident.refused_prefixes.empty()) {
    record.open_list("prefixes");
    for (const RefusedPrefix& refused : incident.refused_prefixes) {
      record.open();
      record.text("prefix", text_of(refused.prefix));
      record.number("clients", refused.clients);
      record.close();
    }
    record.close_list();
  }
  record.close();
  record.open("servers");
  add_count(record, incident.distinct_servers);
  record.open_list("sample");
  for (const flowtable::IpAddress& server : incident.sample_servers) record.address_item(server);
  record.close_list();
  record.close();
  record.open("ports");
  add_count(record, incident.distinct_ports);
  record.open_list("sample");
  for (const std::uint16_t port : incident.sample_ports) record.number_item(port);
  record.close_list();
  record.close();
  record.close();
}

void add_limit(EcsRecord& record, const diagnose::LearnedLimit& limit) {
  record.open("limit");
  record.word("counts", kLimitNames[static_cast<std::size_t>(limit.kind)]);
  record.number("ceiling", limit.ceiling);
  record.number("met", limit.met);
  record.number("refused_at_ceiling", limit.refused_from);
  record.number("refused_below", limit.refused_below);
  record.number("served_at_ceiling", limit.served_from);
  record.number("served_below", limit.served_below);
  record.ratio("confidence", limit.confidence);
  record.close();
}

void add_stack(EcsRecord& record, std::string_view key, const tcp::AnsweringStack& stack) {
  record.open(key);
  record.number("ttl", stack.ttl);
  record.number("window", stack.window);
  record.flag("dont_fragment", stack.dont_fragment);
  record.flag("ip_id_zero", stack.ip_id_zero);
  record.close();
}

void add_one_server(EcsRecord& record, const diagnose::OneOfServers& one) {
  record.open("one_server");
  record.number("others", one.others);
  record.word("told_by", one.by_clocks ? "clocks" : "habits");
  record.number("clients_of_both", one.clients_of_both);
  if (!one.by_clocks) {
    add_stack(record, "refusing", one.refusing);
    add_stack(record, "serving", one.serving);
  }
  record.number("refused", one.refused);
  record.number("served", one.served);
  record.number("refused_elsewhere", one.refused_elsewhere);
  record.number("served_elsewhere", one.served_elsewhere);
  record.close();
}

/// Durations in seconds, as the figures of the clock.
void add_times(EcsRecord& record, const RefusedTimes& times) {
  const auto seconds = [](flowtable::DurationNs ns) { return static_cast<std::uint64_t>(ns / flowtable::kSecondNs); };
  record.open("refused_times");
  record.word("of", kTimesNames[static_cast<std::size_t>(times.kind)]);
  record.number("count", times.cycles);
  if (times.kind == TimesKind::spells) {
    record.number("shortest_seconds", seconds(times.shortest_ns));
    record.number("longest_seconds", seconds(times.longest_ns));
    record.number("least_apart_seconds", seconds(times.least_apart_ns));
    record.number("most_apart_seconds", seconds(times.most_apart_ns));
  } else {
    record.number("from_seconds", times.from_seconds);
    record.number("to_seconds", times.to_seconds);
  }
  record.number("refused_within", times.refused_within);
  record.number("refused", times.refused);
  record.number("served_within", times.served_within);
  record.number("served", times.served);
  record.ratio("chance", times.chance);
  record.close();
}

void add_contrast(EcsRecord& record, const IncidentContrast& contrast) {
  record.open("contrast");
  record.number("served_before", contrast.served_before);
  record.number("served", contrast.served);
  record.number("served_after", contrast.served_after);
  record.open("served_clients");
  add_count(record, contrast.served_clients);
  record.close();
  record.number("served_refused_clients", contrast.served_refused_clients);
  if (contrast.served_on != 0) record.number("served_on", contrast.served_on);
  record.close();
}

void add_ladder(EcsRecord& record, const diagnose::DiagnosedConnection& sample) {
  record.open_list("ladder");
  if (sample.evidence) {
    for (const LadderLine& line : ladder_of(sample.summary, *sample.evidence, record.shows_banner())) {
      record.open();
      if (line.kind == LadderLine::Kind::left_out) {
        record.number("left_out", line.count);
        record.close();
        continue;
      }
      record.number("offset", line.since_start_ns);
      // An ICMP error comes from neither end as such: it tells who reports, and whose packet could not be delivered.
      record.word(line.kind == LadderLine::Kind::icmp ? "about" : "from",
                  line.side == tcp::Side::originator ? "client" : "server");
      if (line.kind == LadderLine::Kind::icmp) {
        record.address("reporter", line.reporter);
      } else {
        record.word("flags", line.flags);
        record.number("seq", line.seq);
        if (line.has_ack) record.number("ack", line.ack);
        record.number("length", line.length);
        record.number("window", line.window);
      }
      record.number("ttl", line.ttl);
      if (!line.note.empty()) record.text("note", line.note);
      record.close();
    }
  }
  record.close_list();
}

/// Which connection the ladder and the hypotheses are of.
void add_sample(EcsRecord& record, const diagnose::DiagnosedConnection& sample) {
  const tcp::ConnectionSummary& summary = sample.summary;
  record.open("sample");
  StableId id = flow_id(summary);
  record.word("flow_id", id.text());
  record.add_network(summary.originator, summary.responder, summary.vlan);
  record.open("client");
  record.address("ip", summary.originator.address);
  record.number("port", summary.originator.port);
  record.close();
  record.open("server");
  record.address("ip", summary.responder.address);
  record.number("port", summary.responder.port);
  record.close();
  record.time("start", summary.start_ns);
  record.word("stage", name_of(summary.stage));
  record.word("conn_state", name_of(summary.conn_state));
  if (summary.history.length != 0) record.word("history", summary.history.view());
  record.ratio("confidence", sample.diagnosis.confidence);
  record.close();
}

void add_quality_object(EcsRecord& record, std::string_view key, const CaptureQuality& quality) {
  record.open(key);
  record.number("connections", quality.connections);
  record.number("one_sided", quality.one_sided);
  record.number("mid_stream", quality.mid_stream);
  record.number("with_gaps", quality.with_gaps);
  record.number("gap_bytes", quality.gap_bytes);
  record.ratio("loss_ratio", quality.loss_ratio());
  record.number("duplicates", quality.duplicates);
  record.number("evidence_missing", quality.evidence_missing);
  record.number("port_drops", quality.port_drops);
  record.number("expected_refusals", quality.expected);
  record.close();
}

}  // namespace

StableId alert_id(const AlertEvent& event) noexcept {
  StableId id;
  return id.mix(event.incident.id)
      .mix(static_cast<std::uint64_t>(event.action))
      .mix(static_cast<std::uint64_t>(event.time_ns));
}

int severity_of(const Incident& incident) noexcept {
  constexpr std::uint64_t kManyClients = 5;
  constexpr std::uint64_t kManyRefused = 10;
  constexpr double kDoubtful = 0.5;
  auto level = static_cast<std::size_t>(diagnose::traits_of(incident.cause).worry);
  // Many clients refused, nobody served and no session that went on is an outage, whatever its cause.
  const bool of_one_server = incident.scope == IncidentScope::endpoint || incident.scope == IncidentScope::server;
  const bool serves_nobody = incident.contrast.served + incident.contrast.served_on == 0;
  const bool outage = of_one_server && serves_nobody && incident.refused >= kManyRefused &&
                      incident.distinct_clients.count >= kManyClients;
  if (outage) ++level;
  const bool poorly_seen = 2 * incident.quality.one_sided > incident.quality.connections;
  // Where no cause is named, there is none to be in doubt of.
  const bool doubtful = incident.mean_confidence < kDoubtful && incident.cause != Cause::unknown;
  if ((doubtful || poorly_seen) && level > 0) --level;
  return kSeverities[std::min(level, kSeverities.size() - 1)];
}

class AlertEncoder::Impl {
 public:
  explicit Impl(const EncoderOptions& options) : record_(options) {}

  std::string_view encode(const AlertEvent& event) {
    const Incident& incident = event.incident;
    record_.begin();
    record_.time("@timestamp", event.time_ns);
    record_.text("message", headline(incident));
    add_event(record_, event);
    add_rule(record_, incident.cause);
    add_parties(record_, incident);
    add_file(record_, incident);
    record_.open("doorslam");
    record_.word("cause", name_of(incident.cause));
    record_.ratio("confidence", incident.mean_confidence);
    add_incident(record_, incident);
    add_contrast(record_, incident.contrast);
    if (incident.sample.diagnosis.limit) add_limit(record_, *incident.sample.diagnosis.limit);
    if (incident.sample.diagnosis.one_server) add_one_server(record_, *incident.sample.diagnosis.one_server);
    if (incident.times) add_times(record_, *incident.times);
    add_sample(record_, incident.sample);
    add_ladder(record_, incident.sample);
    record_.add_hypotheses(incident.sample.diagnosis.hypotheses);
    record_.add_findings(incident.sample.diagnosis);
    add_quality_object(record_, "quality", incident.quality);
    add_quality_object(record_, "capture", event.capture);
    record_.texts("next_steps", steps_of(incident));
    record_.close();
    record_.add_observer();
    return record_.end();
  }

 private:
  EcsRecord record_;
};

AlertEncoder::AlertEncoder(const EncoderOptions& options) : impl_(std::make_unique<Impl>(options)) {}
AlertEncoder::~AlertEncoder() = default;
AlertEncoder::AlertEncoder(AlertEncoder&&) noexcept = default;
AlertEncoder& AlertEncoder::operator=(AlertEncoder&&) noexcept = default;

std::string_view AlertEncoder::encode(const AlertEvent& event) { return impl_->encode(event); }

}  // namespace doorslam::alert
