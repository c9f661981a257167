#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "pipeline/diagnose/analysis.h"
#include "pipeline/diagnose/cause.h"
#include "pipeline/packet/decode_outcome.h"
#include "pipeline/port/event_rings.h"
#include "pipeline/tcp/tracker.h"

/// What a running sensor counts, as others read it: telemetry, the status line, the reconciliation.
namespace doorslam::port {

/// One polling thread's own figures. Of 64-bit words only: it is published whole (published.h).
struct LaneCounters {
  // Receiving.
  std::uint64_t polled = 0;          ///< packets taken from the queues
  std::uint64_t polled_octets = 0;   ///< as captured
  std::uint64_t held = 0;            ///< of them, taken and not processed yet
  std::uint64_t filtered_out = 0;    ///< of them, left out by the filter
  std::uint64_t linearised = 0;      ///< packets that came in several buffers
  std::uint64_t truncated = 0;       ///< of them, longer than the buffer that takes them whole: decoded as far as that
  std::uint64_t time_reversals = 0;  ///< packets stamped later than their device said, to keep time in order
  std::uint64_t stamps_refused = 0;  ///< packets without a sensible stamp, taken at the time of the one before
  std::uint64_t busy_rounds = 0;     ///< polls that brought packets
  std::uint64_t idle_rounds = 0;     ///< polls that brought none
  packet::DecodeCounters decode;     ///< of the packets that this thread decoded
  // Steering, where another thread receives than tracks.
  std::uint64_t dealt_segments = 0;  ///< handed to the workers
  std::uint64_t dealt_errors = 0;
  std::uint64_t steering_lost = 0;   ///< segments and ICMP errors for which the worker's ring had no room
  std::uint64_t steering_waits = 0;  ///< times that a ring was waited for
  std::uint64_t wrong_worker = 0;    ///< packets that reached another worker than both directions should
  // Tracking.
  std::uint64_t taken_segments = 0;  ///< tracked by this thread
  std::uint64_t taken_errors = 0;
  tcp::TrackerCounters tracker;
  std::uint64_t open_connections = 0;
  std::uint64_t evidence_in_use = 0;
  EventCounters events;
  std::int64_t packet_time_ns = 0;  ///< of the latest packet, or of the clock when there was none
};

struct LaneSnapshot {
  std::string role;  ///< "worker 0", "receiver 0"
  unsigned lcore = 0;
  std::vector<unsigned> cpus;
  bool receives = false;
  bool tracks = false;
  std::uint64_t flow_capacity = 0;
  LaneCounters counters;
};

struct PortSnapshot {
  std::string name;
  std::string driver;
  unsigned group = 0;
  bool link_up = false;
  std::uint32_t megabits = 0;
  std::uint64_t received = 0;  ///< ipackets
  std::uint64_t received_octets = 0;
  std::uint64_t missed = 0;                      ///< imissed: no free descriptor
  std::uint64_t errors = 0;                      ///< ierrors
  std::uint64_t no_buffer = 0;                   ///< rx_nombuf
  bool tells_losses = true;                      ///< false: the driver cannot, and these are not all
  std::vector<std::uint64_t> received_by_queue;  ///< empty: the driver does not count them
  std::uint64_t polled = 0;                      ///< what the polling threads took from it
  std::uint64_t left = 0;                        ///< at the end: received, and taken out of its queues unread
  std::uint64_t left_uncounted = 0;              ///< at the end: received after that, by the device's own counter
  std::uint64_t buffers = 0;                     ///< of its mempool
  std::uint64_t buffers_in_use = 0;
};

/// The analysis thread's figures. Of 64-bit words only.
struct AnalysisThreadCounters {
  std::uint64_t events = 0;  ///< taken out of the rings
  diagnose::AnalysisCounters analysis;
  std::uint64_t readings = 0;  ///< given to the outputs
  std::array<std::uint64_t, diagnose::kCauseCount> readings_by_cause{};
  std::int64_t watermark_ns = 0;     ///< packet time up to which all is judged that can be
  std::int64_t lag_ns = 0;           ///< how far that is behind the newest packet
  std::uint64_t waiting_events = 0;  ///< in the rings when it last looked
};

/// Everything at one time. Figures of one thread belong together; those of different threads are read one after the
/// other, from the last stage to the first, so that no stage shows more than the one before it.
struct LiveCounters {
  std::int64_t uptime_ns = 0;
  std::int64_t now_ns = 0;           ///< packet time
  std::int64_t clock_offset_ns = 0;  ///< how far the wall clock is ahead of packet time; 0 in a replay
  bool replay = false;               ///< time is that of capture files
  bool at_rest = false;              ///< all threads have ended: nothing is on its way between them
  std::vector<PortSnapshot> ports;
  std::vector<LaneSnapshot> lanes;  ///< receivers, then workers
  AnalysisThreadCounters analysis;

  std::uint64_t received() const noexcept;  ///< by the devices, lost ones not counted
  std::uint64_t lost_at_ports() const noexcept;
  std::uint64_t polled() const noexcept;
  /// Sums over the lanes.
  packet::DecodeCounters decoded() const noexcept;
  tcp::TrackerCounters tracked() const noexcept;
  EventCounters events() const noexcept;
};

}  // namespace doorslam::port
