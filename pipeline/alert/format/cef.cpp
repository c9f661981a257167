#include <fmt/format.h>

#include <iterator>

#include "pipeline/alert/format/event_fields.h"
#include "pipeline/alert/format/formatters.h"
#include "pipeline/alert/format/scales.h"

/// ArcSight Common Event Format, version 0 (Implementing ArcSight CEF, rev. 25).
namespace doorslam::format {

namespace {

/// Header fields: '\' and '|' with a '\' before them; a line break cannot be written.
void append_header(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\\' || c == '|') out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  out += '|';
}

/// Extension values: '\' and '=' with a '\' before them, line breaks as \n and \r.
void append_value(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else {
      if (c == '\\' || c == '=') out += '\\';
      out += c;
    }
  }
}

class CefFormatter final : public Formatter {
 public:
  std::string_view format(const store::Record& record, std::string& room) override {
    const EventFields* event = reader_.read(record);
    if (event == nullptr) return {};
    room = "CEF:0|doorslam|doorslam|";
    append_header(room, event->version);
    append_header(room, name_of(record.cause));
    append_header(room, event->title.empty() ? event->action : event->title);
    fmt::format_to(std::back_inserter(room), "{}|", ten_point_severity(level_of(record.severity)));
    first_ = true;
    add_times(room, record, *event);
    add_ends(room, *event);
    add(room, "proto", "TCP");
    add(room, "app", event->protocol);
    add(room, "act", event->action);
    add(room, "outcome", event->outcome);
    add(room, "reason", event->reason);
    add(room, "msg", event->message);
    add(room, "externalId", event->id);
    add(room, "filePath", event->evidence_file);
    add(room, "dvchost", event->sensor);
    add_custom(room, record, *event);
    return room;
  }

 private:
  void add(std::string& room, std::string_view key, std::string_view value) {
    if (value.empty()) return;
    if (!first_) room += ' ';
    first_ = false;
    room.append(key) += '=';
    append_value(room, value);
  }
  void add(std::string& room, std::string_view key, std::int64_t value) {
    add(room, key, fmt::format_int(value).c_str());
  }
  void add_labelled(std::string& room, std::string_view key, std::string_view label, std::string_view value) {
    if (value.empty()) return;
    add(room, key, value);
    add(room, fmt::format("{}Label", key), label);
  }

  void add_times(std::string& room, const store::Record& record, const EventFields& event) {
    add(room, "rt", record.time_ns / flowtable::kMillisecondNs);
    add(room, "start", event.start_ns / flowtable::kMillisecondNs);
    add(room, "end", event.end_ns / flowtable::kMillisecondNs);
  }

  /// src and dst are IPv4; IPv6 has custom fields of its own.
  void add_ends(std::string& room, const EventFields& event) {
    const bool v6 = event.network_type == "ipv6";
    if (v6) {
      add_labelled(room, "c6a2", "Source IPv6 Address", event.client_ip);
      add_labelled(room, "c6a3", "Destination IPv6 Address", event.server_ip);
    } else {
      add(room, "src", event.client_ip);
      add(room, "dst", event.server_ip);
    }
    if (event.client_port != 0) add(room, "spt", event.client_port);
    if (event.server_port != 0) add(room, "dpt", event.server_port);
  }

  void add_custom(std::string& room, const store::Record& record, const EventFields& event) {
    if (record.kind == store::RecordKind::alert) {
      add(room, "cnt", static_cast<std::int64_t>(event.refused));
    } else {
      add(room, "out", static_cast<std::int64_t>(event.client_bytes));
      add(room, "in", static_cast<std::int64_t>(event.server_bytes));
    }
    add_labelled(room, "cs1", "cause", name_of(record.cause));
    add_labelled(room, "cs2", "incident", event.incident);
    add_labelled(room, "cs3", "history", event.history);
    add_labelled(room, "cs4", "signature", event.signature);
    add_labelled(room, "cs5", "banner", event.banner);
    add_labelled(room, "cs6", "communityId", event.community_id);
    add_labelled(room, "cfp1", "confidence", fmt::format("{:.4f}", event.confidence));
    if (event.clients != 0) add_labelled(room, "cn1", "clients", fmt::format_int(event.clients).c_str());
  }

  EventReader reader_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Formatter> make_cef_formatter() { return std::make_unique<CefFormatter>(); }

}  // namespace doorslam::format
