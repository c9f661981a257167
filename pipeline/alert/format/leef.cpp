#include <fmt/format.h>

#include "pipeline/alert/format/event_fields.h"
#include "pipeline/alert/format/formatters.h"
#include "pipeline/alert/format/scales.h"

/// IBM QRadar Log Event Extended Format 2.0, with a tab between attributes.
namespace doorslam::format {

namespace {

/// LEEF has no escapes: what would end a field becomes a blank or a slash.
void append_plain(std::string& out, std::string_view text, bool in_header) {
  for (const char c : text) {
    if (c == '\t' || c == '\n' || c == '\r') {
      out += ' ';
    } else {
      out += in_header && c == '|' ? '/' : c;
    }
  }
}

class LeefFormatter final : public Formatter {
 public:
  std::string_view format(const store::Record& record, std::string& room) override {
    const EventFields* event = reader_.read(record);
    if (event == nullptr) return {};
    room = "LEEF:2.0|doorslam|doorslam|";
    append_plain(room, event->version, true);
    room.append("|").append(name_of(record.cause)).append("|x09|");
    first_ = true;
    add(room, "devTime", record.time_ns / flowtable::kMillisecondNs);
    add(room, "cat", record.kind == store::RecordKind::alert ? "alert" : "flow");
    add(room, "sev", ten_point_severity(level_of(record.severity)));
    add(room, "src", event->client_ip);
    add(room, "dst", event->server_ip);
    if (event->client_port != 0) add(room, "srcPort", event->client_port);
    if (event->server_port != 0) add(room, "dstPort", event->server_port);
    add(room, "proto", "TCP");
    add(room, "identHostName", event->sensor);
    add(room, "eventId", event->id);
    add(room, "action", event->action);
    add(room, "outcome", event->outcome);
    add(room, "title", event->title);
    add(room, "msg", event->message);
    add(room, "reason", event->reason);
    add(room, "confidence", fmt::format("{:.4f}", event->confidence));
    add(room, "incident", event->incident);
    if (record.kind == store::RecordKind::alert) {
      add(room, "refused", static_cast<std::int64_t>(event->refused));
      add(room, "clients", static_cast<std::int64_t>(event->clients));
      add(room, "filePath", event->evidence_file);
    } else {
      add(room, "srcBytes", static_cast<std::int64_t>(event->client_bytes));
      add(room, "dstBytes", static_cast<std::int64_t>(event->server_bytes));
      add(room, "srcPackets", static_cast<std::int64_t>(event->client_packets));
      add(room, "dstPackets", static_cast<std::int64_t>(event->server_packets));
    }
    add(room, "application", event->protocol);
    add(room, "signature", event->signature);
    add(room, "banner", event->banner);
    add(room, "history", event->history);
    add(room, "communityId", event->community_id);
    return room;
  }

 private:
  void add(std::string& room, std::string_view key, std::string_view value) {
    if (value.empty()) return;
    if (!first_) room += '\t';
    first_ = false;
    room.append(key) += '=';
    append_plain(room, value, false);
  }
  void add(std::string& room, std::string_view key, std::int64_t value) {
    add(room, key, fmt::format_int(value).c_str());
  }

  EventReader reader_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<Formatter> make_leef_formatter() { return std::make_unique<LeefFormatter>(); }

}  // namespace doorslam::format
