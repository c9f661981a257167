#include "pipeline/metrics/families.h"

#include <concepts>
#include <deque>
#include <iterator>
#include <string_view>
#include <utility>

#include "pipeline/metrics/names.h"

namespace doorslam::metrics {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kNsPerSecond = 1e9;
constexpr double kOctetsPerMegabit = 1e6 / 8;
constexpr double kMsPerSecond = 1e3;

double seconds(std::int64_t ns) { return static_cast<double>(ns) / kNsPerSecond; }

/// Collects the families in the order in which they are named.
class Exposition {
 public:
  class Family {
   public:
    explicit Family(MetricFamily& family) : family_(family) {}

    template <class Number>
    requires std::integral<Number> || std::floating_point<Number> Family& add(Labels labels, Number value) {
      ClientMetric& metric = family_.metric.emplace_back();
      metric.label = std::move(labels);
      const auto number = static_cast<double>(value);
      (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = number;
      return *this;
    }

   private:
    MetricFamily& family_;
  };

  Family counter(std::string_view name, std::string_view help) { return family(name, help, MetricType::Counter); }
  Family gauge(std::string_view name, std::string_view help) { return family(name, help, MetricType::Gauge); }

  std::vector<MetricFamily> take() {
    return {std::make_move_iterator(families_.begin()), std::make_move_iterator(families_.end())};
  }

 private:
  Family family(std::string_view name, std::string_view help, MetricType type) {
    MetricFamily& made = families_.emplace_back();
    made.name = "doorslam_" + std::string(name);
    made.help = help;
    made.type = type;
    return Family(made);
  }

  std::deque<MetricFamily> families_;  ///< of which none moves while others are added
};

using Family = Exposition::Family;

void add_process(const Observation& seen, Exposition& out) {
  out.gauge("build_info", "The running version; always 1.").add({{"version", seen.version}}, 1);
  out.gauge("uptime_seconds", "Time since packets were let in.").add({}, seconds(seen.live.uptime_ns));
  out.gauge("packet_time_seconds", "Time of the newest packet, or of the clock when there is none, since 1970.")
      .add({}, seconds(seen.live.now_ns));
  out.gauge("clock_offset_seconds",
            "How far the wall clock is ahead of packet time, which follows it by 500 us a second at most.")
      .add({}, seconds(seen.live.clock_offset_ns));
  out.gauge("replay", "1 where the ports replay capture files.").add({}, seen.live.replay ? 1 : 0);
  out.counter("reloads_total", "Reloads of settings and signatures.")
      .add({{"result", "done"}}, seen.reloads)
      .add({{"result", "refused"}}, seen.reloads_refused);
}

void add_ports(const Observation& seen, Exposition& out) {
  using Port = port::PortSnapshot;
  const auto& ports = seen.live.ports;
  const auto each = [&ports](Family family, auto value) {
    for (const Port& port : ports) family.add({{"port", port.name}}, value(port));
  };
  each(out.counter("port_received_packets_total", "Packets that the port delivered (ipackets)."),
       [](const Port& port) { return port.received; });
  each(out.counter("port_received_bytes_total", "Octets that the port delivered (ibytes)."),
       [](const Port& port) { return port.received_octets; });
  Family lost = out.counter("port_lost_packets_total",
                            "Packets that the port lost: missed for want of a free descriptor (imissed), damaged or "
                            "too long (ierrors), no packet buffer free (rx_nombuf).");
  for (const Port& port : ports) {
    lost.add({{"port", port.name}, {"reason", "missed"}}, port.missed);
    lost.add({{"port", port.name}, {"reason", "errors"}}, port.errors);
    lost.add({{"port", port.name}, {"reason", "no_buffer"}}, port.no_buffer);
  }
  each(out.counter("port_polled_packets_total", "Packets that polling threads took from the port."),
       [](const Port& port) { return port.polled; });
  Family by_queue =
      out.counter("port_queue_received_packets_total", "Packets by receive queue, where the driver counts them.");
  for (const Port& port : ports) {
    for (std::size_t queue = 0; queue < port.received_by_queue.size(); ++queue) {
      by_queue.add({{"port", port.name}, {"queue", std::to_string(queue)}}, port.received_by_queue[queue]);
    }
  }
  each(out.gauge("port_link_up", "1 while the link is up."), [](const Port& port) { return port.link_up ? 1 : 0; });
  each(out.gauge("port_link_bytes_per_second", "Speed of the link; 0: unknown."),
       [](const Port& port) { return port.megabits * kOctetsPerMegabit; });
  each(out.gauge("port_buffers", "Packet buffers of the port's mempool."),
       [](const Port& port) { return port.buffers; });
  each(out.gauge("port_buffers_in_use", "Of them, those that hold a packet or wait for one in a descriptor."),
       [](const Port& port) { return port.buffers_in_use; });
}

/// Whom a family of the polling threads is about.
enum class Who { all, receiving, tracking };

bool is_one(const port::LaneSnapshot& lane, Who who) {
  return who == Who::all || (who == Who::receiving ? lane.receives : lane.tracks);
}

void each_lane(const Observation& seen, Who who, Family family, auto value) {
  for (const port::LaneSnapshot& lane : seen.live.lanes) {
    if (is_one(lane, who)) family.add({{"worker", worker_name(lane)}}, value(lane.counters));
  }
}

void add_receiving(const Observation& seen, Exposition& out) {
  using Counters = port::LaneCounters;
  each_lane(seen, Who::receiving, out.counter("polled_packets_total", "Packets taken from the receive queues."),
            [](const Counters& c) { return c.polled; });
  each_lane(seen, Who::receiving, out.counter("polled_bytes_total", "Octets of them, as captured."),
            [](const Counters& c) { return c.polled_octets; });
  each_lane(seen, Who::receiving,
            out.counter("filtered_packets_total", "Packets of them that run.filter left out: they were not decoded."),
            [](const Counters& c) { return c.filtered_out; });
  Family packets = out.counter("packets_total",
                               "Packets decoded, by what became of them: tcp and icmp_error were used, each other "
                               "outcome is the reason why one was not.");
  for (const port::LaneSnapshot& lane : seen.live.lanes) {
    if (!lane.receives) continue;
    for (std::size_t i = 0; i < packet::kDecodeOutcomeCount; ++i) {
      const auto outcome = static_cast<packet::DecodeOutcome>(i);
      packets.add({{"worker", worker_name(lane)}, {"outcome", std::string(name_of(outcome))}},
                  lane.counters.decode.of(outcome));
    }
  }
  each_lane(seen, Who::receiving, out.gauge("held_packets", "Packets taken and not decoded yet, held for their order."),
            [](const Counters& c) { return c.held; });
  each_lane(seen, Who::receiving,
            out.counter("truncated_packets_total", "Packets longer than the buffer that takes them whole."),
            [](const Counters& c) { return c.truncated; });
  each_lane(seen, Who::receiving,
            out.counter("linearised_packets_total", "Packets that came in several buffers and were put together."),
            [](const Counters& c) { return c.linearised; });
  each_lane(seen, Who::receiving,
            out.counter("time_reversals_total", "Packets stamped later than their device said, to keep time in order."),
            [](const Counters& c) { return c.time_reversals; });
  each_lane(
      seen, Who::receiving,
      out.counter("stamps_refused_total", "Packets without a sensible stamp, taken at the time of the one before."),
      [](const Counters& c) { return c.stamps_refused; });
  each_lane(seen, Who::receiving, out.counter("tcp_checksum_bad_packets_total", "TCP packets with a wrong checksum."),
            [](const Counters& c) { return c.decode.tcp_checksum_bad; });
  each_lane(seen, Who::receiving, out.counter("tunneled_packets_total", "TCP packets that came in a tunnel."),
            [](const Counters& c) { return c.decode.tunneled; });
  Family datagrams = out.counter("fragmented_datagrams_total", "Fragmented datagrams, by what became of them.");
  Family polls = out.counter("polls_total", "Rounds of a polling thread, by whether they brought packets.");
  for (const port::LaneSnapshot& lane : seen.live.lanes) {
    const std::string worker = worker_name(lane);
    polls.add({{"worker", worker}, {"result", "busy"}}, lane.counters.busy_rounds);
    polls.add({{"worker", worker}, {"result", "idle"}}, lane.counters.idle_rounds);
    if (!lane.receives) continue;
    const packet::DecodeCounters& decode = lane.counters.decode;
    datagrams.add({{"worker", worker}, {"outcome", "reassembled"}}, decode.datagrams_reassembled);
    datagrams.add({{"worker", worker}, {"outcome", "expired"}}, decode.datagrams_expired);
    datagrams.add({{"worker", worker}, {"outcome", "evicted"}}, decode.datagrams_evicted);
  }
}

void add_steering(const Observation& seen, Exposition& out) {
  using Counters = port::LaneCounters;
  each_lane(seen, Who::receiving,
            out.counter("steered_total", "TCP segments and ICMP errors handed to another thread than received them."),
            [](const Counters& c) { return c.dealt_segments + c.dealt_errors; });
  each_lane(seen, Who::receiving,
            out.counter("steering_lost_total", "Segments and ICMP errors for which the worker's ring had no room."),
            [](const Counters& c) { return c.steering_lost; });
  each_lane(seen, Who::receiving, out.counter("steering_waits_total", "Times that a worker's ring was waited for."),
            [](const Counters& c) { return c.steering_waits; });
  each_lane(seen, Who::all,
            out.counter("wrong_worker_packets_total",
                        "Packets that reached another worker than both directions of their connection should."),
            [](const Counters& c) { return c.wrong_worker; });
}

void add_tracking(const Observation& seen, Exposition& out) {
  using Counters = port::LaneCounters;
  each_lane(seen, Who::tracking, out.counter("tracked_total", "TCP segments and ICMP errors that were tracked."),
            [](const Counters& c) { return c.taken_segments + c.taken_errors; });
  each_lane(seen, Who::tracking,
            out.counter("duplicate_segments_total", "Segments that the mirror delivered twice: they do not count."),
            [](const Counters& c) { return c.tracker.duplicates; });
  each_lane(seen, Who::tracking, out.counter("connections_total", "Connections that began."),
            [](const Counters& c) { return c.tracker.connections; });
  Family ended = out.counter("connections_ended_total", "Connections that ended, by how; evicted: the table was full.");
  Family capacity = out.gauge("table_capacity_connections", "Connections that the worker's tables can hold.");
  for (const port::LaneSnapshot& lane : seen.live.lanes) {
    if (!lane.tracks) continue;
    capacity.add({{"worker", worker_name(lane)}}, lane.flow_capacity);
    for (std::size_t i = 0; i < tcp::kEndReasonNames.size(); ++i) {
      ended.add({{"worker", worker_name(lane)}, {"reason", std::string(tcp::kEndReasonNames[i])}},
                lane.counters.tracker.ended[i]);
    }
  }
  each_lane(seen, Who::tracking, out.gauge("table_connections", "Connections that are tracked now."),
            [](const Counters& c) { return c.open_connections; });
  each_lane(seen, Who::tracking, out.gauge("evidence_in_use", "Connections for which evidence is kept now."),
            [](const Counters& c) { return c.evidence_in_use; });
  each_lane(seen, Who::tracking,
            out.counter("evidence_missing_total", "Connections for which there was no room for evidence."),
            [](const Counters& c) { return c.tracker.evidence.exhausted; });
}

void add_events(const Observation& seen, Exposition& out) {
  Family events = out.counter("events_total",
                              "Events of connections, by what became of them: handed over as a possible refusal or as "
                              "served; under overload sampled_out or served_lost; lost: one that may have been a "
                              "refusal.");
  for (const port::LaneSnapshot& lane : seen.live.lanes) {
    if (!lane.tracks) continue;
    const port::EventCounters& counted = lane.counters.events;
    for (const auto& [outcome, count] :
         {std::pair("refusal", counted.refusals), std::pair("served", counted.served),
          std::pair("sampled_out", counted.sampled_out), std::pair("served_lost", counted.served_lost),
          std::pair("lost", counted.lost)}) {
      events.add({{"worker", worker_name(lane)}, {"outcome", outcome}}, count);
    }
  }
  each_lane(seen, Who::tracking,
            out.counter("events_evidence_lost_total", "Events that went without their evidence for want of room."),
            [](const port::LaneCounters& c) { return c.events.evidence_lost; });
}

/// The packets that go into evidence files; nothing where none are written.
void add_evidence(const Observation& seen, Exposition& out) {
  if (!seen.evidence) return;
  using Counters = port::LaneCounters;
  each_lane(seen, Who::tracking,
            out.counter("evidence_frames_total", "Frames handed over with the ends of their connections."),
            [](const Counters& c) { return c.tracker.evidence.frames; });
  each_lane(seen, Who::tracking,
            out.counter("evidence_frameless_total",
                        "Segments and ICMP errors on the ladder of which there is no single frame."),
            [](const Counters& c) { return c.tracker.evidence.frameless; });
  each_lane(seen, Who::tracking,
            out.counter("events_frames_lost_total", "Events that went without their frames for want of room."),
            [](const Counters& c) { return c.events.frames_lost; });
  const diagnose::AnalysisCounters& analysis = seen.live.analysis.analysis;
  out.counter("evidence_frames_dropped_total", "Connections that went without their frames for want of memory.")
      .add({}, analysis.frames_dropped);
  out.gauge("evidence_frames_bytes", "Octets of frames that are held for connections that have ended.")
      .add({}, analysis.frame_octets);
  out.counter("evidence_files_total",
              "Evidence files, by what became of them; frameless: an incident of which no frames were kept; late: an "
              "alert that did not wait for its file any longer.")
      .add({{"outcome", "written"}}, seen.evidence->written)
      .add({{"outcome", "failed"}}, seen.evidence->failed)
      .add({{"outcome", "removed"}}, seen.evidence->removed)
      .add({{"outcome", "frameless"}}, seen.evidence->frameless)
      .add({{"outcome", "late"}}, seen.evidence->late);
  out.gauge("evidence_waiting_alerts", "Alerts that wait for their evidence file.").add({}, seen.evidence->waiting);
  out.gauge("evidence_files", "Evidence files in the folder.").add({}, seen.evidence->files);
  out.gauge("evidence_files_bytes", "Disk that they take.").add({}, seen.evidence->octets);
}

void add_analysis(const Observation& seen, Exposition& out) {
  const port::AnalysisThreadCounters& analysis = seen.live.analysis;
  out.counter("analysis_events_total", "Events that the analysis took.").add({}, analysis.events);
  out.gauge("analysis_waiting_events", "Events that wait for the analysis.").add({}, analysis.waiting_events);
  out.gauge("analysis_lag_seconds", "How far the analysis is behind the newest packet.")
      .add({}, seconds(analysis.lag_ns));
  out.counter("analysis_connections_total", "Connections whose end the analysis saw.")
      .add({}, analysis.analysis.connections);
  out.counter("analysis_judged_total", "Connections weighed against the evidence; early: too many were waiting.")
      .add({{"when", "settled"}}, analysis.analysis.judged - analysis.analysis.judged_early)
      .add({{"when", "early"}}, analysis.analysis.judged_early);
  out.counter("ledger_forgotten_total",
              "What the ledger of servers has forgotten for want of room: connections, servers, clients whose SYNs a "
              "server had reset, and FTP sessions.")
      .add({{"what", "connections"}}, analysis.analysis.notes_forgotten)
      .add({{"what", "servers"}}, analysis.analysis.servers_forgotten)
      .add({{"what", "reset_clients"}}, analysis.analysis.reset_clients_forgotten)
      .add({{"what", "ftp_sessions"}}, analysis.analysis.ftp_sessions_forgotten);
  Family refusals = out.counter("refusals_total", "Refused connections, by cause.");
  Family others = out.counter("other_readings_total", "Readings of connections that are no refusals, by cause.");
  for (std::size_t i = 0; i < diagnose::kCauseCount; ++i) {
    const auto cause = static_cast<diagnose::Cause>(i);
    (diagnose::is_refusal(cause) ? refusals : others)
        .add({{"cause", std::string(name_of(cause))}}, analysis.readings_by_cause[i]);
  }
}

void add_alerts(const Observation& seen, Exposition& out) {
  out.gauge("incidents_open", "Incidents that are open now.").add({}, seen.alerts.open);
  Family alerts = out.counter("alerts_total", "Alerts, by what they tell of their incident.");
  for (std::size_t i = 0; i < kAlertActionNames.size(); ++i) {
    alerts.add({{"action", std::string(kAlertActionNames[i])}}, seen.alerts.events[i]);
  }
  if (!seen.store) return;
  const store::StoreCounters& store = *seen.store;
  out.counter("store_records_total",
              "Records for the store, by what became of them; overflowed and abandoned ones are lost.")
      .add({{"outcome", "stored"}}, store.stored)
      .add({{"outcome", "duplicate"}}, store.duplicates)
      .add({{"outcome", "overflowed"}}, store.overflowed)
      .add({{"outcome", "abandoned"}}, store.abandoned);
  out.gauge("store_queued_records", "Records that wait for the disk.").add({}, store.queued);
  out.gauge("store_bytes", "Size of the store's file.").add({}, store.octets);
  out.counter("store_trimmed_records_total", "Oldest records given up for the bound.").add({}, store.trimmed);
  out.counter("store_write_failures_total", "Transactions that had to be tried again.").add({}, store.write_failures);
  out.gauge("store_in_trouble", "1 while the store cannot be written.").add({}, store.failing ? 1 : 0);
}

void add_outputs(const Observation& seen, Exposition& out) {
  if (seen.outputs.empty()) return;
  const auto each = [&seen](Family family, auto value) {
    for (const OutputFigures& file : seen.outputs) family.add({{"output", file.name}}, value(file));
  };
  each(out.counter("output_records_total", "Records for the files of --flows and --alerts."),
       [](const OutputFigures& file) { return file.records; });
  each(out.counter("output_missing_records_total", "Records that those files could not take and that are lost."),
       [](const OutputFigures& file) { return file.missing; });
  each(out.gauge("output_waiting_bytes", "What waits in memory for a file that cannot be written."),
       [](const OutputFigures& file) { return file.waiting_octets; });
  each(out.gauge("output_in_trouble", "1 while the file cannot be written, or nobody takes from it."),
       [](const OutputFigures& file) { return file.trouble.empty() ? 0 : 1; });
}

void add_sinks(const Observation& seen, Exposition& out) {
  if (seen.sinks.empty()) return;
  using Sink = sink::SinkCounters;
  const auto each = [&seen](Family family, auto value) {
    for (const Sink& sink : seen.sinks) family.add({{"sink", sink.name}}, value(sink));
  };
  each(out.counter("sink_sent_records_total", "Records delivered, those sent again included."),
       [](const Sink& sink) { return sink.sent; });
  each(out.counter("sink_refused_records_total", "Records that the receiver will never take."),
       [](const Sink& sink) { return sink.refused; });
  each(out.counter("sink_retried_records_total", "Records that had to be sent again."),
       [](const Sink& sink) { return sink.retried; });
  each(out.counter("sink_failures_total", "Attempts to send that failed."),
       [](const Sink& sink) { return sink.failures; });
  each(out.counter("sink_lost_records_total", "Records trimmed from the store before they were sent."),
       [](const Sink& sink) { return sink.lost; });
  each(out.counter("sink_lost_resends_total", "Records trimmed from the store before they were sent once more."),
       [](const Sink& sink) { return sink.resends_lost; });
  each(out.gauge("sink_behind_records", "Records of the store that have not arrived yet."),
       [](const Sink& sink) { return sink.behind; });
  each(out.gauge("sink_oldest_waiting_seconds", "How long the oldest unsent record has been known to wait."),
       [](const Sink& sink) { return static_cast<double>(sink.oldest_waiting.count()) / kMsPerSecond; });
  each(out.gauge("sink_in_trouble", "1 while the sink cannot send."),
       [](const Sink& sink) { return sink.trouble.empty() ? 0 : 1; });
}

}  // namespace

std::vector<MetricFamily> families(const Observation& observation) {
  Exposition out;
  add_process(observation, out);
  add_ports(observation, out);
  add_receiving(observation, out);
  add_steering(observation, out);
  add_tracking(observation, out);
  add_events(observation, out);
  add_analysis(observation, out);
  add_alerts(observation, out);
  add_evidence(observation, out);
  add_outputs(observation, out);
  add_sinks(observation, out);
  return out.take();
}

}  // namespace doorslam::metrics
