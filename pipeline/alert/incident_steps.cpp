#include "pipeline/alert/incident_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "pipeline/alert/incident_kind.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/base/text.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::alert {

namespace {

constexpr std::size_t kSettings = 4;
constexpr std::size_t kChecks = 3;

/// Replaces `name` where it stands as a word of its own.
void fill_in(std::string& text, std::string_view name, const std::string& value) {
  const auto is_part = [&](std::size_t at) {
    return at < text.size() && std::isalnum(static_cast<unsigned char>(text[at])) != 0;
  };
  for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at)) {
    if ((at != 0 && is_part(at - 1)) || is_part(at + name.size())) {
      at += name.size();
      continue;
    }
    text.replace(at, name.size(), value);
    at += value.size();
  }
}

/// One client that met the same on many ports or servers.
bool is_scan(const Incident& incident) {
  if (incident.ftp_control) return false;
  return incident.scope == IncidentScope::client ||
         (incident.scope == IncidentScope::server && is_of_one_client(incident));
}

/// The guide's commands name PORT, SERVER, CLIENT and ADDRESS (the client's). Where there are several, a command is of
/// use with the sample's server and port, but not with one of the clients alone.
std::string filled_in(std::string text, const Incident& incident) {
  const flowtable::Endpoint& sample = incident.sample.summary.responder;
  const bool one_server = incident.scope == IncidentScope::endpoint || incident.scope == IncidentScope::server;
  const flowtable::Endpoint server{one_server ? incident.server.address : sample.address,
                                   incident.scope == IncidentScope::endpoint ? incident.server.port : sample.port};
  fill_in(text, "SERVER:PORT", text_of(server));
  fill_in(text, "PORT", std::to_string(server.port));
  fill_in(text, "SERVER", text_of(server.address));
  if (is_of_one_client(incident)) {
    fill_in(text, "CLIENT", text_of(incident.client));
    fill_in(text, "ADDRESS", text_of(incident.client));
  }
  return text;
}

/// What to do about the client of a scan: its servers are what it met, not what ails.
std::vector<std::string> steps_about_client(const Incident& incident) {
  const std::string client = text_of(incident.client);
  const bool sweep = incident.scope == IncidentScope::client;
  std::vector<std::string> out;
  out.push_back(fmt::format(
      "Whose is {0}, and which program on it did this? On it: `ss -tnp '( dst {1} )'` while it goes on, the login and "
      "process records of that time afterwards.",
      client, text_of(incident.sample.summary.responder.address)));
  out.push_back(fmt::format(
      "A scanner or inventory of your own is no news: the entry \"client {}\" in alerts.expected keeps it quiet.",
      client));
  out.push_back(fmt::format(
      "Nobody's? Then what it did reach counts: flow records (--flows) with source.ip {} and doorslam.cause served.",
      client));
  if (sweep) {
    out.push_back(
        fmt::format("If {} ought to reach these servers, look at what they have in common: its route, VPN or address, "
                    "and the packet filter next to it.",
                    client));
  }
  return out;
}

constexpr std::string_view kPassiveFtpStep =
    "Are the ports that the FTP server offers for data open, in every packet filter on the way and on the server? "
    "vsftpd: pasv_min_port and pasv_max_port; proftpd: PassivePorts; pure-ftpd: -p. A filter that reads along "
    "(nf_conntrack_ftp) cannot where the session is encrypted.";
constexpr std::string_view kActiveFtpStep =
    "The client asked for active mode (PORT, EPRT) and its own packet filter or NAT does not let the server in: let it "
    "use passive mode.";

/// What would tell the causes apart that are in question where a server turns everybody away in silence.
std::vector<std::string> steps_of_outage(const Incident& incident) {
  struct Question {
    diagnose::Cause cause;
    std::string_view step;
  };
  constexpr auto kQuestions = std::to_array<Question>({
      {diagnose::Cause::maintenance,
       "Is what stands behind it up? A proxy or balancer whose backends are gone accepts and closes: its log and "
       "status page on SERVER, then the backends themselves."},
      {diagnose::Cause::acl_denied,
       "A list of addresses? Connect from SERVER itself and from another network: whoever gets in is not on it. Which "
       "addresses may come was perhaps changed shortly before."},
      {diagnose::Cause::connection_limit,
       "A limit? `ss -Htn state established '( sport = :PORT )' | wc -l` on the server: does the number stand at a "
       "round figure, and does the next one get in when a session ends?"},
      {diagnose::Cause::app_crash,
       "Does the program live? `systemctl status`, its number of restarts, `journalctl -k | grep -i -e segfault -e "
       "oom` on the server."},
      {diagnose::Cause::rate_limit,
       "A limit on arrivals? One attempt after some minutes of silence gets in, a second one at once does not."},
  });
  std::vector<std::string> out;
  constexpr double kWorthAsking = 0.05;
  for (const diagnose::Hypothesis& hypothesis : incident.sample.diagnosis.hypotheses) {
    const auto question = std::ranges::find(kQuestions, hypothesis.cause, &Question::cause);
    if (question == kQuestions.end() || hypothesis.probability < kWorthAsking) continue;
    out.emplace_back(question->step);
  }
  return out;
}

/// What to do about what was found of these refusals themselves: comes before what holds for their cause.
std::vector<std::string> steps_by_findings(const Incident& incident) {
  std::vector<std::string> out = is_outage(incident) ? steps_of_outage(incident) : std::vector<std::string>();
  if (const auto& one = incident.sample.diagnosis.one_server) {
    std::string step = fmt::format(
        "Of the {} behind SERVER only one refuses: compare its address lists, version and load with those of the "
        "others. Which one it is, the balancer knows (`ipvsadm -Lnc`, `conntrack -L -d SERVER`, its log) by the "
        "clients' ports.",
        counted(one->others + 1, "server"));
    if (one->by_clocks) {
      step +=
          " Is there a NAT with several addresses between here and them? Then it may be one server that knows one of "
          "these addresses and not the other.";
    }
    out.push_back(std::move(step));
  }
  if (incident.ftp_control) out.push_back(std::string(is_active_ftp(incident) ? kActiveFtpStep : kPassiveFtpStep));
  if (incident.times && !incident.sample.diagnosis.limit) {
    out.push_back(
        "The refusals come at times of their own: look for what runs then, on the server (`systemctl list-timers "
        "--all`, cron, backups, reloads) and at its clients (batch jobs).");
  }
  return out;
}

}  // namespace

std::string whom_to_ask(const Incident& incident) {
  if (is_scan(incident)) return "the owner of " + text_of(incident.client);
  if (is_outage(incident)) return std::string(diagnose::guide_entry(diagnose::Cause::maintenance).ask);
  return std::string(diagnose::guide_entry(incident.cause).ask);
}

std::vector<std::string> steps_of(const Incident& incident) {
  if (is_scan(incident)) return steps_about_client(incident);
  const std::string program = program_of(incident);
  std::size_t settings = 0;
  std::size_t checks = 0;
  std::vector<std::string> out = steps_by_findings(incident);
  for (std::string& step : out) step = filled_in(std::move(step), incident);
  for (const diagnose::NextStep& step :
       diagnose::next_steps(incident.cause, program, protocol_of(incident), incident.sample.summary.stage)) {
    const bool is_setting = !step.program.empty();
    if (is_setting ? settings++ >= kSettings : checks++ >= kChecks) continue;
    std::string text = filled_in(step.text, incident);
    if (is_setting) text = fmt::format("{}{}: {}", program.empty() ? "With " : "", step.program, text);
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace doorslam::alert
