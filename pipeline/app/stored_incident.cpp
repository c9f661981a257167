#include "pipeline/app/stored_incident.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/base/address_prefix.h"
#include "pipeline/base/utf8.h"

namespace doorslam::app {

namespace {

using alert::Incident;
using alert::LadderLine;
using nlohmann::json;

std::string text(const json& object, const char* path) {
  const json& value = value_at(object, path);
  return value.is_string() ? value.get<std::string>() : std::string();
}

/// A whole number that the type holds; 0 otherwise.
template <class Number>
Number number(const json& object, const char* path) {
  const json& value = value_at(object, path);
  if (!value.is_number_integer()) return 0;
  const auto wide = value.get<std::int64_t>();
  return std::in_range<Number>(wide) ? static_cast<Number>(wide) : Number{0};
}

double ratio(const json& object, const char* path) {
  const json& value = value_at(object, path);
  return value.is_number() ? value.get<double>() : 0.0;
}

flowtable::IpAddress address_of(const std::string& words) {
  const auto prefix = parse_prefix(words);
  return prefix ? prefix->address : flowtable::IpAddress();
}

flowtable::TimeNs time(const json& object, const char* path) {
  return alert::time_of(text(object, path)).value_or(flowtable::kNoTime);
}

/// The place of `name` in a list of names in the order of an enumeration; the first where it is none of them.
template <class Enumeration, class Names>
Enumeration named(const Names& names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  return found == names.end() ? Enumeration{} : static_cast<Enumeration>(found - names.begin());
}

template <class Take>
void for_each(const json& object, const char* path, const Take& take) {
  const json& list = value_at(object, path);
  if (!list.is_array()) return;
  for (const json& item : list) take(item);
}

std::vector<std::string> texts(const json& object, const char* path) {
  std::vector<std::string> out;
  for_each(object, path, [&](const json& item) {
    if (item.is_string()) out.push_back(item.get<std::string>());
  });
  return out;
}

bool flag(const json& object, const char* path) {
  const json& value = value_at(object, path);
  return value.is_boolean() && value.get<bool>();
}

alert::DistinctCount distinct(const json& object) {
  return {number<std::uint64_t>(object, "count"), flag(object, "lower_bound"),
          number<std::uint64_t>(object, "estimate")};
}

LadderLine ladder_line(const json& rung) {
  LadderLine line;
  if (rung.contains("left_out")) {
    line.kind = LadderLine::Kind::left_out;
    line.count = number<std::uint32_t>(rung, "left_out");
    return line;
  }
  const bool icmp = rung.contains("reporter");
  line.since_start_ns = number<std::int64_t>(rung, "offset");
  line.side = text(rung, icmp ? "about" : "from") == "server" ? tcp::Side::responder : tcp::Side::originator;
  line.ttl = number<std::uint8_t>(rung, "ttl");
  line.note = for_terminal(text(rung, "note"));
  if (icmp) {
    line.kind = LadderLine::Kind::icmp;
    line.reporter = address_of(text(rung, "reporter"));
    return line;
  }
  line.flags = for_terminal(text(rung, "flags"));
  line.seq = number<std::uint32_t>(rung, "seq");
  line.has_ack = rung.contains("ack");
  line.ack = number<std::uint32_t>(rung, "ack");
  line.length = number<std::uint16_t>(rung, "length");
  line.window = number<std::uint16_t>(rung, "window");
  return line;
}

diagnose::Cause cause_of(const json& object) {
  return diagnose::cause_named(text(object, "cause")).value_or(diagnose::Cause::unknown);
}

void take_clients(const json& clients, Incident& incident) {
  incident.distinct_clients = distinct(clients);
  for_each(clients, "sample", [&](const json& client) {
    incident.sample_clients.push_back({address_of(text(client, "ip")), number<std::uint64_t>(client, "refused"),
                                       number<std::uint64_t>(client, "served")});
  });
  for_each(clients, "prefixes", [&](const json& item) {
    if (const auto prefix = parse_prefix(text(item, "prefix"))) {
      incident.refused_prefixes.push_back({*prefix, number<std::uint32_t>(item, "clients")});
    }
  });
}

void take_counts(const json& record, Incident& incident) {
  const json& own = value_at(record, "doorslam/incident");
  incident.refused = number<std::uint64_t>(own, "refused");
  incident.first_ns = time(own, "first_seen");
  incident.last_ns = time(own, "last_seen");
  incident.first_end_ns = time(own, "first_ended");
  incident.last_end_ns = time(own, "last_ended");
  incident.reopened = number<std::uint32_t>(own, "reopened");
  for_each(own, "reasons", [&](const json& reason) {
    incident.reasons.push_back(
        {cause_of(reason), for_terminal(text(reason, "signature")), number<std::uint64_t>(reason, "refused")});
  });
  if (const json& control = value_at(own, "ftp_control"); control.is_object()) {
    incident.ftp_control = {address_of(text(control, "ip")), number<std::uint16_t>(control, "port")};
  }
  incident.reasons_left_out = number<std::uint64_t>(own, "reasons_left_out");
  incident.turned_away_before = number<std::uint64_t>(own, "turned_away_before");
  take_clients(value_at(own, "clients"), incident);
  incident.distinct_servers = distinct(value_at(own, "servers"));
  for_each(own, "servers/sample", [&](const json& server) {
    if (server.is_string()) incident.sample_servers.push_back(address_of(server.get<std::string>()));
  });
  incident.distinct_ports = distinct(value_at(own, "ports"));
  for_each(own, "ports/sample", [&](const json& port) {
    if (port.is_number_unsigned()) incident.sample_ports.push_back(port.get<std::uint16_t>());
  });
  const json& contrast = value_at(record, "doorslam/contrast");
  incident.contrast = {
      number<std::uint64_t>(contrast, "served_before"),          number<std::uint64_t>(contrast, "served"),
      number<std::uint64_t>(contrast, "served_after"),           distinct(value_at(contrast, "served_clients")),
      number<std::uint64_t>(contrast, "served_refused_clients"), number<std::uint64_t>(contrast, "served_on")};
  const json& quality = value_at(record, "doorslam/quality");
  incident.quality.connections = number<std::uint64_t>(quality, "connections");
  incident.quality.one_sided = number<std::uint64_t>(quality, "one_sided");
  incident.quality.mid_stream = number<std::uint64_t>(quality, "mid_stream");
  incident.quality.with_gaps = number<std::uint64_t>(quality, "with_gaps");
  incident.quality.gap_bytes = number<std::uint64_t>(quality, "gap_bytes");
  incident.quality.duplicates = number<std::uint64_t>(quality, "duplicates");
  incident.quality.evidence_missing = number<std::uint64_t>(quality, "evidence_missing");
  // Of the stream as a whole the record has the share alone.
  const double lost = ratio(quality, "loss_ratio");
  if (lost > 0.0) {
    const auto octets = static_cast<double>(incident.quality.gap_bytes);
    incident.quality.payload_bytes = static_cast<std::uint64_t>(octets / lost);
  }
}

void take_sample(const json& record, Incident& incident) {
  const json& own = value_at(record, "doorslam/sample");
  tcp::ConnectionSummary& summary = incident.sample.summary;
  summary.originator = {address_of(text(own, "client/ip")), number<std::uint16_t>(own, "client/port")};
  summary.responder = {address_of(text(own, "server/ip")), number<std::uint16_t>(own, "server/port")};
  summary.start_ns = time(own, "start");
  summary.stage = named<tcp::Stage>(tcp::kStageNames, text(own, "stage"));
  summary.conn_state = named<tcp::ConnState>(tcp::kConnStateNames, text(own, "conn_state"));
  incident.sample.diagnosis = stored_diagnosis(record);
  incident.sample.diagnosis.confidence = ratio(own, "confidence");  // its own, not the incident's mean
}

std::optional<diagnose::LearnedLimit> limit_of(const json& limit) {
  if (!limit.is_object()) return std::nullopt;
  return diagnose::LearnedLimit{.kind = named<diagnose::LimitKind>(alert::kLimitNames, text(limit, "counts")),
                                .ceiling = number<std::uint32_t>(limit, "ceiling"),
                                .met = number<std::uint32_t>(limit, "met"),
                                .refused_from = number<std::uint32_t>(limit, "refused_at_ceiling"),
                                .refused_below = number<std::uint32_t>(limit, "refused_below"),
                                .served_from = number<std::uint32_t>(limit, "served_at_ceiling"),
                                .served_below = number<std::uint32_t>(limit, "served_below"),
                                .confidence = ratio(limit, "confidence")};
}

tcp::AnsweringStack stack_of(const json& stack) {
  tcp::AnsweringStack out;
  out.ttl = number<std::uint8_t>(stack, "ttl");
  out.window = number<std::uint16_t>(stack, "window");
  out.dont_fragment = flag(stack, "dont_fragment");
  out.ip_id_zero = flag(stack, "ip_id_zero");
  return out;
}

std::optional<diagnose::OneOfServers> one_server_of(const json& one) {
  if (!one.is_object()) return std::nullopt;
  return diagnose::OneOfServers{.by_clocks = text(one, "told_by") == "clocks",
                                .refusing = stack_of(value_at(one, "refusing")),
                                .serving = stack_of(value_at(one, "serving")),
                                .others = number<std::uint32_t>(one, "others"),
                                .clients_of_both = number<std::uint32_t>(one, "clients_of_both"),
                                .refused = number<std::uint32_t>(one, "refused"),
                                .served = number<std::uint32_t>(one, "served"),
                                .refused_elsewhere = number<std::uint32_t>(one, "refused_elsewhere"),
                                .served_elsewhere = number<std::uint32_t>(one, "served_elsewhere")};
}

std::optional<alert::RefusedTimes> times_of(const json& times) {
  if (!times.is_object()) return std::nullopt;
  const auto seconds = [&](const char* key) { return number<std::uint32_t>(times, key) * flowtable::kSecondNs; };
  return alert::RefusedTimes{.kind = named<alert::TimesKind>(alert::kTimesNames, text(times, "of")),
                             .from_seconds = number<std::uint32_t>(times, "from_seconds"),
                             .to_seconds = number<std::uint32_t>(times, "to_seconds"),
                             .cycles = number<std::uint32_t>(times, "count"),
                             .shortest_ns = seconds("shortest_seconds"),
                             .longest_ns = seconds("longest_seconds"),
                             .least_apart_ns = seconds("least_apart_seconds"),
                             .most_apart_ns = seconds("most_apart_seconds"),
                             .refused_within = number<std::uint32_t>(times, "refused_within"),
                             .refused = number<std::uint32_t>(times, "refused"),
                             .served_within = number<std::uint32_t>(times, "served_within"),
                             .served = number<std::uint32_t>(times, "served"),
                             .chance = ratio(times, "chance")};
}

}  // namespace

const json& value_at(const json& object, const char* path) {
  static const json kNull;
  const json::json_pointer pointer{std::string("/") + path};
  return object.contains(pointer) ? object.at(pointer) : kNull;
}

diagnose::Diagnosis stored_diagnosis(const json& record) {
  const json& own = value_at(record, "doorslam");
  diagnose::Diagnosis out;
  out.cause = cause_of(own);
  out.confidence = ratio(own, "confidence");
  for_each(own, "hypotheses", [&](const json& one) {
    out.hypotheses.push_back({cause_of(one), ratio(one, "probability"), texts(one, "for"), texts(one, "against")});
  });
  if (const json& signature = value_at(own, "signature"); signature.is_object()) {
    const auto word = [&](const char* key) { return for_terminal(text(signature, key)); };
    out.signature = diagnose::SignatureMatch{word("name"), word("program"), word("protocol"), text(signature, "words")};
  }
  out.banner = text(own, "banner");
  out.caveats = texts(own, "caveats");
  out.limit = limit_of(value_at(own, "limit"));
  out.one_server = one_server_of(value_at(own, "one_server"));
  return out;
}

StoredIncident stored_incident(const json& record) {
  StoredIncident out;
  Incident& incident = out.incident;
  const json& own = value_at(record, "doorslam");
  incident.cause = cause_of(own);
  incident.mean_confidence = ratio(own, "confidence");
  const std::string scope = text(own, "incident/scope");
  for (const auto one : {alert::IncidentScope::endpoint, alert::IncidentScope::server, alert::IncidentScope::client,
                         alert::IncidentScope::everywhere}) {
    if (scope == name_of(one)) incident.scope = one;
  }
  take_sample(record, incident);
  take_counts(record, incident);
  incident.evidence_file = for_terminal(text(record, "file/path"));
  incident.times = times_of(value_at(own, "refused_times"));
  incident.server = incident.sample.summary.responder;
  if (incident.scope == alert::IncidentScope::server) incident.server.port = 0;
  const std::string client = text(record, "source/ip");
  incident.client = client.empty() ? incident.sample.summary.originator.address : address_of(client);
  for_each(own, "ladder", [&](const json& rung) {
    if (rung.is_object()) out.ladder.push_back(ladder_line(rung));
  });
  return out;
}

}  // namespace doorslam::app
