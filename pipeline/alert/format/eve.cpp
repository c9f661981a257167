#include <charconv>

#include "pipeline/alert/format/event_fields.h"
#include "pipeline/alert/format/formatters.h"
#include "pipeline/alert/format/scales.h"
#include "pipeline/alert/json_line.h"
#include "pipeline/alert/time_text.h"

/// https://docs.suricata.io/en/latest/output/eve/eve-json-format.html: alerts are `alert`, flow records `flow`.
namespace doorslam::format {

namespace {

/// Each cause is a signature, by its number: of the range that is left to sites (1,000,000 to 1,999,999).
constexpr std::uint32_t kFirstSignature = 1'900'000;

class EveFormatter final : public Formatter {
 public:
  std::string_view format(const store::Record& record, std::string& room) override {
    const EventFields* event = reader_.read(record);
    if (event == nullptr) return {};
    line_.begin();
    add_time("timestamp", record.time_ns);
    line_.number("flow_id", flow_number(event->flow_id));
    line_.word("event_type", record.kind == store::RecordKind::alert ? "alert" : "flow");
    line_.text("src_ip", event->client_ip);
    line_.number("src_port", event->client_port);
    line_.text("dest_ip", event->server_ip);
    line_.number("dest_port", event->server_port);
    line_.word("proto", "TCP");
    if (!event->protocol.empty()) line_.text("app_proto", event->protocol);
    if (!event->community_id.empty()) line_.text("community_id", event->community_id);
    if (!event->sensor.empty()) line_.text("host", event->sensor);
    if (record.kind == store::RecordKind::alert) {
      add_alert(record, *event);
    } else {
      add_flow(record, *event);
    }
    line_.text("event_id", event->id);
    if (const std::string_view detail = detail_of(record); !detail.empty()) line_.json("doorslam", detail);
    room = line_.end();
    room.pop_back();
    return room;
  }

 private:
  /// "2026-11-22T14:39:47.241477+0000"
  void add_time(std::string_view key, flowtable::TimeNs time_ns) {
    constexpr std::size_t kToMicroseconds = 26;
    stamp_ = time_.of(time_ns).substr(0, kToMicroseconds);
    line_.word(key, stamp_.append("+0000"));
  }

  /// Suricata's are 64-bit; 53 bits pass through any JSON parser.
  static std::uint64_t flow_number(std::string_view id) {
    constexpr std::uint64_t kMost = (std::uint64_t{1} << 53) - 1;
    std::uint64_t number = 0;
    std::from_chars(id.data(), id.data() + std::min<std::size_t>(id.size(), 16), number, 16);
    return number & kMost;
  }

  void add_alert(const store::Record& record, const EventFields& event) {
    line_.open("alert");
    line_.word("action", "allowed");  // doorslam only watches
    line_.number("gid", 1);
    line_.number("signature_id", kFirstSignature + diagnose::traits_of(record.cause).number);
    line_.number("rev", 1);
    line_.text("signature", event.title);
    line_.word("category", "refused connection");
    line_.number("severity", eve_severity(level_of(record.severity)));
    line_.close();
    line_.text("message", event.message);
    if (!event.evidence_file.empty()) line_.text("capture_file", event.evidence_file);
  }

  void add_flow(const store::Record& record, const EventFields& event) {
    line_.open("flow");
    line_.number("pkts_toserver", event.client_packets);
    line_.number("pkts_toclient", event.server_packets);
    line_.number("bytes_toserver", event.client_bytes);
    line_.number("bytes_toclient", event.server_bytes);
    add_time("start", event.start_ns);
    add_time("end", event.end_ns);
    line_.number("age", (event.end_ns - event.start_ns) / flowtable::kSecondNs);
    line_.word("state", "closed");
    line_.word("reason", name_of(record.cause));
    line_.close();
  }

  EventReader reader_;
  alert::JsonLine line_;
  alert::TimeText time_;
  std::string stamp_;
};

}  // namespace

std::unique_ptr<Formatter> make_eve_formatter() { return std::make_unique<EveFormatter>(); }

}  // namespace doorslam::format
