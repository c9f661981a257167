#include "pipeline/metrics/answers.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "pipeline/base/text.h"
#include "pipeline/metrics/names.h"
#include "pipeline/port/reconciliation.h"

namespace doorslam::metrics {

namespace {

using packet::DecodeOutcome;

constexpr std::size_t kServersTold = 20;
constexpr double kNsPerMs = 1e6;

std::uint64_t sum_of(const Observation& seen, auto value) {
  std::uint64_t sum = 0;
  for (const port::LaneSnapshot& lane : seen.live.lanes) sum += value(lane);
  return sum;
}

std::uint64_t milliseconds(std::int64_t ns) {
  return static_cast<std::uint64_t>(std::max(0.0, std::round(static_cast<double>(ns) / kNsPerMs)));
}

/// Of a difference, the part of this sign: telemetry knows no negative figures.
std::uint64_t microseconds_above(std::int64_t ns) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, ns) / 1000);
}

std::uint64_t ended(const tcp::TrackerCounters& counters, tcp::EndReason reason) {
  return counters.ended[static_cast<std::size_t>(reason)];
}

/// What DPDK's telemetry takes as the name of an entry, which is less than a port or a sink may be called; their own
/// name stands inside. Two that differ only in what it does not take are told apart by a number.
std::string entry_name(std::string_view name, const Json& taken) {
  std::string plain(name);
  const auto fits = [](unsigned char octet) { return octet < 0x80 && (std::isalnum(octet) != 0 || octet == '_'); };
  std::replace_if(
      plain.begin(), plain.end(), [&](char letter) { return !fits(static_cast<unsigned char>(letter)); }, '_');
  std::string own = plain;
  for (unsigned number = 2; taken.contains(own); ++number) own = plain + '_' + std::to_string(number);
  return own;
}

Json outcomes(const packet::DecodeCounters& decoded) {
  Json answer = Json::object();
  for (std::size_t i = 0; i < packet::kDecodeOutcomeCount; ++i) {
    if (decoded.packets[i] > 0) answer[std::string(name_of(static_cast<DecodeOutcome>(i)))] = decoded.packets[i];
  }
  return answer;
}

Json summary_of(const port::LaneSnapshot& lane) {
  const port::LaneCounters& c = lane.counters;
  Json answer = {{"lcore", lane.lcore}};
  if (lane.receives) answer.update({{"polled", c.polled}, {"busy", c.busy_rounds}, {"idle", c.idle_rounds}});
  if (lane.tracks) {
    answer.update({{"tracked", c.taken_segments + c.taken_errors},
                   {"open", c.open_connections},
                   {"evicted", ended(c.tracker, tcp::EndReason::evicted)}});
  }
  const std::uint64_t lost = c.steering_lost + c.events.lost + c.events.served_lost;
  answer.update({{"lost", lost}, {"sampled_out", c.events.sampled_out}, {"wrong_worker", c.wrong_worker}});
  return answer;
}

Json receiving(const port::LaneCounters& c) {
  return {{"polled", c.polled},
          {"polled_octets", c.polled_octets},
          {"filtered_out", c.filtered_out},
          {"held", c.held},
          {"linearised", c.linearised},
          {"truncated", c.truncated},
          {"time_reversals", c.time_reversals},
          {"stamps_refused", c.stamps_refused},
          {"steered", c.dealt_segments + c.dealt_errors},
          {"steering_lost", c.steering_lost},
          {"steering_waits", c.steering_waits},
          {"tcp_checksum_bad", c.decode.tcp_checksum_bad},
          {"tunneled", c.decode.tunneled},
          {"datagrams_reassembled", c.decode.datagrams_reassembled},
          {"datagrams_expired", c.decode.datagrams_expired},
          {"datagrams_evicted", c.decode.datagrams_evicted}};
}

Json tracking(const port::LaneSnapshot& lane) {
  const port::LaneCounters& c = lane.counters;
  Json answer = {{"tracked", c.taken_segments + c.taken_errors},
                 {"duplicates", c.tracker.duplicates},
                 {"connections", c.tracker.connections},
                 {"open_connections", c.open_connections},
                 {"capacity_connections", lane.flow_capacity},
                 {"evidence_in_use", c.evidence_in_use},
                 {"evidence_missing", c.tracker.evidence.exhausted},
                 {"evidence_frames", c.tracker.evidence.frames},
                 {"evidence_frameless", c.tracker.evidence.frameless}};
  for (std::size_t i = 0; i < tcp::kEndReasonNames.size(); ++i) {
    answer["ended_" + std::string(tcp::kEndReasonNames[i])] = c.tracker.ended[i];
  }
  return answer;
}

Json events_of(const port::EventCounters& c) {
  return {{"refusal", c.refusals},
          {"served", c.served},
          {"sampled_out", c.sampled_out},
          {"served_lost", c.served_lost},
          {"lost", c.lost},
          {"evidence_lost", c.evidence_lost},
          {"frames_lost", c.frames_lost},
          {"waits_for_analysis", c.waits}};
}

Json everything_of(const port::LaneSnapshot& lane) {
  Json answer = {{"role", lane.role}, {"lcore", lane.lcore}, {"cpus", lane.cpus}};
  answer.update({{"busy_rounds", lane.counters.busy_rounds},
                 {"idle_rounds", lane.counters.idle_rounds},
                 {"wrong_worker", lane.counters.wrong_worker}});
  if (lane.receives) {
    answer["receiving"] = receiving(lane.counters);
    answer["packets"] = outcomes(lane.counters.decode);
  }
  if (lane.tracks) {
    answer["tracking"] = tracking(lane);
    answer["events"] = events_of(lane.counters.events);
  }
  return answer;
}

}  // namespace

Json stats_answer(const Observation& seen) {
  const port::LiveCounters& live = seen.live;
  const packet::DecodeCounters decoded = live.decoded();
  const tcp::TrackerCounters tracked = live.tracked();
  const port::EventCounters events = live.events();
  const auto balances = port::reconcile(live);
  Json answer = {
      {"version", seen.version},
      {"uptime_ms", milliseconds(live.uptime_ns)},
      {"packet_time_ns", static_cast<std::uint64_t>(std::max<std::int64_t>(live.now_ns, 0))},
      {"clock_behind_us", microseconds_above(live.clock_offset_ns)},
      {"clock_ahead_us", microseconds_above(-live.clock_offset_ns)},
      {"replay", live.replay ? 1U : 0U},
      {"received", live.received()},
      {"lost_at_ports", live.lost_at_ports()},
      {"polled", live.polled()},
      {"held", sum_of(seen, [](const auto& lane) { return lane.counters.held; })},
      {"polled_octets", sum_of(seen, [](const auto& lane) { return lane.counters.polled_octets; })},
      {"filtered_out", sum_of(seen, [](const auto& lane) { return lane.counters.filtered_out; })},
      {"processed", decoded.received()},
      {"tcp", decoded.of(DecodeOutcome::tcp)},
      {"icmp_errors", decoded.of(DecodeOutcome::icmp_error)},
      {"steering_lost", sum_of(seen, [](const auto& lane) { return lane.counters.steering_lost; })},
      {"wrong_worker", sum_of(seen, [](const auto& lane) { return lane.counters.wrong_worker; })},
      {"duplicates", tracked.duplicates},
      {"connections", tracked.connections},
      {"open_connections", sum_of(seen, [](const auto& lane) { return lane.counters.open_connections; })},
      {"capacity_connections", sum_of(seen, [](const auto& lane) { return lane.flow_capacity; })},
      {"evicted", ended(tracked, tcp::EndReason::evicted)},
      {"events_lost", events.lost},
      {"events_served_lost", events.served_lost},
      {"events_sampled_out", events.sampled_out},
      {"events_evidence_lost", events.evidence_lost},
      {"events_frames_lost", events.frames_lost},
      {"frames_dropped", live.analysis.analysis.frames_dropped},
      {"ledger_notes_forgotten", live.analysis.analysis.notes_forgotten},
      {"ledger_servers_forgotten", live.analysis.analysis.servers_forgotten},
      {"ledger_reset_clients_forgotten", live.analysis.analysis.reset_clients_forgotten},
      {"ledger_ftp_sessions_forgotten", live.analysis.analysis.ftp_sessions_forgotten},
      {"analysis_events", live.analysis.events},
      {"analysis_waiting", live.analysis.waiting_events},
      {"analysis_lag_ms", milliseconds(live.analysis.lag_ns)},
      {"readings", live.analysis.readings},
      {"reloads", seen.reloads},
      {"reloads_refused", seen.reloads_refused},
      {"balances", balances.size()},
      // While threads run, what is on its way between two of them is missing.
      {"balances_held",
       static_cast<std::uint64_t>(std::count_if(balances.begin(), balances.end(),
                                                [](const port::Balance& balance) { return balance.holds(); }))},
  };
  answer["packets"] = outcomes(decoded);
  for (const OutputFigures& file : seen.outputs) {
    answer[file.name + "_missing"] = file.missing;
    answer[file.name + "_waiting_octets"] = file.waiting_octets;
    answer[file.name + "_trouble"] = file.trouble;
  }
  return answer;
}

Json workers_answer(const Observation& seen, std::string_view name) {
  Json answer = Json::object();
  for (const port::LaneSnapshot& lane : seen.live.lanes) {
    const std::string own = worker_name(lane);
    if (name == own) return everything_of(lane);
    answer[own] = summary_of(lane);
  }
  return name.empty() ? answer : Json();
}

Json ports_answer(const Observation& seen) {
  Json answer = Json::object();
  for (const port::PortSnapshot& port : seen.live.ports) {
    Json& own = answer[entry_name(port.name, answer)];
    own = {{"name", port.name},
           {"driver", port.driver},
           {"group", port.group},
           {"link_up", port.link_up ? 1U : 0U},
           {"megabits", port.megabits},
           {"received", port.received},
           {"received_octets", port.received_octets},
           {"missed", port.missed},
           {"errors", port.errors},
           {"no_buffer", port.no_buffer},
           {"polled", port.polled},
           {"buffers", port.buffers},
           {"buffers_in_use", port.buffers_in_use}};
    for (std::size_t queue = 0; queue < port.received_by_queue.size(); ++queue) {
      own["queue_" + std::to_string(queue)] = port.received_by_queue[queue];
    }
  }
  return answer;
}

Json table_answer(const Observation& seen) {
  const tcp::TrackerCounters tracked = seen.live.tracked();
  Json answer = {{"open_connections", sum_of(seen, [](const auto& lane) { return lane.counters.open_connections; })},
                 {"capacity_connections", sum_of(seen, [](const auto& lane) { return lane.flow_capacity; })},
                 {"begun", tracked.connections},
                 {"evidence_in_use", sum_of(seen, [](const auto& lane) { return lane.counters.evidence_in_use; })},
                 {"evidence_missing", tracked.evidence.exhausted},
                 {"histories_full", tracked.histories_full},
                 {"icmp_joined", tracked.icmp_joined},
                 {"icmp_unmatched", tracked.icmp_unmatched},
                 {"icmp_out_of_window", tracked.icmp_out_of_window}};
  for (std::size_t i = 0; i < tcp::kEndReasonNames.size(); ++i) {
    answer["ended_" + std::string(tcp::kEndReasonNames[i])] = tracked.ended[i];
  }
  return answer;
}

Json servers_answer(const Observation& seen) {
  Json answer = Json::object();
  const std::size_t told = std::min(kServersTold, seen.worst_servers.size());
  for (std::size_t i = 0; i < told; ++i) {
    const WorstServer& server = seen.worst_servers[i];
    answer["worst_" + std::to_string(i)] = {
        {"server", text_of(server.server)},
        {"refused", server.refused},
        {"recent", static_cast<std::uint64_t>(std::llround(std::max(0.0, server.recent)))},
        {"cause", std::string(name_of(server.cause))},
        {"of_that_cause", server.of_that_cause},
        {"last_ns", static_cast<std::uint64_t>(std::max<std::int64_t>(server.last_ns, 0))}};
  }
  return answer;
}

Json alerts_answer(const Observation& seen) {
  Json answer = {{"incidents_open", seen.alerts.open}};
  for (std::size_t i = 0; i < kAlertActionNames.size(); ++i) {
    answer[std::string(kAlertActionNames[i])] = seen.alerts.events[i];
  }
  std::uint64_t all = 0;
  Json refusals = Json::object();
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
    const auto cause = static_cast<diagnose::Cause>(i);
    const std::uint64_t count = seen.live.analysis.readings_by_cause[i];
    if (!diagnose::is_refusal(cause) || count == 0) continue;
    refusals[std::string(name_of(cause))] = count;
    all += count;
  }
  answer["refused"] = all;
  answer["refusals"] = refusals;
  if (seen.evidence) {
    answer["evidence"] = {{"written", seen.evidence->written}, {"failed", seen.evidence->failed},
                          {"removed", seen.evidence->removed}, {"frameless", seen.evidence->frameless},
                          {"files", seen.evidence->files},     {"octets", seen.evidence->octets},
                          {"late", seen.evidence->late},       {"waiting", seen.evidence->waiting}};
  }
  if (seen.store) {
    answer["store"] = {{"stored", seen.store->stored},
                       {"queued", seen.store->queued},
                       {"overflowed", seen.store->overflowed},
                       {"trimmed", seen.store->trimmed},
                       {"octets", seen.store->octets},
                       {"write_failures", seen.store->write_failures},
                       {"failing", seen.store->failing ? 1U : 0U}};
  }
  for (const sink::SinkCounters& sink : seen.sinks) {
    answer[entry_name("sink_" + sink.name, answer)] = {
        {"name", sink.name},         {"sent", sink.sent},
        {"behind", sink.behind},     {"oldest_waiting_ms", static_cast<std::uint64_t>(sink.oldest_waiting.count())},
        {"refused", sink.refused},   {"lost", sink.lost},
        {"failures", sink.failures}, {"trouble", sink.trouble}};
  }
  return answer;
}

}  // namespace doorslam::metrics
