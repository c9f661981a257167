#include <cmath>

#include "pipeline/alert/format/event_fields.h"
#include "pipeline/alert/format/formatters.h"
#include "pipeline/alert/format/scales.h"
#include "pipeline/alert/json_line.h"

/// https://schema.ocsf.io/1.3.0: alerts are Detection Findings, flow records Network Activities.
namespace doorslam::format {

namespace {

constexpr flowtable::DurationNs kMs = flowtable::kMillisecondNs;

class OcsfFormatter final : public Formatter {
 public:
  std::string_view format(const store::Record& record, std::string& room) override {
    const EventFields* event = reader_.read(record);
    if (event == nullptr) return {};
    line_.begin();
    if (record.kind == store::RecordKind::alert) {
      add_finding(record, *event);
    } else {
      add_activity(record, *event);
    }
    room = line_.end();
    room.pop_back();
    return room;
  }

 private:
  void add_class(int category, int class_uid, int activity, std::string_view activity_name) {
    line_.number("category_uid", category);
    line_.number("class_uid", class_uid);
    line_.number("activity_id", activity);
    line_.word("activity_name", activity_name);
    line_.number("type_uid", class_uid * 100 + activity);
  }

  void add_base(const store::Record& record, const EventFields& event) {
    line_.number("severity_id", ocsf_severity(level_of(record.severity)));
    line_.number("time", record.time_ns / kMs);
    line_.number("start_time", event.start_ns / kMs);
    line_.number("end_time", event.end_ns / kMs);
    line_.number("duration", (event.end_ns - event.start_ns) / kMs);
    line_.text("message", event.message);
    line_.open("metadata");
    line_.word("version", "1.3.0");
    line_.text("uid", event.id);
    line_.open("product");
    line_.word("name", "doorslam");
    line_.word("vendor_name", "doorslam");
    if (!event.version.empty()) line_.text("version", event.version);
    line_.close();
    if (!event.sensor.empty()) line_.text("log_provider", event.sensor);
    line_.close();
  }

  void add_endpoint(std::string_view key, std::string_view ip, std::uint16_t port) {
    line_.open(key);
    line_.text("ip", ip);
    if (port != 0) line_.number("port", port);
    line_.close();
  }

  void add_connection(const EventFields& event) {
    line_.open("connection_info");
    line_.number("direction_id", 0);
    line_.number("protocol_num", 6);
    line_.word("protocol_name", "tcp");
    line_.number("protocol_ver_id", event.network_type == "ipv6" ? 6 : 4);
    if (!event.flow_id.empty()) line_.text("uid", event.flow_id);
    line_.close();
  }

  void add_detail(const store::Record& record, const EventFields& event) {
    line_.open("unmapped");
    if (!event.community_id.empty()) line_.text("community_id", event.community_id);
    if (const std::string_view detail = detail_of(record); !detail.empty()) line_.json("doorslam", detail);
    line_.close();
  }

  void add_finding(const store::Record& record, const EventFields& event) {
    const bool opened = event.action == "incident-opened";
    const bool closed = event.action == "incident-closed";
    add_class(2, 2004, opened ? 1 : closed ? 3 : 2, opened ? "Create" : closed ? "Close" : "Update");
    add_base(record, event);
    line_.number("status_id", opened ? 1 : closed ? 4 : 2);
    line_.number("confidence_score", std::lround(event.confidence * 100));
    line_.number("count", event.refused);
    line_.open("finding_info");
    line_.text("uid", event.incident);
    line_.text("title", event.message);
    line_.text("desc", event.description);
    line_.number("first_seen_time", time_of(event.first_seen) / kMs);
    line_.number("last_seen_time", time_of(event.last_seen) / kMs);
    line_.open("analytic");
    line_.number("type_id", 1);
    line_.word("uid", name_of(record.cause));
    line_.text("name", event.title);
    line_.close();
    line_.close();
    line_.open_list("evidences");
    line_.open();
    add_endpoint("src_endpoint", event.client_ip, event.client_port);
    add_endpoint("dst_endpoint", event.server_ip, event.server_port);
    add_connection(event);
    add_file(event);
    line_.close();
    line_.close_list();
    add_remediation(event);
    add_detail(record, event);
  }

  void add_file(const EventFields& event) {
    if (event.evidence_file.empty()) return;
    line_.open("file");
    line_.text("name", event.evidence_file.substr(event.evidence_file.rfind('/') + 1));
    line_.text("path", event.evidence_file);
    line_.number("type_id", 1);  // a regular file
    line_.close();
  }

  void add_remediation(const EventFields& event) {
    if (event.next_steps.empty()) return;
    steps_.clear();
    for (const std::string_view step : event.next_steps) steps_.append(steps_.empty() ? "" : "\n").append(step);
    line_.open("remediation");
    line_.text("desc", steps_);
    line_.close();
  }

  void add_activity(const store::Record& record, const EventFields& event) {
    const bool refused = event.outcome == "failure";
    add_class(4, 4001, refused ? 5 : 6, refused ? "Refuse" : "Traffic");
    add_base(record, event);
    line_.number("status_id", event.outcome == "success" ? 1 : refused ? 2 : 0);
    line_.word("status_code", name_of(record.cause));
    line_.text("status_detail", event.reason);
    add_endpoint("src_endpoint", event.client_ip, event.client_port);
    add_endpoint("dst_endpoint", event.server_ip, event.server_port);
    add_connection(event);
    line_.open("traffic");
    line_.number("bytes_out", event.client_bytes);
    line_.number("bytes_in", event.server_bytes);
    line_.number("packets_out", event.client_packets);
    line_.number("packets_in", event.server_packets);
    line_.close();
    add_detail(record, event);
  }

  EventReader reader_;
  alert::JsonLine line_;
  std::string steps_;
};

}  // namespace

std::unique_ptr<Formatter> make_ocsf_formatter() { return std::make_unique<OcsfFormatter>(); }

}  // namespace doorslam::format
