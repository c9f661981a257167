#include "pipeline/alert/incident_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "pipeline/alert/incident_kind.h"
#include "pipeline/base/text.h"
#include "pipeline/diagnose/evidence/servers.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::alert {

namespace {

std::string counted_distinct(const DistinctCount& count, std::string_view singular, std::string_view plural) {
  return fmt::format("{} {}", count_words(count), count.count == 1 && !count.lower_bound ? singular : plural);
}
std::string counted_distinct(const DistinctCount& count, std::string_view singular) {
  return counted_distinct(count, singular, std::string(singular) + 's');
}

std::string share(std::uint64_t part, std::uint64_t whole) {
  return fmt::format("{} of {}", grouped(part), counted(whole, "connection"));
}

/// An estimate to within 3 % is not told to the last unit: "about 48,000".
std::uint64_t two_digits(std::uint64_t estimate) {
  std::uint64_t unit = 1;
  while (estimate / unit >= 100) unit *= 10;
  return (estimate + unit / 2) / unit * unit;
}

/// "port 445", "599 ports".
std::string port_words(const Incident& incident) {
  if (incident.distinct_ports.count == 1 && incident.sample_ports.size() == 1) {
    return fmt::format("port {}", incident.sample_ports.front());
  }
  return counted_distinct(incident.distinct_ports, "port");
}

/// What the failed data connections are part of.
std::string ftp_words(const Incident& incident) {
  const std::string control = text_of(*incident.ftp_control);
  if (is_active_ftp(incident)) {
    return fmt::format(
        "The FTP server on {} opened these from its port 20 (active mode) to a client with a session "
        "there: logging in works, listings and transfers do not.",
        control);
  }
  return fmt::format(
      "Data connections of FTP sessions on {} (passive mode): logging in works, listings and transfers "
      "do not.",
      control);
}

/// Sessions whose beginning was not captured serve somebody, and tell nothing of newcomers.
bool serves_no_newcomer(const Incident& incident) { return incident.contrast.served == 0; }
bool serves_nobody(const Incident& incident) {
  return serves_no_newcomer(incident) && incident.contrast.served_on == 0;
}

/// What it did beside, as the end of a sentence.
std::string serving_words(const Incident& incident) {
  if (serves_nobody(incident)) return "and was not seen to serve anybody";
  if (!serves_no_newcomer(incident)) return "while it served others";
  return fmt::format("while {} without a captured beginning went on", counted(incident.contrast.served_on, "session"));
}

std::string_view title_of_outage(const Incident& incident) {
  if (serves_nobody(incident)) return "Nobody served, cause unknown";
  return serves_no_newcomer(incident) ? "No newcomer served, cause unknown" : "Turned away in silence, cause unknown";
}

/// An outage in silence: what was seen, that it is not certain why, and what is in question.
std::string outage_words(const Incident& incident) {
  constexpr std::size_t kShown = 3;
  constexpr double kWorthNaming = 0.05;
  std::string candidates;
  std::size_t shown = 0;
  for (const diagnose::Hypothesis& hypothesis : incident.sample.diagnosis.hypotheses) {
    if (!diagnose::is_refusal(hypothesis.cause) || hypothesis.probability < kWorthNaming || shown == kShown) continue;
    candidates += fmt::format("{}{} ({:.0f} %)", shown++ == 0 ? ": in question are " : ", ", name_of(hypothesis.cause),
                              hypothesis.probability * 100.0);
  }
  return fmt::format(
      "The server accepted {} of {} within {} and closed each of them without a word, {}. Why is not certain{}.",
      counted(incident.refused, "connection"), counted_distinct(incident.distinct_clients, "client"),
      person_duration(incident.last_ns - incident.first_ns), serving_words(incident), candidates);
}

/// What was turned away so before somebody was served, which is no part of the outage.
std::string earlier_words(const Incident& incident) {
  return fmt::format(
      "Before it last served somebody it had turned away another {} in the same way, which no alert counts.",
      counted(incident.turned_away_before, "connection"));
}

/// Many addresses that came once each and got no further than the handshake.
bool is_flood(const Incident& incident) {
  constexpr std::uint64_t kManyClients = 200;
  const DistinctCount& count = incident.distinct_clients;
  const std::uint64_t clients = std::max(count.count, count.estimate);
  const tcp::Stage stage = incident.sample.summary.stage;
  const bool by_cause = incident.cause == diagnose::Cause::client_vanished ||
                        incident.cause == diagnose::Cause::silent_drop ||
                        incident.cause == diagnose::Cause::accept_queue_overflow;
  return by_cause && (stage == tcp::Stage::syn || stage == tcp::Stage::handshake) && clients >= kManyClients &&
         incident.refused < 2 * clients;
}

std::string flood_words(const Incident& incident) {
  std::string clients = counted_distinct(incident.distinct_clients, "address", "addresses");
  clients.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(clients.front())));
  if (incident.cause == diagnose::Cause::client_vanished) {
    return fmt::format("{} began a handshake and never went on, hardly one twice: a SYN flood with made-up sources.",
                       clients);
  }
  return fmt::format(
      "{} were left without an answer, hardly one twice: a SYN flood that the server cannot bear, or a crowd before a "
      "server that is down.",
      clients);
}

/// What an endpoint's refusals look like together.
std::string endpoint_words(const Incident& incident) {
  std::string words;
  if (is_outage(incident)) {
    words = outage_words(incident);
  } else if (is_flood(incident)) {
    words = flood_words(incident);
  }
  if (incident.turned_away_before == 0) return words;
  if (!words.empty()) words += ' ';
  return words + earlier_words(incident);
}

/// "37 s", or "37 s to 41 s".
std::string range_words(flowtable::DurationNs least, flowtable::DurationNs most) {
  return least == most ? person_duration(most) : fmt::format("{} to {}", person_duration(least), person_duration(most));
}

std::string spell_words(const RefusedTimes& times) {
  return fmt::format("into {} of {}, which began {} apart", counted(times.cycles, "spell"),
                     range_words(times.shortest_ns, times.longest_ns),
                     range_words(times.least_apart_ns, times.most_apart_ns));
}

std::string clock_words(const RefusedTimes& times) {
  const auto of_day = [](std::uint32_t seconds) {
    return fmt::format("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
  };
  switch (times.kind) {
    case TimesKind::minute:
      return fmt::format("between second {} and {} of a minute, in {}", times.from_seconds, times.to_seconds,
                         counted(times.cycles, "minute"));
    case TimesKind::hour:
      return fmt::format("between minute {} and {} of an hour, in {}", times.from_seconds / 60, times.to_seconds / 60,
                         counted(times.cycles, "hour"));
    default:
      return fmt::format("between {} and {} UTC, on {}", of_day(times.from_seconds), of_day(times.to_seconds),
                         counted(times.cycles, "day"));
  }
}

}  // namespace

std::string count_words(const DistinctCount& count) {
  if (!count.lower_bound) return grouped(count.count);
  return count.estimate != 0 ? "about " + grouped(two_digits(count.estimate)) : grouped(count.count) + " or more";
}

std::string_view fate_word(diagnose::Cause cause) noexcept {
  if (cause == diagnose::Cause::app_crash) return "cut off";
  return diagnose::traits_of(cause).clients_own ? "failed" : "refused";
}

std::string program_of(const Incident& incident) {
  const auto& signature = incident.sample.diagnosis.signature;
  return signature ? signature->program : std::string{};
}

std::string protocol_of(const Incident& incident) {
  const auto& signature = incident.sample.diagnosis.signature;
  if (signature && !signature->protocol.empty()) return signature->protocol;
  if (incident.ftp_control) return "ftp-data";
  if (incident.scope != IncidentScope::endpoint) return {};
  return std::string(diagnose::usual_protocol(incident.server.port));
}

std::string_view severity_word(std::int64_t severity) noexcept {
  if (severity >= 99) return "critical";
  if (severity >= 73) return "high";
  if (severity >= 47) return "medium";
  return severity > 0 ? "low" : "";
}

std::string place_words(const Incident& incident) {
  switch (incident.scope) {
    case IncidentScope::endpoint: {
      const std::string program = program_of(incident);
      const std::string protocol = protocol_of(incident);
      const std::string& service = program.empty() ? protocol : program;
      return text_of(incident.server) + (service.empty() ? std::string{} : fmt::format(" ({})", service));
    }
    case IncidentScope::server:
      return fmt::format("{}, {}{}", text_of(incident.server.address), port_words(incident),
                         incident.ftp_control ? " (data connections of FTP)" : "");
    case IncidentScope::client:
    case IncidentScope::everywhere:
      return fmt::format("{}, {}", counted_distinct(incident.distinct_servers, "server"), port_words(incident));
  }
  return {};
}

std::string scale_words(const Incident& incident) {
  const std::string clients = is_of_one_client(incident) ? "client " + text_of(incident.client)
                                                         : counted_distinct(incident.distinct_clients, "client");
  return fmt::format("{} of {} {}", counted(incident.refused, "connection"), clients, fate_word(incident.cause));
}

std::string headline(const Incident& incident) {
  const std::string_view title =
      is_outage(incident) ? title_of_outage(incident) : diagnose::guide_entry(incident.cause).title;
  return fmt::format("{}: {}, {}", title, place_words(incident), scale_words(incident));
}

std::string pattern_words(const Incident& incident) {
  switch (incident.scope) {
    case IncidentScope::endpoint:
      return endpoint_words(incident);
    case IncidentScope::server:
      if (incident.ftp_control) return ftp_words(incident);
      if (is_of_one_client(incident)) {
        return fmt::format("One client tried {} of this server: a port scan.",
                           counted_distinct(incident.distinct_ports, "port"));
      }
      return fmt::format("{} of this server were refused to {}: the host or its packet filter rather than one service.",
                         counted_distinct(incident.distinct_ports, "port"),
                         counted_distinct(incident.distinct_clients, "client"));
    case IncidentScope::client:
      return fmt::format("One client met this on {}: a sweep, or this client is cut off from the network.",
                         counted_distinct(incident.distinct_servers, "server"));
    case IncidentScope::everywhere:
      return "More servers at a time than are kept apart: a flood or wide scan, or trouble in the network itself.";
  }
  return {};
}

std::string reason_words(const Incident& incident) {
  constexpr std::size_t kShown = 6;
  const std::vector<ReasonTally>& reasons = incident.reasons;
  if (reasons.size() < 2) return {};
  std::string out;
  std::uint64_t others = incident.reasons_left_out;
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    const ReasonTally& reason = reasons[i];
    if (i >= kShown) {
      others += reason.refused;
      continue;
    }
    out += fmt::format("{}{} {}", i == 0 ? "" : ", ", grouped(reason.refused), name_of(reason.cause));
    if (!reason.signature.empty()) out += fmt::format(" ({})", reason.signature);
  }
  if (others != 0) out += fmt::format(", {} otherwise", grouped(others));
  return out;
}

IncidentTimes times_of(const Incident& incident) noexcept {
  if (incident.cause != diagnose::Cause::app_crash || incident.first_end_ns == 0) {
    return {.first_ns = incident.first_ns, .last_ns = incident.last_ns, .cut_off = false};
  }
  return {.first_ns = incident.first_end_ns, .last_ns = incident.last_end_ns, .cut_off = true};
}

std::string contrast_words(const Incident& incident) {
  const IncidentContrast& contrast = incident.contrast;
  std::string where;
  switch (incident.scope) {
    case IncidentScope::endpoint:
      where = "this endpoint";
      break;
    case IncidentScope::server:
      where = "this server";
      break;
    case IncidentScope::client: {
      const std::uint64_t served = contrast.served + contrast.served_after + contrast.served_on;
      return served == 0 ? "This client was served nowhere."
                         : fmt::format("This client was served {} elsewhere.", counted(served, "time"));
    }
    case IncidentScope::everywhere:
      return {};
  }
  std::string out;
  const std::string clients = counted_distinct(contrast.served_clients, "client");
  if (contrast.served + contrast.served_after == 0) {
    out = contrast.served_on == 0
              ? fmt::format("Nobody was served on {}", where)
              : fmt::format("No newcomer was served on {}, while {} without a captured beginning went on", where,
                            counted(contrast.served_on, "session"));
  } else if (contrast.served_after == 0) {
    out = fmt::format("{} of {} served on {}", counted(contrast.served, "connection"), clients, where);
  } else if (contrast.served == 0) {
    out = fmt::format("{} was served on {} until the last refusal, {} of {} since",
                      contrast.served_on == 0 ? "Nobody" : "No newcomer", where,
                      counted(contrast.served_after, "connection"), clients);
  } else {
    out = fmt::format("{} served on {}, {} more since the last refusal, of {}", counted(contrast.served, "connection"),
                      where, grouped(contrast.served_after), clients);
  }
  if (contrast.served_before != 0) {
    out += fmt::format("; {} been served before", counted(contrast.served_before, "connection had", "connections had"));
  }
  out += '.';
  const std::uint64_t both = contrast.served_refused_clients;
  if (both != 0 && is_of_one_client(incident)) {
    out += " The same client was served as well.";
  } else if (both != 0) {
    out += fmt::format(" Of these clients {} {} served as well.", grouped(both), both == 1 ? "was" : "were");
  }
  return out;
}

std::string times_words(const Incident& incident) {
  if (!incident.times || incident.sample.diagnosis.limit) return {};
  const RefusedTimes& times = *incident.times;
  const std::string refusals = times.refused_within == times.refused
                                   ? fmt::format("all {}", counted(times.refused, "refusal"))
                                   : fmt::format("{} of {}", times.refused_within, counted(times.refused, "refusal"));
  return fmt::format("{} fell {}; {} of {} served did.", refusals,
                     times.kind == TimesKind::spells ? spell_words(times) : clock_words(times),
                     grouped(times.served_within), grouped(times.served));
}

std::string prefix_words(const Incident& incident) {
  constexpr std::size_t kShown = 6;
  const std::vector<RefusedPrefix>& prefixes = incident.refused_prefixes;
  if (prefixes.empty() || incident.distinct_clients.count < 2) return {};
  std::string out;
  for (std::size_t i = 0; i < std::min(prefixes.size(), kShown); ++i) {
    out += (i == 0 ? "" : ", ") + text_of(prefixes[i].prefix);
  }
  if (prefixes.size() > kShown) out += fmt::format(" and {} more", prefixes.size() - kShown);
  return fmt::format("{}: every client that was only refused, and none that was served.", out);
}

std::string server_words(const Incident& incident) {
  if (!incident.sample.diagnosis.one_server) return {};
  const diagnose::OneOfServers& one = *incident.sample.diagnosis.one_server;
  const std::string told_by =
      one.by_clocks ? fmt::format("the clocks in the SYN-ACKs (TSval) tell them apart for {} that met both",
                                  counted(one.clients_of_both, "client"))
                    : fmt::format("the one whose SYN-ACKs have {} (others: {})",
                                  diagnose::habits_in_words(one.refusing, one.serving),
                                  diagnose::habits_in_words(one.serving, one.refusing));
  return fmt::format("one of {} behind this address: {}. {} of {}, {} of {} served.", counted(one.others + 1, "server"),
                     told_by, grouped(one.refused), counted(one.refused + one.refused_elsewhere, "refusal"),
                     grouped(one.served), grouped(one.served + one.served_elsewhere));
}

std::string limit_words(const Incident& incident) {
  if (!incident.sample.diagnosis.limit) return {};
  const diagnose::LearnedLimit& limit = *incident.sample.diagnosis.limit;
  struct Counted {
    std::string_view one, many;
  };
  constexpr std::array<Counted, 4> kCounted = {
      {{"open session", "open sessions"},
       {"open session of one client", "open sessions of one client"},
       {"connection in a second", "connections in a second"},
       {"connection of one client in a minute", "connections of one client in a minute"}}};
  // Where it parts them less well than this, others than the limit may have a say.
  constexpr double kGoodFit = 0.8;
  const Counted& counts = kCounted[static_cast<std::size_t>(limit.kind)];
  return fmt::format("{} from {} {} on: {} of {} refused met as many, {} of {} served did not.",
                     limit.fit() >= kGoodFit ? "refuses" : "seems to refuse", limit.ceiling,
                     limit.ceiling == 1 ? counts.one : counts.many, limit.refused_from,
                     limit.refused_from + limit.refused_below, limit.served_below,
                     limit.served_from + limit.served_below);
}

std::vector<std::string> loss_words(const CaptureQuality& quality) {
  std::vector<std::string> out;
  const std::uint64_t all = quality.connections;
  if (quality.one_sided != 0) {
    out.push_back(fmt::format("one direction is missing in {}", share(quality.one_sided, all)));
  }
  if (quality.mid_stream != 0) {
    out.push_back(fmt::format("the beginning is missing in {}", share(quality.mid_stream, all)));
  }
  if (quality.with_gaps != 0) {
    out.push_back(fmt::format("{} ({:.2f} % of the stream) were acknowledged but never captured, in {}",
                              counted(quality.gap_bytes, "octet"), quality.loss_ratio() * 100.0,
                              share(quality.with_gaps, all)));
  }
  if (quality.evidence_missing != 0) {
    out.push_back(fmt::format("no room was left to keep the packets of {}", share(quality.evidence_missing, all)));
  }
  if (quality.port_drops != 0) {
    out.push_back(fmt::format("the capture port lost {}", counted(quality.port_drops, "packet")));
  }
  return out;
}

std::string copy_words(const CaptureQuality& quality) {
  if (quality.duplicates == 0) return {};
  return fmt::format("the mirror delivered {}; the copies were dropped before counting",
                     counted(quality.duplicates, "packet twice", "packets twice"));
}

}  // namespace doorslam::alert
