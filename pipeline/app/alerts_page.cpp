#include "pipeline/app/alerts_page.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <vector>

#include "pipeline/alert/ladder.h"
#include "pipeline/alert/store/filter.h"
#include "pipeline/alert/text.h"
#include "pipeline/base/wrap.h"

namespace doorslam::app {

namespace {

using nlohmann::json;

constexpr std::size_t kWidth = 110;

/// The value at a path of keys joined by slashes, or null.
const json& at(const json& object, const char* path) {
  static const json kNull;
  const json::json_pointer pointer{std::string("/") + path};
  return object.contains(pointer) ? object.at(pointer) : kNull;
}

std::string text(const json& object, const char* path) {
  const json& value = at(object, path);
  return value.is_string() ? alert::for_terminal(value.get<std::string>()) : std::string();
}

std::int64_t number(const json& object, const char* path) {
  const json& value = at(object, path);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

std::string_view severity_word(int severity) {
  if (severity >= 99) return "critical";
  if (severity >= 73) return "high";
  if (severity >= 47) return "medium";
  return severity > 0 ? "low" : "";
}

std::string headline_of(const store::Record& record, const json& event) {
  std::string message = text(event, "message");
  if (!message.empty()) return message;
  return fmt::format("{} {}:{} → {}:{}", name_of(record.cause), text(event, "source/ip"), number(event, "source/port"),
                     text(event, "destination/ip"), number(event, "destination/port"));
}

alert::LadderLine ladder_line(const json& rung) {
  alert::LadderLine line;
  if (rung.contains("left_out")) {
    line.kind = alert::LadderLine::Kind::left_out;
    line.count = static_cast<std::uint32_t>(number(rung, "left_out"));
    return line;
  }
  const bool icmp = rung.contains("reporter");
  line.since_start_ns = number(rung, "offset");
  line.side = text(rung, icmp ? "about" : "from") == "server" ? tcp::Side::responder : tcp::Side::originator;
  line.ttl = static_cast<std::uint8_t>(number(rung, "ttl"));
  line.note = text(rung, "note");
  if (icmp) {
    line.kind = alert::LadderLine::Kind::icmp;
    if (const auto reporter = store::parse_prefix(text(rung, "reporter"))) line.reporter = reporter->address;
    return line;
  }
  line.flags = text(rung, "flags");
  line.seq = static_cast<std::uint32_t>(number(rung, "seq"));
  line.has_ack = rung.contains("ack");
  line.ack = static_cast<std::uint32_t>(number(rung, "ack"));
  line.length = static_cast<std::uint16_t>(number(rung, "length"));
  line.window = static_cast<std::uint16_t>(number(rung, "window"));
  return line;
}

std::string ladder(const json& event) {
  const json& rungs = at(event, "doorslam/ladder");
  if (!rungs.is_array() || rungs.empty()) return {};
  std::vector<alert::LadderLine> lines;
  for (const json& rung : rungs) {
    if (rung.is_object()) lines.push_back(ladder_line(rung));
  }
  return "\nON THE WIRE (one connection of these)\n" + alert::render(lines);
}

std::string hypotheses(const json& event) {
  const json& all = at(event, "doorslam/hypotheses");
  if (!all.is_array() || all.empty()) return {};
  std::string out = "\nWHY\n";
  for (const json& one : all) {
    const json& probability = at(one, "probability");
    out += fmt::format("  {:>3.0f} %  {}\n", probability.is_number() ? probability.get<double>() * 100 : 0.0,
                       text(one, "cause"));
    for (const auto& [key, mark] : {std::pair<const char*, const char*>{"for", "+"}, {"against", "–"}}) {
      const json& sentences = at(one, key);
      if (!sentences.is_array()) continue;
      for (const json& sentence : sentences) {
        if (!sentence.is_string()) continue;
        out += wrap(alert::for_terminal(sentence.get<std::string>()), kWidth, 11, fmt::format("         {} ", mark));
      }
    }
  }
  return out;
}

std::string next_steps(const json& event) {
  const json& steps = at(event, "doorslam/next_steps");
  if (!steps.is_array() || steps.empty()) return {};
  std::string out = "\nWHAT TO DO NEXT\n";
  std::size_t count = 0;
  for (const json& step : steps) {
    if (step.is_string()) {
      out += wrap(alert::for_terminal(step.get<std::string>()), kWidth, 5, fmt::format("  {}. ", ++count));
    }
  }
  return out;
}

void add_line(std::string& out, std::string_view label, const std::string& value) {
  if (!value.empty()) out += fmt::format("  {:<14}{}\n", label, value);
}

}  // namespace

std::string alert_line(const store::Record& record) {
  constexpr std::size_t kShortId = 12;
  const json event = json::parse(record.body, nullptr, false);
  std::string action = text(event, "event/action");
  if (const std::size_t dash = action.find('-'); dash != std::string::npos) action.erase(0, dash + 1);
  return fmt::format("{}  {}  {:<8}  {:<7}  {}\n", alert::person_time(record.time_ns), record.id.substr(0, kShortId),
                     severity_word(record.severity), action, headline_of(record, event));
}

std::string alert_page(const store::Record& record) {
  const json event = json::parse(record.body, nullptr, false);
  std::string out = headline_of(record, event) + "\n";
  out += wrap(text(event, "event/reason"), kWidth, 2);
  add_line(out, "event.id", record.id);
  add_line(out, "told", alert::person_time(record.time_ns) + ", " + text(event, "event/action"));
  add_line(out, "severity", std::string(severity_word(record.severity)));
  add_line(out, "incident", text(event, "doorslam/incident/id"));
  add_line(out, "first seen", text(event, "doorslam/incident/first_seen"));
  add_line(out, "last seen", text(event, "doorslam/incident/last_seen"));
  if (const std::int64_t refused = number(event, "doorslam/incident/refused"); refused > 0) {
    add_line(out, "refused", counted(static_cast<std::uint64_t>(refused), "connection"));
  }
  add_line(out, "conn_state", text(event, "doorslam/sample/conn_state"));
  add_line(out, "signature", text(event, "doorslam/signature/name"));
  add_line(out, "server said", text(event, "doorslam/banner"));
  add_line(out, "sensor", text(event, "observer/name"));
  return out + ladder(event) + hypotheses(event) + next_steps(event);
}

}  // namespace doorslam::app
