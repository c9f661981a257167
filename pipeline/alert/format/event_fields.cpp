#include "pipeline/alert/format/event_fields.h"

#include <rapidjson/document.h>

#include "pipeline/alert/time_text.h"

namespace doorslam::format {

namespace {

using rapidjson::Value;

/// `path` is keys joined by dots.
const Value* find(const Value& object, std::string_view path) {
  const Value* at = &object;
  while (!path.empty()) {
    const std::string_view key = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), key.size() + 1));
    if (!at->IsObject()) return nullptr;
    const auto member = at->FindMember(Value(rapidjson::StringRef(key.data(), key.size())));
    if (member == at->MemberEnd()) return nullptr;
    at = &member->value;
  }
  return at;
}

std::string_view text(const Value& object, std::string_view path) {
  const Value* value = find(object, path);
  return value != nullptr && value->IsString() ? std::string_view(value->GetString(), value->GetStringLength())
                                               : std::string_view();
}

std::uint64_t number(const Value& object, std::string_view path) {
  const Value* value = find(object, path);
  return value != nullptr && value->IsUint64() ? value->GetUint64() : 0;
}

std::string_view first_of(std::string_view a, std::string_view b) { return a.empty() ? b : a; }

}  // namespace

class EventReader::Impl {
 public:
  const EventFields* read(const store::Record& record) {
    // In place: texts are unescaped in the copy, and stay where they are.
    copy_.assign(record.body);
    pool_.Clear();
    rapidjson::Document document(&pool_);
    document.ParseInsitu(copy_.data());
    if (document.HasParseError() || !document.IsObject()) return nullptr;
    fields_ = {};
    take_common(document);
    if (record.kind == store::RecordKind::alert) {
      take_alert(document);
    } else {
      take_flow(document);
    }
    return &fields_;
  }

 private:
  void take_common(const Value& event) {
    fields_.id = text(event, "event.id");
    fields_.action = text(event, "event.action");
    fields_.outcome = text(event, "event.outcome");
    fields_.reason = text(event, "event.reason");
    fields_.start_ns = time_of(text(event, "event.start"));
    fields_.end_ns = time_of(text(event, "event.end"));
    fields_.network_type = text(event, "network.type");
    fields_.protocol = text(event, "network.protocol");
    fields_.sensor = text(event, "observer.name");
    fields_.version = text(event, "observer.version");
    fields_.signature = text(event, "doorslam.signature.name");
    fields_.program = text(event, "doorslam.signature.program");
    fields_.banner = text(event, "doorslam.banner");
    const Value* confidence = find(event, "doorslam.confidence");
    if (confidence != nullptr && confidence->IsNumber()) fields_.confidence = confidence->GetDouble();
  }

  void take_alert(const Value& event) {
    fields_.message = text(event, "message");
    fields_.title = text(event, "rule.name");
    fields_.description = text(event, "rule.description");
    fields_.community_id = text(event, "doorslam.sample.community_id");
    fields_.stage = text(event, "doorslam.sample.stage");
    fields_.conn_state = text(event, "doorslam.sample.conn_state");
    fields_.history = text(event, "doorslam.sample.history");
    fields_.flow_id = text(event, "doorslam.sample.flow_id");
    fields_.incident = text(event, "doorslam.incident.id");
    fields_.scope = text(event, "doorslam.incident.scope");
    fields_.evidence_file = text(event, "file.path");
    fields_.refused = number(event, "doorslam.incident.refused");
    fields_.refused_since_update = number(event, "doorslam.incident.refused_since_update");
    fields_.clients = number(event, "doorslam.incident.clients.count");
    fields_.first_seen = text(event, "doorslam.incident.first_seen");
    fields_.last_seen = text(event, "doorslam.incident.last_seen");
    fields_.client_ip = first_of(text(event, "source.ip"), text(event, "doorslam.sample.client.ip"));
    fields_.server_ip = first_of(text(event, "destination.ip"), text(event, "doorslam.sample.server.ip"));
    fields_.client_port = static_cast<std::uint16_t>(number(event, "doorslam.sample.client.port"));
    fields_.server_port = static_cast<std::uint16_t>(number(event, "doorslam.sample.server.port"));
    if (const Value* steps = find(event, "doorslam.next_steps"); steps != nullptr && steps->IsArray()) {
      for (const Value& step : steps->GetArray()) {
        if (step.IsString()) fields_.next_steps.emplace_back(step.GetString(), step.GetStringLength());
      }
    }
  }

  void take_flow(const Value& event) {
    fields_.message = fields_.reason;
    fields_.community_id = text(event, "network.community_id");
    fields_.stage = text(event, "doorslam.stage");
    fields_.conn_state = text(event, "doorslam.conn_state");
    fields_.history = text(event, "doorslam.history");
    fields_.flow_id = fields_.id;
    fields_.client_ip = text(event, "source.ip");
    fields_.server_ip = text(event, "destination.ip");
    fields_.client_port = static_cast<std::uint16_t>(number(event, "source.port"));
    fields_.server_port = static_cast<std::uint16_t>(number(event, "destination.port"));
    fields_.client_bytes = number(event, "source.bytes");
    fields_.server_bytes = number(event, "destination.bytes");
    fields_.client_packets = number(event, "source.packets");
    fields_.server_packets = number(event, "destination.packets");
  }

  std::string copy_;
  rapidjson::MemoryPoolAllocator<> pool_;
  EventFields fields_;
};

EventReader::EventReader() : impl_(std::make_unique<Impl>()) {}
EventReader::~EventReader() = default;
const EventFields* EventReader::read(const store::Record& record) { return impl_->read(record); }

flowtable::TimeNs time_of(std::string_view text) noexcept { return alert::time_of(text).value_or(0); }

std::string_view detail_of(const store::Record& record) noexcept { return raw_member(record.body, "doorslam"); }

std::string_view raw_member(std::string_view object, std::string_view key) noexcept {
  std::size_t depth = 0;
  std::size_t value_begin = 0;  // of the member that is looked for; 0: not there yet
  for (std::size_t i = 0; i < object.size(); ++i) {
    const char c = object[i];
    if (c == '"') {
      const std::size_t begin = ++i;
      while (i < object.size() && object[i] != '"') i += object[i] == '\\' ? 2 : 1;
      if (i >= object.size()) return {};
      const bool is_key = depth == 1 && i + 1 < object.size() && object[i + 1] == ':';
      if (is_key && value_begin == 0 && object.substr(begin, i - begin) == key) value_begin = i + 2;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']' || (c == ',' && depth == 1)) {
      if (depth == 1 && value_begin != 0) return object.substr(value_begin, i - value_begin);
      if (c != ',') --depth;
    }
  }
  return {};
}

}  // namespace doorslam::format
