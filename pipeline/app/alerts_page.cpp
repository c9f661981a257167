#include "pipeline/app/alerts_page.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pipeline/alert/incident_words.h"
#include "pipeline/alert/report_incident.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/app/stored_incident.h"
#include "pipeline/base/utf8.h"
#include "pipeline/base/wrap.h"

namespace doorslam::app {

namespace {

using nlohmann::json;

std::string text(const json& object, const char* path) {
  const json& value = value_at(object, path);
  return value.is_string() ? for_terminal(value.get<std::string>()) : std::string();
}

std::int64_t number(const json& object, const char* path) {
  const json& value = value_at(object, path);
  return value.is_number_integer() ? value.get<std::int64_t>() : 0;
}

std::string headline_of(const store::Record& record, const json& event) {
  std::string message = text(event, "message");
  if (!message.empty()) return message;
  return fmt::format("{} {}:{} → {}:{}", name_of(record.cause), text(event, "source/ip"), number(event, "source/port"),
                     text(event, "destination/ip"), number(event, "destination/port"));
}

void add_line(std::string& out, std::string_view label, const std::string& value) {
  if (!value.empty()) out += fmt::format("    {:<12}{}\n", label, value);
}

/// What the record is, apart from what it tells.
std::string about_record(const store::Record& record, const json& event) {
  std::string out;
  add_line(out, "event.id", record.id);
  add_line(out, "told", alert::person_time(record.time_ns) + " UTC, " + text(event, "event/action"));
  add_line(out, "incident", text(event, "doorslam/incident/id"));
  add_line(out, "sensor", text(event, "observer/name"));
  return out;
}

/// A flow record has no incident about it.
std::string flow_page(const store::Record& record, const json& event) {
  std::string out = headline_of(record, event) + '\n';
  out += wrap(text(event, "event/reason"), alert::kPageColumns, 4) + '\n';
  out += about_record(record, event);
  add_line(out, "conn_state", text(event, "doorslam/conn_state"));
  add_line(out, "stage", text(event, "doorslam/stage"));
  add_line(out, "server said", text(event, "doorslam/banner"));
  return out + alert::render_why(stored_diagnosis(event), alert::IncidentStyle());
}

}  // namespace

std::string alert_line(const store::Record& record) {
  constexpr std::size_t kShortId = 12;
  const json event = json::parse(record.body, nullptr, false);
  std::string action = text(event, "event/action");
  if (const std::size_t dash = action.find('-'); dash != std::string::npos) action.erase(0, dash + 1);
  return fmt::format("{}  {}  {:<8}  {:<7}  {}\n", alert::person_time(record.time_ns), record.id.substr(0, kShortId),
                     alert::severity_word(record.severity), action, headline_of(record, event));
}

std::string alert_page(const store::Record& record) {
  const json event = json::parse(record.body, nullptr, false);
  if (record.kind == store::RecordKind::flow) return flow_page(record, event);
  const StoredIncident stored = stored_incident(event);
  return about_record(record, event) + '\n' +
         alert::render_full(stored.incident, stored.ladder, 0, alert::IncidentStyle());
}

}  // namespace doorslam::app
