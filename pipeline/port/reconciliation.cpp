#include "pipeline/port/reconciliation.h"

#include <fmt/format.h>

#include <algorithm>

namespace doorslam::port {

namespace {

using packet::DecodeOutcome;
using tcp::EndReason;

Balance decoding(const LiveCounters& counters) {
  Balance balance{.stage = "packets decoded", .in = counters.polled(), .out = {}};
  std::uint64_t held = 0;
  std::uint64_t filtered_out = 0;
  for (const LaneSnapshot& lane : counters.lanes) {
    held += lane.counters.held;
    filtered_out += lane.counters.filtered_out;
  }
  const packet::DecodeCounters decoded = counters.decoded();
  for (std::size_t i = 0; i < packet::kDecodeOutcomeCount; ++i) {
    balance.out.emplace_back(name_of(static_cast<DecodeOutcome>(i)), decoded.packets[i]);
  }
  balance.out.emplace_back("left out by the filter", filtered_out);
  balance.out.emplace_back("held for their order", held);
  return balance;
}

Balance tracking(const LiveCounters& counters) {
  const packet::DecodeCounters decoded = counters.decoded();
  Balance balance{.stage = "TCP segments and ICMP errors",
                  .in = decoded.of(DecodeOutcome::tcp) + decoded.of(DecodeOutcome::icmp_error),
                  .out = {}};
  std::uint64_t taken = 0;
  std::uint64_t lost = 0;
  for (const LaneSnapshot& lane : counters.lanes) {
    taken += lane.counters.taken_segments + lane.counters.taken_errors;
    lost += lane.counters.steering_lost;
  }
  balance.out.emplace_back("tracked", taken);
  balance.out.emplace_back("lost between receiver and worker", lost);
  return balance;
}

Balance connections(const LiveCounters& counters) {
  const tcp::TrackerCounters tracked = counters.tracked();
  const auto ended = [&tracked](EndReason reason) { return tracked.ended[static_cast<std::size_t>(reason)]; };
  std::uint64_t open = 0;
  for (const LaneSnapshot& lane : counters.lanes) open += lane.counters.open_connections;
  return {.stage = "connections",
          .in = tracked.connections,
          .out = {{"closed", ended(EndReason::closed)},
                  {"expired", ended(EndReason::expired)},
                  {"reused", ended(EndReason::reused)},
                  {"evicted", ended(EndReason::evicted)},
                  {"cut off by the end", ended(EndReason::capture_end)},
                  {"open", open}}};
}

Balance analysed(const LiveCounters& counters) {
  const EventCounters events = counters.events();
  return {.stage = "events handed over",
          .in = events.refusals + events.served,
          .out = {{"analysed", counters.analysis.events}, {"waiting", counters.analysis.waiting_events}}};
}

/// The last words of the status line.
std::string balance_remark(const LiveCounters& counters) {
  const auto balances = reconcile(counters);
  if (std::all_of(balances.begin(), balances.end(), [](const Balance& b) { return b.holds(); })) {
    const bool all_told = std::all_of(counters.ports.begin(), counters.ports.end(),
                                      [](const PortSnapshot& port) { return port.tells_losses; });
    return all_told ? "; every packet is accounted for"
                    : "; what was received is accounted for, what was lost at the ports cannot be told";
  }
  if (counters.at_rest) return "; the counters do not add up";
  std::uint64_t under_way = 0;
  for (const Balance& balance : balances) {
    if (balance.in > balance.accounted()) under_way += balance.in - balance.accounted();
  }
  return fmt::format("; {} packets or events were on their way", under_way);
}

}  // namespace

std::uint64_t Balance::accounted() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& [name, count] : out) sum += count;
  return sum;
}

std::vector<Balance> reconcile(const LiveCounters& counters) {
  std::vector<Balance> balances;
  for (const PortSnapshot& port : counters.ports) {
    balances.push_back({.stage = port.name + " on the wire",
                        .in = port.received + port.missed + port.errors + port.no_buffer,
                        .out = {{"polled", port.polled},
                                {"left in the queue at the end", port.left},
                                {"came after these, by the port's own count", port.left_uncounted},
                                {"missed", port.missed},
                                {"errors", port.errors},
                                {"no buffer", port.no_buffer}}});
  }
  balances.push_back(decoding(counters));
  balances.push_back(tracking(counters));
  balances.push_back(connections(counters));
  balances.push_back(analysed(counters));
  return balances;
}

std::string reconciliation_text(const std::vector<Balance>& balances) {
  std::string text;
  for (const Balance& balance : balances) {
    text += fmt::format("{}: {} =", balance.stage, balance.in);
    bool first = true;
    for (const auto& [name, count] : balance.out) {
      if (count == 0 && !(first && name == balance.out.back().first)) continue;
      text += fmt::format("{} {} {}", first ? "" : " +", count, name);
      first = false;
    }
    if (first) text += " 0";
    text += balance.holds()
                ? "\n"
                : fmt::format(" — off by {}\n", static_cast<std::int64_t>(balance.in - balance.accounted()));
  }
  return text;
}

std::string status_line(const LiveCounters& counters) {
  const packet::DecodeCounters decoded = counters.decoded();
  const EventCounters events = counters.events();
  const tcp::TrackerCounters tracked = counters.tracked();
  std::uint64_t steering_lost = 0;
  std::uint64_t wrong_worker = 0;
  std::uint64_t truncated = 0;
  std::uint64_t filtered_out = 0;
  for (const LaneSnapshot& lane : counters.lanes) {
    steering_lost += lane.counters.steering_lost;
    wrong_worker += lane.counters.wrong_worker;
    truncated += lane.counters.truncated;
    filtered_out += lane.counters.filtered_out;
  }
  std::string text = fmt::format(
      "received {} packets, processed {} ({} TCP, {} ICMP errors), lost {} at the ports; {} connections, {} readings",
      counters.received(), decoded.received(), decoded.of(DecodeOutcome::tcp), decoded.of(DecodeOutcome::icmp_error),
      counters.lost_at_ports(), tracked.connections, counters.analysis.readings);
  const auto add = [&text](std::uint64_t count, std::string_view what) {
    if (count > 0) text += fmt::format("; {} {}", count, what);
  };
  std::uint64_t left = 0;
  for (const PortSnapshot& port : counters.ports) left += port.left + port.left_uncounted;
  add(filtered_out, "left out by the filter");
  add(left, "left in the queues at the end");
  add(steering_lost, "lost between receiver and worker");
  add(tracked.ended[static_cast<std::size_t>(EndReason::evicted)], "connections evicted from a full table");
  add(events.lost, "events lost");
  add(events.evidence_lost, "events without their evidence");
  add(events.frames_lost, "events without their frames");
  add(counters.analysis.analysis.frames_dropped, "connections without their frames, for want of memory");
  add(events.sampled_out, "events of served connections sampled out");
  add(events.served_lost, "events of served connections lost");
  add(wrong_worker, "packets reached the wrong worker");
  add(truncated, "packets truncated");
  return text + balance_remark(counters);
}

}  // namespace doorslam::port
