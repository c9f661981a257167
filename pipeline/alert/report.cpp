#include "pipeline/alert/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/open_incident.h"
#include "pipeline/alert/report_incident.h"
#include "pipeline/alert/terminal.h"
#include "pipeline/alert/text.h"
#include "pipeline/base/wrap.h"
#include "pipeline/diagnose/guide.h"

namespace doorslam::alert {

namespace {

using diagnose::Cause;

constexpr std::size_t kServersCounted = 65'536;
constexpr std::size_t kPortsListed = 10;
constexpr std::size_t kLabel = 16;

/// What became of the connections to one endpoint, for the table.
struct ServerTally {
  std::uint64_t refused = 0;
  std::uint64_t served = 0;
  std::array<std::uint64_t, diagnose::kCauseCount> by_cause{};
};

/// Most severe first, then the most refused; what it is about breaks ties, so that the order is always the same.
bool weighs_more(const Incident& a, const Incident& b) {
  const int severity_a = severity_of(a);
  const int severity_b = severity_of(b);
  return std::tie(severity_b, b.refused, a.first_ns, a.server, a.cause, a.id) <
         std::tie(severity_a, a.refused, b.first_ns, b.server, b.cause, b.id);
}

std::string labelled(std::string_view label, std::string_view text, std::size_t width) {
  return wrap(text, width, kLabel, fmt::format("  {}", label));
}

}  // namespace

class Report::Impl {
 public:
  explicit Impl(ReportOptions options) : options_(options), terminal_(options.colour), servers_(kServersCounted) {
    options_.width = std::max<std::size_t>(options_.width, 80);
  }

  void observe(const diagnose::DiagnosedConnection& connection) {
    const Cause cause = connection.diagnosis.cause;
    ++by_cause_[static_cast<std::size_t>(cause)];
    add_quality(quality_, connection.summary);
    if (cause != Cause::served && !diagnose::is_refusal(cause)) return;
    ServerTally& tally = servers_.touch(connection.summary.responder);
    if (cause == Cause::served) {
      ++tally.served;
      return;
    }
    ++tally.refused;
    ++tally.by_cause[static_cast<std::size_t>(cause)];
  }

  void observe(const AlertEvent& event) {
    if (event.action != AlertAction::closed || event.incident.folded_into != 0) return;
    incidents_.push_back(event.incident);
    if (incidents_.size() < 2 * options_.max_incidents) return;
    shed();
  }

  std::string render(const CaptureSummary& capture) const {
    std::string out = title("SUMMARY");
    out += render_summary(capture);
    out += render_servers();
    if (capture.packets > 0 && capture.used == 0) {
      return out + terminal_.paint(Ink::yellow, "No packet could be used: nothing can be said of any connection.") +
             '\n';
    }
    out += render_incidents();
    return out;
  }

 private:
  void shed() {
    std::sort(incidents_.begin(), incidents_.end(), weighs_more);
    left_out_ += incidents_.size() - options_.max_incidents;
    incidents_.resize(options_.max_incidents);
  }

  std::string title(std::string_view text) const {
    std::string line(text);
    line += ' ';
    const std::string_view dash = options_.unicode ? "━" : "=";
    for (std::size_t i = columns(line); i < options_.width; ++i) line += dash;
    return terminal_.paint(Ink::bold, line) + "\n\n";
  }

  std::uint64_t count_of(Cause cause) const { return by_cause_[static_cast<std::size_t>(cause)]; }

  std::string render_summary(const CaptureSummary& capture) const {
    std::string out;
    std::string names;
    for (const std::string& name : capture.captures) names += (names.empty() ? "" : ", ") + for_terminal(name);
    if (!names.empty()) out += labelled(capture.captures.size() == 1 ? "capture" : "captures", names, options_.width);
    if (capture.last_ns != 0) {
      out += labelled("time",
                      fmt::format("{} to {} UTC ({})", person_time(capture.first_ns), person_time(capture.last_ns),
                                  person_duration(capture.last_ns - capture.first_ns)),
                      options_.width);
    }
    out += labelled("packets", fmt::format("{} read, {} used", grouped(capture.packets), grouped(capture.used)),
                    options_.width);
    for (const auto& [reason, count] : capture.not_used) {
      if (count != 0) out += labelled("", fmt::format("{} not used: {}", grouped(count), reason), options_.width);
    }
    for (const std::string& words : quality_words(quality_)) out += labelled("capture loss", words, options_.width);
    for (const std::string& warning : capture.warnings) {
      out += terminal_.paint(Ink::yellow, labelled("warning", for_terminal(warning), options_.width));
    }
    return out + '\n' + render_causes();
  }

  std::string render_causes() const {
    std::uint64_t all = 0;
    std::uint64_t refused = 0;
    for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
      all += by_cause_[i];
      if (diagnose::is_refusal(static_cast<Cause>(i))) refused += by_cause_[i];
    }
    std::string out = fmt::format("  {:<28}{:>12}\n", "connections", grouped(all));
    out += fmt::format("    {:<26}{:>12}\n", "served", grouped(count_of(Cause::served)));
    out += terminal_.paint(refused != 0 ? Ink::red : Ink::plain,
                           fmt::format("    {:<26}{:>12}", "refused", grouped(refused)));
    out += '\n';
    std::vector<Cause> causes;
    for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
      if (by_cause_[i] != 0 && diagnose::is_refusal(static_cast<Cause>(i))) causes.push_back(static_cast<Cause>(i));
    }
    std::stable_sort(causes.begin(), causes.end(), [&](Cause a, Cause b) { return count_of(a) > count_of(b); });
    for (const Cause cause : causes) {
      out += fmt::format("      {:<24}{:>12}   {}\n", name_of(cause), grouped(count_of(cause)),
                         terminal_.paint(Ink::dim, diagnose::guide_entry(cause).title));
    }
    out += fmt::format("    {:<26}{:>12}\n", "client went away itself", grouped(count_of(Cause::client_abort)));
    out += fmt::format("    {:<26}{:>12}\n\n", "cannot tell", grouped(count_of(Cause::unknown)));
    return out;
  }

  /// A row for an endpoint, or for a server of which too many ports were refused to list each.
  struct ServerRow {
    flowtable::Endpoint server;
    std::size_t ports = 0;
    ServerTally tally;
  };

  std::vector<ServerRow> server_rows() const {
    std::unordered_map<flowtable::IpAddress, std::size_t, KeyHash> ports;
    servers_.for_each([&](const flowtable::Endpoint& server, const ServerTally& tally) {
      if (tally.refused != 0) ++ports[server.address];
    });
    std::unordered_map<flowtable::Endpoint, ServerRow, KeyHash> rows;
    servers_.for_each([&](const flowtable::Endpoint& server, const ServerTally& tally) {
      if (tally.refused == 0) return;
      const bool many = ports[server.address] > kPortsListed;
      const flowtable::Endpoint key{server.address, many ? std::uint16_t{0} : server.port};
      ServerRow& row = rows[key];
      row.server = key;
      ++row.ports;
      row.tally.refused += tally.refused;
      row.tally.served += tally.served;
      for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) row.tally.by_cause[i] += tally.by_cause[i];
    });
    std::vector<ServerRow> sorted;
    sorted.reserve(rows.size());
    for (const auto& [key, row] : rows) sorted.push_back(row);
    std::sort(sorted.begin(), sorted.end(), [](const ServerRow& a, const ServerRow& b) {
      return a.tally.refused != b.tally.refused ? a.tally.refused > b.tally.refused : a.server < b.server;
    });
    return sorted;
  }

  static std::string name_of_row(const ServerRow& row) {
    return row.ports > 1 ? fmt::format("{}, {}", text_of(row.server.address), counted(row.ports, "port"))
                         : text_of(row.server);
  }

  std::string render_servers() const {
    const std::vector<ServerRow> rows = server_rows();
    if (rows.empty()) return {};
    const std::size_t shown = std::min(rows.size(), options_.top_servers);
    std::size_t widest = 18;
    for (std::size_t i = 0; i < shown; ++i) widest = std::max(widest, name_of_row(rows[i]).size());
    std::string out =
        fmt::format("  {:<{}}{:>9}{:>9}   {}\n", "servers most refused", widest + 4, "refused", "served", "by cause");
    for (std::size_t i = 0; i < shown; ++i) {
      const ServerTally& tally = rows[i].tally;
      std::string causes;
      for (std::size_t c = 0; c < diagnose::kCauseCount; ++c) {
        if (tally.by_cause[c] == 0) continue;
        causes +=
            fmt::format("{}{} {}", causes.empty() ? "" : ", ", diagnose::kCauseNames[c], grouped(tally.by_cause[c]));
      }
      const std::string head = fmt::format("    {:<{}}{:>9}{:>9}   ", name_of_row(rows[i]), widest + 2,
                                           grouped(tally.refused), grouped(tally.served));
      out += wrap(causes, options_.width, columns(head), head);
    }
    if (rows.size() > shown) out += fmt::format("    … and {}\n", counted(rows.size() - shown, "more server"));
    return out + '\n';
  }

  std::string render_incidents() const {
    std::vector<Incident> sorted = incidents_;
    std::sort(sorted.begin(), sorted.end(), weighs_more);
    std::size_t left_out = left_out_;
    if (sorted.size() > options_.max_incidents) {
      left_out += sorted.size() - options_.max_incidents;
      sorted.resize(options_.max_incidents);
    }
    if (sorted.empty()) return terminal_.paint(Ink::green, "No connection was refused.") + '\n';
    std::string out = title(fmt::format("REFUSALS: {}", counted(sorted.size() + left_out, "incident")));
    const IncidentStyle style{options_.width, options_.unicode, terminal_};
    std::unordered_set<std::string> kinds;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      const Incident& incident = sorted[i];
      // The same cause by the same program, or on the same kind of port, needs no second lecture.
      const std::string kind =
          fmt::format("{} {} {}", name_of(incident.cause), program_of(incident), protocol_of(incident));
      const bool full = kinds.insert(kind).second;
      out += full ? render_full(incident, i + 1, style) : render_compact(incident, i + 1, style);
    }
    if (left_out != 0) out += fmt::format("  … and {} of less weight\n", counted(left_out, "incident"));
    return out;
  }

  ReportOptions options_;
  Terminal terminal_;
  std::array<std::uint64_t, diagnose::kCauseCount> by_cause_{};
  CaptureQuality quality_;
  BoundedMap<flowtable::Endpoint, ServerTally> servers_;
  std::vector<Incident> incidents_;
  std::size_t left_out_ = 0;
};

Report::Report(ReportOptions options) : impl_(std::make_unique<Impl>(options)) {}
Report::~Report() = default;
Report::Report(Report&&) noexcept = default;
Report& Report::operator=(Report&&) noexcept = default;

void Report::observe(const diagnose::DiagnosedConnection& connection) { impl_->observe(connection); }
void Report::observe(const AlertEvent& event) { impl_->observe(event); }
std::string Report::render(const CaptureSummary& capture) const { return impl_->render(capture); }

}  // namespace doorslam::alert
