#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "pipeline/alert/ecs_alert.h"
#include "pipeline/alert/ecs_flow.h"
#include "tests/unit/alert/reference.h"
#include "tests/unit/alert/sample.h"

/// Every name and value that claims to be ECS must be ECS: a SIEM drops or mis-maps what is not.
namespace doorslam::alert {
namespace {

using nlohmann::json;

/// RFC 4180: quoted fields may hold commas, quotes and line breaks.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1);
  std::string field;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
        field += text[++i];
      } else if (c == '"') {
        quoted = false;
      } else {
        field += c;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',' || c == '\n') {
      rows.back().push_back(std::exchange(field, {}));
      if (c == '\n') rows.emplace_back();
    } else if (c != '\r') {
      field += c;
    }
  }
  return rows;
}

struct Field {
  std::string type;
  bool array = false;
};

std::map<std::string, Field> ecs_fields(const std::filesystem::path& path) {
  std::ifstream input(path);
  std::ostringstream text;
  text << input.rdbuf();
  const auto rows = parse_csv(text.str());
  std::map<std::string, Field> fields;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() > 6) fields[rows[i][3]] = {rows[i][4], rows[i][6] == "array"};
  }
  return fields;
}

/// Leaves by their dotted names; doorslam's own are left out.
void flatten(const json& object, const std::string& prefix, std::map<std::string, json>& out) {
  for (const auto& [key, value] : object.items()) {
    if (prefix.empty() && key == "doorslam") continue;
    const std::string name = prefix.empty() ? key : prefix + '.' + key;
    if (value.is_object()) {
      flatten(value, name, out);
    } else {
      out[name] = value;
    }
  }
}

std::vector<json> all_records() {
  std::vector<json> records;
  FlowEncoder flows({.version = "1", .observer_name = "sensor"});
  AlertEncoder alerts({.version = "1", .observer_name = "sensor"});
  IncidentLog log;
  std::vector<AlertEvent> events;
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
    auto connection = sample::classic();
    connection.diagnosis.cause = static_cast<diagnose::Cause>(i);
    connection.diagnosis.signature = {"name", "program", "protocol", "words"};
    connection.diagnosis.banner = "banner";
    records.push_back(json::parse(flows.encode(connection)));
    log.observe(connection, events);
  }
  log.finish(events);
  for (const AlertEvent& event : events) records.push_back(json::parse(alerts.encode(event)));
  return records;
}

bool fits(const json& value, const std::string& type) {
  if (type == "long") return value.is_number_integer();
  if (type == "date" || type == "ip" || type == "keyword" || type == "match_only_text") return value.is_string();
  return false;
}

/// All names that an object writes, those of objects in lists among them; a list of plain values is a field.
void collect(const json& object, const std::string& prefix, std::set<std::string>& out) {
  for (const auto& [key, value] : object.items()) {
    const std::string name = prefix.empty() ? key : prefix + '.' + key;
    if (value.is_object()) {
      collect(value, name, out);
    } else if (value.is_array() && !value.empty() && value[0].is_object()) {
      for (const json& item : value) collect(item, name, out);
    } else {
      out.insert(name);
    }
  }
}

/// An alert and its flow records with all that may stand in them.
std::vector<json> richest_records() {
  auto connection = sample::classic();
  connection.diagnosis.signature = {"name", "program", "protocol", "words"};
  connection.diagnosis.banner = "banner";
  connection.diagnosis.caveats = {"caveat"};
  connection.diagnosis.contributions = {{"evidence", diagnose::Cause::acl_denied, 1.0, 1.0}};
  connection.diagnosis.limit = diagnose::LearnedLimit{};
  connection.diagnosis.one_server = diagnose::OneOfServers{};
  auto evidence = *connection.evidence;
  evidence.first_rungs[3].skipped = 2;
  evidence.icmp.time_ns = sample::kEpoch + sample::kMs;
  evidence.icmp.reporter = sample::address("192.0.2.254");
  connection.evidence = std::make_shared<const tcp::Evidence>(evidence);
  AlertEvent event;
  event.incident.cause = connection.diagnosis.cause;
  event.incident.server = connection.summary.responder;
  event.incident.sample = connection;
  event.incident.sample_clients = {{connection.summary.originator.address, 1, 1}};
  event.incident.sample_servers = {connection.summary.responder.address};
  event.incident.sample_ports = {21};
  event.incident.refused_prefixes = {{*parse_prefix("192.0.2.0/24"), 1}};
  event.incident.distinct_clients = event.incident.distinct_servers = event.incident.distinct_ports = {600, true, 700};
  event.incident.evidence_file = "/evidence/incident.pcapng";
  event.incident.reopened = 1;
  event.incident.reasons = {{connection.diagnosis.cause, "signature", 2}};
  event.incident.reasons_left_out = 1;
  event.incident.turned_away_before = 1;
  event.incident.contrast.served_on = 1;
  event.incident.ftp_control = sample::endpoint("198.51.100.5", 21);
  event.incident.folded_into = 1;
  AlertEncoder alerts({.version = "1", .observer_name = "sensor"});
  FlowEncoder flows({.version = "1", .observer_name = "sensor"});
  std::vector<json> records = all_records();
  for (const TimesKind kind : {TimesKind::hour, TimesKind::spells}) {
    event.incident.times = RefusedTimes{};
    event.incident.times->kind = kind;
    records.push_back(json::parse(alerts.encode(event)));
  }
  records.push_back(json::parse(flows.encode(connection)));
  return records;
}

std::string fields_page() {
  std::ostringstream text;
  text << std::ifstream(DOORSLAM_TEST_FIELDS).rdbuf();
  return text.str();
}

TEST(EcsFields, AreDescribedOnThePageOfFields) {
  const std::string page = fields_page();
  std::set<std::string> names;
  for (const json& record : richest_records()) collect(record, "", names);
  EXPECT_GT(names.size(), 110U);
  for (const std::string& name : names) {
    EXPECT_NE(page.find('`' + name + '`'), std::string::npos) << name << " stands in records, not in docs/fields.md";
  }
}

TEST(EcsFields, HaveTheirSeveritiesOnThePageOfFields) {
  const std::string page = fields_page();
  for (const auto& [worry, row] :
       {std::pair(diagnose::Worry::high, "| high (73) |"), std::pair(diagnose::Worry::medium, "| medium (47) |")}) {
    const std::size_t at = page.find(row);
    ASSERT_NE(at, std::string::npos) << row;
    const std::string line = page.substr(at, page.find('\n', at) - at);
    for (const diagnose::CauseTraits& cause : diagnose::kCauses) {
      const bool named = line.find('`' + std::string(cause.name) + '`') != std::string::npos;
      EXPECT_EQ(named, cause.worry == worry) << cause.name;
    }
  }
}

TEST(EcsFields, ExistAndHaveTheirTypes) {
  const auto path = reference_file("ecs-fields.csv");
  if (!path) GTEST_SKIP() << "the list of ECS fields is not there; set DOORSLAM_SHARED to check against it";
  const auto fields = ecs_fields(*path);
  ASSERT_GT(fields.size(), 1'000U);
  for (const json& record : all_records()) {
    std::map<std::string, json> leaves;
    flatten(record, "", leaves);
    ASSERT_GT(leaves.size(), 20U);
    for (const auto& [name, value] : leaves) {
      const auto field = fields.find(name);
      ASSERT_NE(field, fields.end()) << name << " is not a field of ECS";
      EXPECT_EQ(value.is_array(), field->second.array) << name;
      for (const json& item : value.is_array() ? value : json::array({value})) {
        EXPECT_TRUE(fits(item, field->second.type)) << name << " wants " << field->second.type << ", has " << item;
      }
    }
  }
}

/// https://www.elastic.co/guide/en/ecs/current/ecs-category-field-values-reference.html
TEST(EcsFields, HaveAllowedValues) {
  const std::set<std::string> network_types = {"access", "allowed", "connection", "denied",
                                               "end",    "info",    "protocol",   "start"};
  const std::set<std::string> outcomes = {"failure", "success", "unknown"};
  for (const json& record : all_records()) {
    const json& event = record["event"];
    const bool is_alert = event["dataset"] == "doorslam.alert";
    EXPECT_EQ(event["kind"], is_alert ? "alert" : "event");
    EXPECT_EQ(event["category"], json::array({"network"}));
    for (const std::string type : event["type"]) EXPECT_TRUE(network_types.contains(type)) << type;
    EXPECT_TRUE(outcomes.contains(event["outcome"].get<std::string>())) << event["outcome"];
    EXPECT_EQ(record["network"]["transport"], "tcp");
    EXPECT_EQ(record["network"]["type"], "ipv4");
  }
}

}  // namespace
}  // namespace doorslam::alert
