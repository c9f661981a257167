#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/packet/segment.h"
#include "pipeline/tcp/tracker.h"

/// Decoded packets for tests, as a client and a server would send them.
///
///     Conversation talk;
///     talk.handshake();
///     talk.client(kPsh | kAck, "GET / HTTP/1.0\r\n\r\n");
///     talk.server(kRst | kAck).ttl = 250;
///     const Tracked seen = track(talk.segments());
///
/// Sequence and acknowledgement numbers follow from what was sent; a test changes what it wants to be wrong.
namespace doorslam::test {

using flowtable::kMicrosecondNs;
using flowtable::kMillisecondNs;
using flowtable::kSecondNs;
using flowtable::TimeNs;
using packet::Segment;
using namespace packet::tcp_flag;

/// Where test time begins: 2024-01-01, so that it is no round number of ticks.
inline constexpr TimeNs kStart = 1'704'067'200 * kSecondNs;

inline flowtable::IpAddress address4(std::uint8_t last, std::uint8_t third = 0) {
  flowtable::IpAddress address;
  address.octets = {10, 0, third, last};
  return address;
}

inline flowtable::IpAddress address6(std::uint8_t last) {
  flowtable::IpAddress address;
  address.version = flowtable::IpVersion::v6;
  address.octets[0] = 0xfd;
  address.octets[15] = last;
  return address;
}

/// Both ends of one connection and what they have sent.
class Conversation {
 public:
  struct End {
    flowtable::Endpoint endpoint;
    std::uint32_t isn = 0;
    std::uint32_t next = 0;  ///< sequence number of its next segment
    std::uint16_t ip_id = 0;
    std::uint8_t ttl = 64;
    std::uint16_t window = 64240;
  };

  explicit Conversation(flowtable::Endpoint client = {address4(1), 40000},
                        flowtable::Endpoint server = {address4(2), 80})
      : ends_{End{client, 1000, 1000, 100}, End{server, 900000, 900000, 500, 63}} {}

  /// The next segment comes this much after the one before it. 1 ms unless set; holds for one segment.
  Conversation& after(flowtable::DurationNs pause) {
    pause_ns_ = pause;
    return *this;
  }

  Segment& client(std::uint8_t flags, std::string_view payload = {}) { return send(0, flags, payload); }
  Segment& server(std::uint8_t flags, std::string_view payload = {}) { return send(1, flags, payload); }

  void handshake() {
    client(kSyn);
    server(kSyn | kAck);
    client(kAck);
  }
  /// A request and its answer.
  void exchange(std::string_view request = "request", std::string_view answer = "answer") {
    client(kPsh | kAck, request);
    server(kPsh | kAck, answer);
  }
  /// FIN of either side, the client's first, and the last ACK.
  void close() {
    client(kFin | kAck);
    server(kFin | kAck);
    client(kAck);
  }
  /// The latest segment once more, as a mirror port delivers it.
  Segment& copy_latest(flowtable::DurationNs pause = 5 * kMicrosecondNs) {
    Segment copy = segments_.back();
    time_ns_ += pause;
    copy.time_ns = time_ns_;
    copy.number = segments_.size() + 1;
    segments_.push_back(copy);
    return segments_.back();
  }
  /// A segment that the capture does not have.
  void lose_latest() { segments_.pop_back(); }

  End& client_end() { return ends_[0]; }
  End& server_end() { return ends_[1]; }
  TimeNs now() const { return time_ns_; }
  void set_now(TimeNs time_ns) { time_ns_ = time_ns; }
  const std::vector<Segment>& segments() const { return segments_; }

 private:
  Segment& send(std::size_t from, std::uint8_t flags, std::string_view payload) {
    End& own = ends_[from];
    const End& peer = ends_[1 - from];
    time_ns_ += pause_ns_;
    pause_ns_ = kMillisecondNs;
    payloads_->emplace_back(payload);
    const std::string& kept = payloads_->back();
    Segment segment;
    segment.time_ns = time_ns_;
    segment.number = segments_.size() + 1;
    segment.source = own.endpoint;
    segment.destination = peer.endpoint;
    segment.seq = own.next;
    segment.ack = (flags & kAck) != 0 ? peer.next : 0;
    segment.flags = flags;
    segment.window = own.window;
    segment.ttl = own.ttl;
    segment.dont_fragment = true;
    if (own.endpoint.address.version == flowtable::IpVersion::v4) segment.ip_id = own.ip_id++;
    segment.payload_length = static_cast<std::uint32_t>(kept.size());
    segment.payload = {reinterpret_cast<const std::uint8_t*>(kept.data()), kept.size()};
    own.next += segment.payload_length + ((flags & kSyn) != 0 ? 1U : 0U) + ((flags & kFin) != 0 ? 1U : 0U);
    segments_.push_back(segment);
    return segments_.back();
  }

  std::array<End, 2> ends_;
  TimeNs time_ns_ = kStart;
  flowtable::DurationNs pause_ns_ = kMillisecondNs;
  std::vector<Segment> segments_;
  /// Shared, so that copies of a Conversation, and of its segments, stay valid.
  std::shared_ptr<std::deque<std::string>> payloads_ = std::make_shared<std::deque<std::string>>();
};

/// Several conversations as one capture: in order of time, numbered.
inline std::vector<Segment> merge(std::span<const Conversation> conversations) {
  std::vector<Segment> all;
  for (const Conversation& one : conversations) all.insert(all.end(), one.segments().begin(), one.segments().end());
  std::stable_sort(all.begin(), all.end(), [](const Segment& a, const Segment& b) { return a.time_ns < b.time_ns; });
  for (std::size_t i = 0; i < all.size(); ++i) all[i].number = i + 1;
  return all;
}

/// An ICMP error of a router about the first segment, 1 ms after the latest.
inline packet::IcmpError unreachable(const Conversation& talk) {
  packet::IcmpError error;
  error.time_ns = talk.now() + kMillisecondNs;
  error.number = talk.segments().size() + 1;
  error.reporter = address4(254);
  error.source = talk.segments().front().source;
  error.destination = talk.segments().front().destination;
  error.seq = talk.segments().front().seq;
  error.type = 3;
  error.code = 13;
  error.ttl = 61;
  return error;
}

/// What a tracker made of segments.
struct Tracked {
  tcp::EventBatch batch;
  tcp::TrackerCounters counters;
  std::size_t left_over = 0;  ///< connections and what they had still held after the end: 0 unless something is lost

  std::vector<tcp::ConnectionEvent> of_kind(tcp::EventKind kind) const {
    std::vector<tcp::ConnectionEvent> found;
    for (const auto& event : batch.events) {
      if (event.kind == kind) found.push_back(event);
    }
    std::sort(found.begin(), found.end(), tcp::happened_before);
    return found;
  }
  std::vector<tcp::ConnectionEvent> ended() const { return of_kind(tcp::EventKind::ended); }
  const tcp::Evidence& evidence_of(const tcp::ConnectionEvent& event) const {
    return batch.evidence.at(static_cast<std::size_t>(event.evidence));
  }
};

/// Small tables, so that a test may have hundreds of trackers.
inline tcp::TrackerOptions small_options() {
  tcp::TrackerOptions options;
  options.capacity_flows = 4096;
  options.capacity_flows6 = 256;
  options.evidence_capacity = 1024;
  return options;
}

/// Runs segments through a tracker in bursts, and the end of the capture at the time of the last.
inline Tracked track(std::span<const Segment> segments, const tcp::TrackerOptions& options = small_options(),
                     std::size_t burst = 64) {
  tcp::Tracker tracker(options);
  Tracked tracked;
  const TimeNs end = segments.empty() ? kStart : segments.back().time_ns;
  while (!segments.empty()) {
    const auto part = segments.first(std::min(burst, segments.size()));
    tracker.process(part, tracked.batch);
    tracker.advance(part.back().time_ns, tracked.batch);
    segments = segments.subspan(part.size());
  }
  tracker.finish(end, tracked.batch);
  tracked.counters = tracker.counters();
  tracked.left_over = tracker.open_connections() + tracker.irregular_connections() + tracker.evidence_in_use();
  return tracked;
}

}  // namespace doorslam::test
