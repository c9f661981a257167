#include "pipeline/alert/format/event_fields.h"
#include "pipeline/alert/format/formatters.h"
#include "pipeline/alert/json_line.h"
#include "pipeline/alert/time_text.h"
#include "pipeline/base/text.h"

/// Rows for the tables of config/clickhouse/*.sql, as JSONEachRow.
namespace doorslam::format {

namespace {

class ClickHouseFormatter final : public Formatter {
 public:
  std::string_view format(const store::Record& record, std::string& room) override {
    const EventFields* event = reader_.read(record);
    if (event == nullptr) return {};
    line_.begin();
    line_.text("id", event->id);
    line_.text("sensor", event->sensor);
    line_.number("time", record.time_ns / flowtable::kSecondNs);
    line_.number("time_ns", record.time_ns);
    line_.word("cause", name_of(record.cause));
    line_.ratio("confidence", event->confidence);
    line_.word("server", AddressText(record.server.address).view());
    line_.number("port", record.server.port);
    line_.text("client", event->client_ip);
    line_.text("signature", event->signature);
    if (record.kind == store::RecordKind::alert) {
      add_alert(record, *event);
    } else {
      add_flow(*event);
    }
    room = line_.end();
    room.pop_back();
    return room;
  }

 private:
  void add_alert(const store::Record& record, const EventFields& event) {
    line_.number("severity", record.severity);
    line_.text("action", event.action);
    line_.text("incident", event.incident);
    line_.text("scope", event.scope);
    line_.number("refused", event.refused);
    line_.number("clients", event.clients);
    line_.number("first_seen", time_of(event.first_seen) / flowtable::kSecondNs);
    line_.number("last_seen", time_of(event.last_seen) / flowtable::kSecondNs);
    line_.text("message", event.message);
    line_.text("record", record.body);
  }

  void add_flow(const EventFields& event) {
    line_.number("duration_ns", event.end_ns - event.start_ns);
    line_.number("client_port", event.client_port);
    line_.text("outcome", event.outcome);
    line_.text("stage", event.stage);
    line_.text("conn_state", event.conn_state);
    line_.text("history", event.history);
    line_.number("client_bytes", event.client_bytes);
    line_.number("server_bytes", event.server_bytes);
    line_.number("client_packets", event.client_packets);
    line_.number("server_packets", event.server_packets);
    line_.text("community_id", event.community_id);
  }

  EventReader reader_;
  alert::JsonLine line_;
};

}  // namespace

std::unique_ptr<Formatter> make_clickhouse_formatter() { return std::make_unique<ClickHouseFormatter>(); }

}  // namespace doorslam::format
