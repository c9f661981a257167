#include "pipeline/alert/ecs_flow.h"

#include "pipeline/alert/ecs_record.h"
#include "pipeline/diagnose/guide/guide.h"

namespace doorslam::alert {

namespace {

using diagnose::Cause;
using tcp::ConnectionSummary;
using tcp::Side;

/// ECS event.outcome.
std::string_view outcome_of(Cause cause) {
  if (cause == Cause::served) return "success";
  return diagnose::is_refusal(cause) ? "failure" : "unknown";
}

std::string_view action_of(Cause cause) {
  if (cause == Cause::served) return "connection-served";
  if (cause == Cause::client_abort) return "connection-aborted";
  if (diagnose::traits_of(cause).clients_own) return "connection-failed";
  return diagnose::is_refusal(cause) ? "connection-refused" : "connection-undetermined";
}

/// One sentence: what the cause means and the first thing that speaks for it.
std::string reason_of(const diagnose::Diagnosis& diagnosis) {
  std::string reason(diagnose::guide_entry(diagnosis.cause).sentence);
  if (diagnosis.hypotheses.empty()) return reason;
  const auto& first = diagnosis.hypotheses.front();
  if (first.cause != diagnosis.cause || first.evidence_for.empty()) return reason;
  if (reason.ends_with('.')) reason.pop_back();
  return reason.append(": ").append(first.evidence_for.front());
}

void add_event(EcsRecord& record, const diagnose::DiagnosedConnection& connection) {
  const ConnectionSummary& summary = connection.summary;
  const Cause cause = connection.diagnosis.cause;
  record.open("event");
  record.word("kind", "event");
  record.open_list("category");
  record.word_item("network");
  record.close_list();
  record.open_list("type");
  record.word_item("connection");
  if (!summary.mid_stream) record.word_item("start");
  if (summary.end_reason == tcp::EndReason::closed) record.word_item("end");
  if (diagnose::traits_of(cause).denial) record.word_item("denied");
  record.close_list();
  record.word("outcome", outcome_of(cause));
  record.word("action", action_of(cause));
  if (diagnose::is_refusal(cause) || !connection.diagnosis.hypotheses.empty()) {
    record.text("reason", reason_of(connection.diagnosis));
  } else {
    record.text("reason", diagnose::guide_entry(cause).sentence);
  }
  StableId id = flow_id(summary);
  record.word("id", id.text());
  record.word("dataset", "doorslam.flow");
  record.word("module", "doorslam");
  record.time("start", summary.start_ns);
  record.time("end", summary.end_ns);
  record.number("duration", summary.end_ns - summary.start_ns);
  record.close();
}

void add_side(EcsRecord& record, std::string_view key, const flowtable::Endpoint& endpoint,
              const tcp::SideTotals& totals) {
  record.open(key);
  record.address("ip", endpoint.address);
  record.number("port", endpoint.port);
  record.number("packets", totals.packets);
  record.number("bytes", totals.payload_bytes);
  record.close();
}

void add_network(EcsRecord& record, const ConnectionSummary& summary) {
  record.open("network");
  record.add_network(summary.originator, summary.responder, summary.vlan);
  record.number("packets", summary.side[0].packets + summary.side[1].packets);
  record.number("bytes", summary.side[0].payload_bytes + summary.side[1].payload_bytes);
  record.close();
}

void add_doorslam(EcsRecord& record, const diagnose::DiagnosedConnection& connection) {
  const ConnectionSummary& summary = connection.summary;
  const tcp::SideTotals& client = summary.side[tcp::index_of(Side::originator)];
  const tcp::SideTotals& server = summary.side[tcp::index_of(Side::responder)];
  record.open("doorslam");
  record.word("cause", name_of(connection.diagnosis.cause));
  record.ratio("confidence", connection.diagnosis.confidence);
  record.word("stage", name_of(summary.stage));
  record.word("conn_state", name_of(summary.conn_state));
  if (summary.history.length != 0) record.word("history", summary.history.view());
  record.add_hypotheses(connection.diagnosis.hypotheses);
  if (!connection.diagnosis.contributions.empty()) record.add_contributions(connection.diagnosis.contributions);
  record.add_findings(connection.diagnosis);
  record.flag("mid_stream", summary.mid_stream);
  record.flag("one_sided", summary.one_sided);
  record.flag("orientation_guessed", summary.orientation_guessed);
  record.flag("tunneled", summary.tunneled);
  record.number("duplicates", summary.duplicates);
  record.number("gap_bytes", std::uint64_t{client.gap_bytes} + server.gap_bytes);
  record.number("retransmissions", std::uint64_t{client.retransmissions} + server.retransmissions);
  record.close();
}

}  // namespace

class FlowEncoder::Impl {
 public:
  explicit Impl(const EncoderOptions& options) : record_(options) {}

  std::string_view encode(const diagnose::DiagnosedConnection& connection) {
    const ConnectionSummary& summary = connection.summary;
    record_.begin();
    record_.time("@timestamp", summary.start_ns);
    add_event(record_, connection);
    add_side(record_, "source", summary.originator, summary.side[tcp::index_of(Side::originator)]);
    add_side(record_, "destination", summary.responder, summary.side[tcp::index_of(Side::responder)]);
    add_network(record_, summary);
    add_doorslam(record_, connection);
    record_.add_observer();
    return record_.end();
  }

 private:
  EcsRecord record_;
};

FlowEncoder::FlowEncoder(const EncoderOptions& options) : impl_(std::make_unique<Impl>(options)) {}
FlowEncoder::~FlowEncoder() = default;
FlowEncoder::FlowEncoder(FlowEncoder&&) noexcept = default;
FlowEncoder& FlowEncoder::operator=(FlowEncoder&&) noexcept = default;

std::string_view FlowEncoder::encode(const diagnose::DiagnosedConnection& connection) {
  return impl_->encode(connection);
}

}  // namespace doorslam::alert
