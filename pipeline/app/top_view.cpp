#include "pipeline/app/top_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "pipeline/alert/time_text.h"
#include "pipeline/base/text.h"
#include "pipeline/base/utf8.h"

namespace doorslam::app {

namespace {

using nlohmann::json;

constexpr double kMsPerSecond = 1e3;
constexpr double kBitsPerOctet = 8;
constexpr std::size_t kBarColumns = 20;
constexpr double kFullTable = 0.8;  // at which a table of buckets begins to evict
constexpr std::uint64_t kLongLagMs = 5'000;
/// Rows of a list that is cut for want of room; below that it is not begun.
constexpr std::size_t kFewestRows = 2;

std::uint64_t number(const json& object, std::string_view key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_number() ? value->get<std::uint64_t>() : 0;
}

std::string text(const json& object, std::string_view key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? for_terminal(value->get<std::string>()) : std::string();
}

const json& part(const json& object, std::string_view key) {
  static const json kNothing = json::object();
  const auto value = object.find(key);
  return value != object.end() && value->is_object() ? *value : kNothing;
}

/// Per second, in a handful of characters.
std::string rate_text(double rate) {
  if (rate >= 1e9) return fmt::format("{:.2f} G", rate / 1e9);
  if (rate >= 1e6) return fmt::format("{:.2f} M", rate / 1e6);
  if (rate >= 1e4) return fmt::format("{:.1f} k", rate / 1e3);
  return rate >= 10 || rate == 0 ? fmt::format("{:.0f} ", rate) : fmt::format("{:.1f} ", rate);
}

/// Two samples and the time between them.
class Change {
 public:
  Change(const TopSample& before, const TopSample& now) {
    const auto later = number(now.stats, "uptime_ms");
    const auto earlier = number(before.stats, "uptime_ms");
    seconds_ = later > earlier ? static_cast<double>(later - earlier) / kMsPerSecond : 0.0;
  }

  double rate(const json& before, const json& now, std::string_view key) const {
    const std::uint64_t from = number(before, key);
    const std::uint64_t to = number(now, key);
    return seconds_ > 0 && to > from ? static_cast<double>(to - from) / seconds_ : 0.0;
  }

 private:
  double seconds_ = 0.0;
};

struct Section {
  TopLine heading;
  std::vector<TopLine> rows;
};

std::string bar(double share) {
  const auto filled =
      static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(kBarColumns)));
  return "[" + std::string(filled, '#') + std::string(kBarColumns - filled, '.') + "]";
}

TopLine title(const TopSample& now) {
  const std::uint64_t uptime_s = number(now.stats, "uptime_ms") / 1000;
  const auto time_ns = static_cast<flowtable::TimeNs>(number(now.stats, "packet_time_ns"));
  return {fmt::format("doorslam {}   up {}:{:02}:{:02}   {} {} UTC", text(now.stats, "version"), uptime_s / 3600,
                      uptime_s / 60 % 60, uptime_s % 60, number(now.stats, "replay") != 0 ? "replaying" : "packet time",
                      time_ns > 0 ? alert::person_time(time_ns) : "-"),
          TopTone::heading};
}

std::uint64_t sum_of_ports(const TopSample& sample, std::string_view key) {
  std::uint64_t sum = 0;
  for (const auto& [name, port] : sample.ports.items()) sum += number(port, key);
  return sum;
}

TopLine loss_line(const TopSample& before, const TopSample& now, const Change& change) {
  const std::uint64_t missed = sum_of_ports(now, "missed");
  const std::uint64_t errors = sum_of_ports(now, "errors");
  const std::uint64_t no_buffer = sum_of_ports(now, "no_buffer");
  const std::uint64_t between = number(now.stats, "steering_lost");
  const std::uint64_t events = number(now.stats, "events_lost") + number(now.stats, "events_served_lost");
  const double rate = change.rate(before.stats, now.stats, "lost_at_ports") +
                      change.rate(before.stats, now.stats, "steering_lost") +
                      change.rate(before.stats, now.stats, "events_lost");
  const std::uint64_t all = missed + errors + no_buffer + between + events;
  return {
      fmt::format("lost      {}packets/s: {} missed, {} damaged, {} no buffer, {} steering, {} events", rate_text(rate),
                  grouped(missed), grouped(errors), grouped(no_buffer), grouped(between), grouped(events)),
      rate > 0  ? TopTone::bad
      : all > 0 ? TopTone::warning
                : TopTone::good};
}

TopLine table_line(const TopSample& now) {
  const std::uint64_t open = number(now.stats, "open_connections");
  const std::uint64_t capacity = number(now.stats, "capacity_connections");
  const double share = capacity == 0 ? 0.0 : static_cast<double>(open) / static_cast<double>(capacity);
  const std::uint64_t evicted = number(now.stats, "evicted");
  return {fmt::format("table     {} {:.1f} %, {} of {} connections, {} evicted", bar(share), share * 100, grouped(open),
                      grouped(capacity), grouped(evicted)),
          share >= kFullTable || evicted > 0 ? TopTone::bad : TopTone::plain};
}

TopLine analysis_line(const TopSample& now) {
  const std::uint64_t lag_ms = number(now.stats, "analysis_lag_ms");
  const std::uint64_t sampled = number(now.stats, "events_sampled_out");
  return {fmt::format("analysis  {} ms behind, {} events waiting, {} sampled out", grouped(lag_ms),
                      grouped(number(now.stats, "analysis_waiting")), grouped(sampled)),
          lag_ms > kLongLagMs ? TopTone::bad
          : sampled > 0       ? TopTone::warning
                              : TopTone::plain};
}

TopLine alerts_line(const TopSample& now) {
  std::string line = fmt::format("alerts    {} incidents open, {} opened",
                                 grouped(number(now.alerts, "incidents_open")), grouped(number(now.alerts, "opened")));
  bool trouble = false;
  for (const std::string_view output : {"flows", "alerts"}) {
    const std::string why = text(now.stats, std::string(output) + "_trouble");
    trouble = trouble || !why.empty();
    if (!why.empty()) line += fmt::format("; {} {}", output, why);
  }
  if (number(part(now.alerts, "store"), "failing") != 0) {
    trouble = true;
    line += "; the store cannot be written";
  }
  for (const auto& [name, sink] : now.alerts.items()) {
    constexpr std::string_view kSink = "sink_";
    if (!name.starts_with(kSink) || !sink.is_object()) continue;
    const bool stuck = !text(sink, "trouble").empty();
    trouble = trouble || stuck;
    line += fmt::format("; {} {} behind{}", text(sink, "name"), grouped(number(sink, "behind")),
                        stuck ? " (in trouble)" : "");
  }
  return {std::move(line), trouble ? TopTone::warning : TopTone::plain};
}

std::vector<TopLine> summary(const TopSample& before, const TopSample& now, const Change& change) {
  const bool exact = number(now.stats, "balances") == number(now.stats, "balances_held");
  const std::uint64_t wrong = number(now.stats, "wrong_worker");
  const std::uint64_t filtered_out = number(now.stats, "filtered_out");
  return {title(now),
          {fmt::format("traffic   {}packets/s, {}bit/s, {}connections/s",
                       rate_text(change.rate(before.stats, now.stats, "polled")),
                       rate_text(change.rate(before.stats, now.stats, "polled_octets") * kBitsPerOctet),
                       rate_text(change.rate(before.stats, now.stats, "connections"))),
           TopTone::plain},
          {fmt::format("packets   {} received, {} processed{}{}{}", grouped(number(now.stats, "received")),
                       grouped(number(now.stats, "processed")),
                       filtered_out > 0 ? fmt::format(", {} left out by the filter", grouped(filtered_out)) : "",
                       exact ? ", all accounted for" : ", some on their way",
                       wrong > 0 ? fmt::format(", {} at the wrong worker", grouped(wrong)) : ""),
           wrong > 0 ? TopTone::warning : TopTone::plain},
          loss_line(before, now, change),
          table_line(now),
          analysis_line(now),
          alerts_line(now)};
}

Section causes(const TopSample& before, const TopSample& now, const Change& change) {
  struct Row {
    std::string cause;
    double rate;
    std::uint64_t count;
  };
  const json& counts = part(now.alerts, "refusals");
  std::vector<Row> rows;
  for (const auto& [cause, count] : counts.items()) {
    rows.push_back(
        {for_terminal(cause), change.rate(part(before.alerts, "refusals"), counts, cause), number(counts, cause)});
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return a.rate != b.rate ? a.rate > b.rate : a.count != b.count ? a.count > b.count : a.cause < b.cause;
  });
  Section section{{fmt::format("{:<40} {:>12} {:>14}", "REFUSALS BY CAUSE", "per second", "in all"), TopTone::heading},
                  {}};
  for (const Row& row : rows) {
    section.rows.push_back({fmt::format("{:<40} {:>12} {:>14}", row.cause, rate_text(row.rate), grouped(row.count)),
                            row.rate > 0 ? TopTone::warning : TopTone::plain});
  }
  if (rows.empty()) section.rows.push_back({"none", TopTone::good});
  return section;
}

Section servers(const TopSample& now) {
  Section section{
      {fmt::format("{:<40} {:>8} {:>10}  {}", "WORST SERVERS", "recent", "in all", "mostly"), TopTone::heading}, {}};
  for (std::size_t i = 0;; ++i) {
    const json& server = part(now.servers, "worst_" + std::to_string(i));
    if (server.empty()) break;
    section.rows.push_back(
        {fmt::format("{:<40} {:>8} {:>10}  {}", text(server, "server"), grouped(number(server, "recent")),
                     grouped(number(server, "refused")), text(server, "cause")),
         TopTone::plain});
  }
  if (section.rows.empty()) section.rows.push_back({"none", TopTone::good});
  return section;
}

Section workers(const TopSample& before, const TopSample& now, const Change& change) {
  Section section{{fmt::format("{:<12} {:>5} {:>12} {:>12} {:>6} {:>11} {:>9} {:>6}", "THREAD", "lcore", "polled/s",
                               "tracked/s", "busy", "open", "evicted", "lost"),
                   TopTone::heading},
                  {}};
  for (const auto& [name, worker] : now.workers.items()) {
    const json& earlier = part(before.workers, name);
    const double busy = change.rate(earlier, worker, "busy");
    const double idle = change.rate(earlier, worker, "idle");
    const std::uint64_t bad = number(worker, "lost") + number(worker, "evicted");
    section.rows.push_back({fmt::format("{:<12} {:>5} {:>12} {:>12} {:>6} {:>11} {:>9} {:>6}", for_terminal(name),
                                        number(worker, "lcore"), rate_text(change.rate(earlier, worker, "polled")),
                                        rate_text(change.rate(earlier, worker, "tracked")),
                                        busy + idle > 0 ? fmt::format("{:.0f} %", busy / (busy + idle) * 100) : "-",
                                        grouped(number(worker, "open")), grouped(number(worker, "evicted")),
                                        grouped(number(worker, "lost"))),
                            bad > 0 ? TopTone::warning : TopTone::plain});
  }
  return section;
}

Section ports(const TopSample& before, const TopSample& now, const Change& change) {
  Section section{{fmt::format("{:<24} {:>5} {:>13} {:>12} {:>10} {:>10}", "PORT", "link", "received/s", "missed",
                               "damaged", "buffers"),
                   TopTone::heading},
                  {}};
  for (const auto& [name, port] : now.ports.items()) {
    const bool up = number(port, "link_up") != 0;
    const std::uint64_t buffers = number(port, "buffers");
    section.rows.push_back(
        {fmt::format("{:<24} {:>5} {:>13} {:>12} {:>10} {:>10}", text(port, "name"), up ? "up" : "down",
                     rate_text(change.rate(part(before.ports, name), port, "received")),
                     grouped(number(port, "missed") + number(port, "no_buffer")), grouped(number(port, "errors")),
                     buffers == 0 ? "-" : fmt::format("{} %", number(port, "buffers_in_use") * 100 / buffers)),
         up ? TopTone::plain : TopTone::bad});
  }
  return section;
}

/// How many rows each section shows when `room` lines are left for all, their headings and a blank line before each
/// included: in turn one row each, the first section first.
std::vector<std::size_t> share_out(const std::vector<Section>& sections, std::size_t room) {
  std::vector<std::size_t> shown(sections.size(), 0);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const std::size_t begin = 2 + std::min(kFewestRows, sections[i].rows.size());
    if (begin > room) return shown;
    shown[i] = begin - 2;
    room -= begin;
  }
  for (bool grew = true; grew && room > 0;) {
    grew = false;
    for (std::size_t i = 0; i < sections.size() && room > 0; ++i) {
      if (shown[i] == sections[i].rows.size()) continue;
      ++shown[i];
      --room;
      grew = true;
    }
  }
  return shown;
}

}  // namespace

std::vector<TopLine> top_view(const TopSample& before, const TopSample& now, std::size_t columns, std::size_t rows) {
  const Change change(before, now);
  std::vector<TopLine> lines = summary(before, now, change);
  const std::vector<Section> sections = {causes(before, now, change), servers(now), workers(before, now, change),
                                         ports(before, now, change)};
  const std::size_t used = std::min(rows, lines.size());
  const auto shown = share_out(sections, rows == 0 ? SIZE_MAX : rows - used);
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (shown[i] == 0) continue;
    lines.push_back({});
    lines.push_back(sections[i].heading);
    const auto begin = sections[i].rows.begin();
    lines.insert(lines.end(), begin, begin + static_cast<std::ptrdiff_t>(shown[i]));
  }
  if (rows != 0 && lines.size() > rows) lines.resize(rows);
  for (TopLine& line : lines) {
    line.text.resize(std::min(line.text.size(), columns));
    while (line.text.ends_with(' ')) line.text.pop_back();
  }
  return lines;
}

}  // namespace doorslam::app
