#include "pipeline/alert/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/open_incident.h"
#include "pipeline/alert/report_incident.h"
#include "pipeline/alert/terminal.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/base/text.h"
#include "pipeline/base/utf8.h"
#include "pipeline/base/wrap.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::alert {

namespace {

using diagnose::Cause;

constexpr std::size_t kServersCounted = 65'536;
constexpr std::size_t kClientsCounted = 4'096;
constexpr std::size_t kPortsListed = 10;
constexpr std::size_t kLabel = 16;

/// Reports are of captures.
const KeyHash kHash(flowtable::HashKey::fixed());

/// Connections by client.
using ClientCounts = BoundedMap<flowtable::IpAddress, std::uint64_t>;

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
  explicit Impl(ReportOptions options) : options_(options), terminal_(options.colour) {
    options_.width = std::max<std::size_t>(options_.width, 80);
  }

  void observe(const diagnose::DiagnosedConnection& connection) {
    const Cause cause = connection.diagnosis.cause;
    ++by_cause_[static_cast<std::size_t>(cause)];
    add_quality(quality_, connection.summary);
    const flowtable::IpAddress& client = connection.summary.originator.address;
    if (cause == Cause::client_abort) ++leavers_.touch(client);
    if (cause == Cause::unknown) ++unknown_.touch(client);
    const bool refused = diagnose::is_refusal(cause) && !diagnose::traits_of(cause).clients_own;
    if (cause != Cause::served && !refused) return;
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
    if (capture.filtered_out > 0 && (connections() == 0 || capture.filtered_out == capture.packets)) {
      return out + terminal_.paint(Ink::yellow, words_of_filter(capture)) + '\n';
    }
    if (capture.packets > capture.filtered_out && capture.used == 0) {
      return out + terminal_.paint(Ink::yellow, "No packet could be used: nothing can be said of any connection.") +
             '\n';
    }
    out += render_incidents();
    return out;
  }

 private:
  /// Where the filter leaves no connection.
  static std::string words_of_filter(const CaptureSummary& capture) {
    const std::uint64_t matched = capture.packets - capture.filtered_out;
    if (matched > 0) {
      return fmt::format("There is no TCP connection in the {} of {} packets that match the filter.", grouped(matched),
                         grouped(capture.packets));
    }
    return fmt::format(
        "The filter matches none of the {} packets. Frames with a VLAN tag match only behind the word "
        "vlan: 'host X or (vlan and host X)'.",
        grouped(capture.packets));
  }

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
    for (const std::string& name : capture.captures) {
      names += (names.empty() ? "" : ", ") + (name == "-" ? "standard input" : for_terminal(name));
    }
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
    if (capture.cut != 0) {
      out += labelled("capture loss",
                      fmt::format("the snap length cut {} of {} packets: what was said beyond it is not known, and a "
                                  "refusal in words may pass for a service",
                                  grouped(capture.cut), grouped(capture.packets)),
                      options_.width);
    }
    for (const std::string& words : loss_words(quality_)) out += labelled("capture loss", words, options_.width);
    if (const std::string copies = copy_words(quality_); !copies.empty())
      out += labelled("mirror", copies, options_.width);
    for (const std::string& warning : capture.warnings) {
      out += terminal_.paint(Ink::yellow, labelled("warning", for_terminal(warning), options_.width));
    }
    return out + '\n' + render_causes();
  }

  /// A group of causes with its total; without connections nothing unless it is `always` told.
  std::string render_group(std::string_view name, bool clients_own, bool always) const {
    std::uint64_t all = 0;
    std::vector<Cause> causes;
    for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
      const auto cause = static_cast<Cause>(i);
      const bool belongs = diagnose::is_refusal(cause) && diagnose::traits_of(cause).clients_own == clients_own;
      if (!belongs || count_of(cause) == 0) continue;
      all += count_of(cause);
      causes.push_back(cause);
    }
    if (all == 0 && !always) return {};
    std::string out =
        terminal_.paint(all != 0 ? Ink::red : Ink::plain, fmt::format("    {:<26}{:>12}", name, grouped(all)));
    out += '\n';
    std::stable_sort(causes.begin(), causes.end(), [&](Cause a, Cause b) { return count_of(a) > count_of(b); });
    for (const Cause cause : causes) {
      out += fmt::format("      {:<24}{:>12}   {}\n", name_of(cause), grouped(count_of(cause)),
                         terminal_.paint(Ink::dim, diagnose::guide_entry(cause).title));
    }
    return out;
  }

  /// A figure, and the clients that are behind most of it.
  std::string render_clients(std::string_view name, Cause cause, const ClientCounts& clients) const {
    constexpr std::size_t kShown = 3;
    std::vector<std::pair<std::uint64_t, flowtable::IpAddress>> sorted;
    clients.for_each(
        [&](const flowtable::IpAddress& client, std::uint64_t count) { sorted.emplace_back(count, client); });
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
      return a.first != b.first ? a.first > b.first : a.second < b.second;
    });
    std::string most;
    for (std::size_t i = 0; i < std::min(sorted.size(), kShown); ++i) {
      most += fmt::format("{}{} ({})", i == 0 ? "   most often " : ", ", text_of(sorted[i].second),
                          grouped(sorted[i].first));
    }
    if (sorted.size() > kShown) most += ", …";
    return fmt::format("    {:<26}{:>12}{}\n", name, grouped(count_of(cause)), most);
  }

  std::uint64_t connections() const { return std::accumulate(by_cause_.begin(), by_cause_.end(), std::uint64_t{0}); }

  std::string render_causes() const {
    std::string out = fmt::format("  {:<28}{:>12}\n", "connections", grouped(connections()));
    out += fmt::format("    {:<26}{:>12}\n", "served", grouped(count_of(Cause::served)));
    out += render_group("refused", false, true);
    out += render_group("failed at the client", true, false);
    out += render_clients("client went away itself", Cause::client_abort, leavers_);
    out += render_clients("cannot tell", Cause::unknown, unknown_);
    return out + '\n';
  }

  /// A row for an endpoint, or for a server of which too many ports were refused to list each.
  struct ServerRow {
    flowtable::Endpoint server;
    std::size_t ports = 0;
    ServerTally tally;
  };

  std::vector<ServerRow> server_rows() const {
    std::unordered_map<flowtable::IpAddress, std::size_t, KeyHash> ports(0, kHash);
    servers_.for_each([&](const flowtable::Endpoint& server, const ServerTally& tally) {
      if (tally.refused != 0) ++ports[server.address];
    });
    std::unordered_map<flowtable::Endpoint, ServerRow, KeyHash> rows(0, kHash);
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

  static std::string title_of(const std::vector<Incident>& incidents) {
    const auto failed = [](const Incident& incident) { return diagnose::traits_of(incident.cause).clients_own; };
    if (std::none_of(incidents.begin(), incidents.end(), failed)) return "REFUSALS: ";
    return std::all_of(incidents.begin(), incidents.end(), failed) ? "FAILURES: " : "REFUSALS AND FAILURES: ";
  }

  std::string render_incidents() const {
    std::vector<Incident> sorted = incidents_;
    std::sort(sorted.begin(), sorted.end(), weighs_more);
    std::size_t left_out = left_out_;
    if (sorted.size() > options_.max_incidents) {
      left_out += sorted.size() - options_.max_incidents;
      sorted.resize(options_.max_incidents);
    }
    if (connections() == 0) return terminal_.paint(Ink::yellow, "There is no TCP connection in it.") + '\n';
    if (sorted.empty()) return terminal_.paint(Ink::green, "No connection was refused.") + '\n';
    std::string out = title(title_of(sorted) + counted(sorted.size() + left_out, "incident") +
                            (sorted.size() > 1 ? ", the most severe first" : ""));
    const IncidentStyle style{options_.width, options_.screen, options_.unicode, terminal_};
    std::unordered_set<std::string> kinds;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      const Incident& incident = sorted[i];
      // The same cause by the same program, or on the same kind of port, needs no second lecture.
      const std::string kind =
          fmt::format("{} {} {}", name_of(incident.cause), program_of(incident), protocol_of(incident));
      const bool full = kinds.insert(kind).second;
      out += full ? render_full(incident, ladder_of(incident), i + 1, style) : render_compact(incident, i + 1, style);
    }
    if (left_out != 0) out += fmt::format("  … and {} of less weight\n", counted(left_out, "incident"));
    return out;
  }

  ReportOptions options_;
  Terminal terminal_;
  std::array<std::uint64_t, diagnose::kCauseCount> by_cause_{};
  CaptureQuality quality_;
  BoundedMap<flowtable::Endpoint, ServerTally> servers_{kServersCounted, kHash};
  ClientCounts leavers_{kClientsCounted, kHash};  ///< clients that went away themselves
  ClientCounts unknown_{kClientsCounted, kHash};  ///< clients of which nothing can be told
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
