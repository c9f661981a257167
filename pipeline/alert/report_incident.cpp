#include "pipeline/alert/report_incident.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/incident_steps.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/ladder.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/base/text.h"
#include "pipeline/base/utf8.h"
#include "pipeline/base/wrap.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::alert {

namespace {

using diagnose::Hypothesis;

/// From these on a hypothesis that does not lead is "possible", "unlikely", "very unlikely"; below, it shows as 0 %.
constexpr double kPossible = 0.15;
constexpr double kUnlikely = 0.02;
constexpr double kVeryUnlikely = 0.005;
constexpr std::size_t kLabel = 12;
constexpr std::size_t kBar = 10;
constexpr std::size_t kClientsShown = 5;

/// A number in front, and what follows hanging below it.
std::string heading(const Incident& incident, std::size_t number, const IncidentStyle& style) {
  const std::string label = number == 0 ? std::string() : fmt::format("[{}] ", number);
  const std::string text = wrap(headline(incident), style.width, columns(label), label);
  return style.terminal.paint(Ink::bold, text.substr(0, text.size() - 1)) + '\n';
}

std::string labelled(std::string_view label, std::string_view text, const IncidentStyle& style) {
  return wrap(text, style.width, 4 + kLabel, fmt::format("    {}", label));
}

std::string section(std::string_view name, const IncidentStyle& style) {
  return fmt::format("\n    {}\n", style.terminal.paint(Ink::bold, name));
}

std::string clients_of(const Incident& incident) {
  std::string out;
  const std::size_t shown = std::min(incident.sample_clients.size(), kClientsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const ClientTally& client = incident.sample_clients[i];
    out += fmt::format("{}{} ({} {}", i == 0 ? "" : ", ", text_of(client.address), grouped(client.refused),
                       fate_word(incident.cause));
    if (client.served != 0) out += fmt::format(", {} served", grouped(client.served));
    out += ')';
  }
  if (incident.distinct_clients.count > shown) {
    out += incident.distinct_clients.lower_bound
               ? fmt::format(" … {} in all", count_words(incident.distinct_clients))
               : fmt::format(" and {} more", grouped(incident.distinct_clients.count - shown));
  }
  return out;
}

std::string where_of(const Incident& incident) {
  std::string out;
  if (incident.scope == IncidentScope::client || incident.scope == IncidentScope::everywhere) {
    out = fmt::format("{} servers: ", count_words(incident.distinct_servers));
    for (std::size_t i = 0; i < std::min(incident.sample_servers.size(), kClientsShown); ++i) {
      out += (i == 0 ? "" : ", ") + text_of(incident.sample_servers[i]);
    }
    if (incident.distinct_servers.count > kClientsShown) out += ", …";
  } else {
    out = place_words(incident);
  }
  if (incident.scope != IncidentScope::endpoint && incident.distinct_ports.count > 1) {
    out += "; ports ";
    for (std::size_t i = 0; i < incident.sample_ports.size(); ++i) {
      out += fmt::format("{}{}", i == 0 ? "" : ", ", incident.sample_ports[i]);
    }
    if (incident.distinct_ports.count > incident.sample_ports.size()) out += ", …";
  }
  return out;
}

bool is_refused(const Incident& incident) { return !diagnose::traits_of(incident.cause).clients_own; }

std::string when_of(const Incident& incident) {
  const IncidentTimes times = times_of(incident);
  if (incident.refused == 1) return person_time(times.first_ns) + " UTC";
  const std::string count = times.cut_off ? counted(incident.refused, "connection") + " cut off"
                                          : counted(incident.refused, is_refused(incident) ? "refusal" : "failure");
  return fmt::format("{} to {} UTC ({} in {})", person_time(times.first_ns), person_time(times.last_ns), count,
                     person_duration(times.last_ns - times.first_ns));
}

/// When those began that were cut off later: hours before, perhaps. Empty where `when` says so.
std::string begun_of(const Incident& incident) {
  if (!times_of(incident).cut_off) return {};
  const std::string first = person_time(incident.first_ns);
  const std::string last = person_time(incident.last_ns);
  return first + (first == last ? "" : " to " + last) + " UTC";
}

/// The first line of an escaped banner; empty for a binary protocol, whose octets tell a person nothing.
std::string first_words(const std::string& banner) {
  constexpr std::size_t kBinary = 3;
  const std::string line = for_terminal(banner.substr(0, std::min(banner.find("\\r"), banner.find("\\n"))));
  std::size_t escapes = 0;
  for (std::size_t at = line.find("\\x"); at != std::string::npos; at = line.find("\\x", at + 2)) ++escapes;
  return escapes > kBinary ? std::string{} : line;
}

/// The line that a signature knows, where it is not the one that the server began with.
std::string deciding_words(const diagnose::Diagnosis& diagnosis) {
  if (!diagnosis.signature || diagnosis.signature->words.empty()) return {};
  const bool is_first = diagnosis.banner.starts_with(diagnosis.signature->words);
  return is_first ? std::string{} : for_terminal(diagnosis.signature->words);
}

std::string facts(const Incident& incident, const IncidentStyle& style) {
  std::string out = labelled("where", where_of(incident), style);
  out += labelled("who", clients_of(incident), style);
  out += labelled("when", when_of(incident), style);
  if (const std::string begun = begun_of(incident); !begun.empty()) out += labelled("begun", begun, style);
  out += labelled("severity", severity_word(severity_of(incident)), style);
  if (const std::string reasons = reason_words(incident); !reasons.empty()) {
    out += labelled("readings", for_terminal(reasons), style);
  }
  if (const std::string contrast = contrast_words(incident); !contrast.empty()) {
    out += labelled("meanwhile", contrast, style);
  }
  if (const std::string limit = limit_words(incident); !limit.empty()) out += labelled("limit", limit, style);
  if (const std::string times = times_words(incident); !times.empty()) out += labelled("times", times, style);
  if (const std::string server = server_words(incident); !server.empty()) out += labelled("server", server, style);
  if (const std::string prefixes = prefix_words(incident); !prefixes.empty()) {
    out += labelled("addresses", prefixes, style);
  }
  const diagnose::Diagnosis& diagnosis = incident.sample.diagnosis;
  if (const std::string words = first_words(diagnosis.banner); !words.empty()) {
    out += labelled("server said", '"' + words + '"', style);
  }
  if (const std::string words = deciding_words(diagnosis); !words.empty()) {
    out += labelled("and then", '"' + words + '"', style);
  }
  if (!incident.evidence_file.empty()) out += labelled("packets", for_terminal(incident.evidence_file), style);
  return out;
}

std::string ladder_section(const Incident& incident, const std::vector<LadderLine>& ladder,
                           const IncidentStyle& style) {
  const diagnose::DiagnosedConnection& sample = incident.sample;
  std::string out = section(incident.refused == 1 ? "ON THE WIRE" : "ON THE WIRE (one connection of these)", style);
  out += style.terminal.paint(Ink::dim,
                              fmt::format("    {} {} {}, {}, conn_state {}", text_of(sample.summary.originator),
                                          style.unicode ? "→" : "->", text_of(sample.summary.responder),
                                          person_time(sample.summary.start_ns), name_of(sample.summary.conn_state)));
  out += '\n';
  if (ladder.empty()) return out + "    (no packets were kept of it)\n";
  return out + render(ladder, LadderStyle{style.unicode, 4, style.screen});
}

std::string bar(double probability, bool unicode) {
  const auto full = static_cast<std::size_t>(std::lround(std::clamp(probability, 0.0, 1.0) * kBar));
  std::string out;
  for (std::size_t i = 0; i < kBar; ++i) out += i < full ? (unicode ? "█" : "#") : (unicode ? "░" : ".");
  return out;
}

Ink ink_of(double probability, bool first) {
  if (first) return Ink::red;
  return probability >= 0.2 ? Ink::yellow : Ink::plain;
}

std::string hypothesis_block(const Hypothesis& hypothesis, bool first, const IncidentStyle& style) {
  const std::string head =
      fmt::format("{}  {:>4.0f} %  {}: {}", bar(hypothesis.probability, style.unicode), hypothesis.probability * 100.0,
                  diagnose::guide_entry(hypothesis.cause).title, likelihood(hypothesis.probability, first));
  std::string out = "    " + style.terminal.paint(ink_of(hypothesis.probability, first), head) + '\n';
  if (hypothesis.evidence_for.empty() && hypothesis.evidence_against.empty()) {
    out += wrap(hypothesis.cause == diagnose::Cause::unknown ? "something else than what doorslam knows"
                                                             : "nothing but the way in which the connection ended",
                style.width, 8, "      ~");
  }
  for (const std::string& sentence : hypothesis.evidence_for) {
    out += wrap(for_terminal(sentence), style.width, 8, "      +");
  }
  for (const std::string& sentence : hypothesis.evidence_against) {
    out += wrap(for_terminal(sentence), style.width, 8, style.unicode ? "      –" : "      -");
  }
  return out;
}

/// What is ruled out is shown for its argument; without one it is noise.
bool is_worth_a_line(const Hypothesis& hypothesis) {
  if (hypothesis.probability >= kUnlikely) return true;
  return !hypothesis.evidence_against.empty() && hypothesis.cause != diagnose::Cause::served &&
         hypothesis.cause != diagnose::Cause::unknown;
}

std::string hypotheses_section(const diagnose::Diagnosis& diagnosis, const IncidentStyle& style) {
  const auto& hypotheses = diagnosis.hypotheses;
  if (hypotheses.empty()) return {};
  std::string out = section("WHY", style);
  // The word "most likely" is for a cause that leads, not for the first of several that are level.
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    if (!is_worth_a_line(hypotheses[i])) continue;
    const bool leads = i == 0 && (hypotheses.size() == 1 || hypotheses[0].probability > hypotheses[1].probability);
    out += hypothesis_block(hypotheses[i], leads, style);
  }
  return out;
}

std::string caveats_section(const std::vector<std::string>& caveats, const std::vector<std::string>& losses,
                            const IncidentStyle& style) {
  if (caveats.empty() && losses.empty()) return {};
  std::string out = section("BEAR IN MIND", style);
  for (const std::string& caveat : caveats) out += wrap(for_terminal(caveat), style.width, 8, "      !");
  for (const std::string& loss : losses) out += wrap(loss, style.width, 8, "      !");
  return out;
}

/// What was lost of the incident's connections. Of a single one the caveats say it all.
std::vector<std::string> losses_of(const Incident& incident) {
  if (incident.quality.connections <= 1) return {};
  std::vector<std::string> losses = loss_words(incident.quality);
  if (std::string copies = copy_words(incident.quality); !copies.empty()) losses.push_back(std::move(copies));
  return losses;
}

std::string steps_section(const Incident& incident, const IncidentStyle& style) {
  std::string out = section("WHAT TO DO NEXT", style);
  out += wrap(fmt::format("Ask {}.", whom_to_ask(incident)), style.width, 9, "      1.");
  std::size_t number = 1;
  for (const std::string& step : steps_of(incident)) {
    out += wrap(step, style.width, 9, fmt::format("      {}.", ++number));
  }
  out += wrap(fmt::format("More: doorslam explain {}", name_of(incident.cause)), style.width, 6);
  return out;
}

}  // namespace

std::string_view likelihood(double probability, bool first) noexcept {
  if (first) return "most likely";
  if (probability >= kPossible) return "possible";
  if (probability >= kUnlikely) return "unlikely";
  return probability >= kVeryUnlikely ? "very unlikely" : "ruled out";
}

std::vector<LadderLine> ladder_of(const Incident& incident) {
  const diagnose::DiagnosedConnection& sample = incident.sample;
  return sample.evidence ? ladder_of(sample.summary, *sample.evidence) : std::vector<LadderLine>();
}

std::string render_full(const Incident& incident, const std::vector<LadderLine>& ladder, std::size_t number,
                        const IncidentStyle& style) {
  std::string out = heading(incident, number, style);
  out += wrap(diagnose::guide_entry(incident.cause).sentence, style.width, 4);
  if (const std::string pattern = pattern_words(incident); !pattern.empty()) out += wrap(pattern, style.width, 4);
  out += '\n' + facts(incident, style);
  out += ladder_section(incident, ladder, style);
  out += hypotheses_section(incident.sample.diagnosis, style);
  out += caveats_section(incident.sample.diagnosis.caveats, losses_of(incident), style);
  out += steps_section(incident, style);
  return out + '\n';
}

std::string render_why(const diagnose::Diagnosis& diagnosis, const IncidentStyle& style) {
  return hypotheses_section(diagnosis, style) + caveats_section(diagnosis.caveats, {}, style);
}

std::string render_compact(const Incident& incident, std::size_t number, const IncidentStyle& style) {
  std::string out = heading(incident, number, style);
  out += facts(incident, style);
  const auto& hypotheses = incident.sample.diagnosis.hypotheses;
  if (!hypotheses.empty()) {
    const Hypothesis& first = hypotheses.front();
    std::string why = fmt::format("{:.0f} % {}", first.probability * 100.0, name_of(first.cause));
    for (std::size_t i = 0; i < first.evidence_for.size(); ++i) why += (i == 0 ? ": " : "; ") + first.evidence_for[i];
    out += labelled("why", for_terminal(why), style);
  }
  for (const std::string& caveat : incident.sample.diagnosis.caveats) {
    out += labelled("caveat", for_terminal(caveat), style);
  }
  return out + '\n';
}

}  // namespace doorslam::alert
