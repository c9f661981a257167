// The tracker over any mixture of conversations, whole, maimed or nonsensical: how they are spread over trackers and
// bursts must not show, and every packet must be accounted for.

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/segment_scenario.h"

namespace doorslam::tcp {
namespace {

using namespace test;

/// One step of a conversation: who sends what, after which pause, and what the mirror port makes of it.
struct Step {
  std::uint8_t who = 0;  ///< 0 client, 1 server
  std::uint8_t flags = 0;
  std::uint16_t length = 0;
  std::int32_t seq_error = 0;
  std::int32_t ack_error = 0;
  flowtable::DurationNs pause = kMillisecondNs;
  std::uint8_t fate = 0;  ///< 0 to 6: captured; 7: lost; 8: captured twice; 9: bad checksum
  std::uint16_t window = 1000;
};

const std::vector<std::uint8_t> kUsualFlags = {kSyn,        kSyn | kAck, kAck, kAck,       kPsh | kAck,
                                               kPsh | kAck, kFin | kAck, kRst, kRst | kAck};

rc::Gen<Step> any_step() {
  using rc::gen::element;
  using rc::gen::inRange;
  using rc::gen::set;
  return rc::gen::build<Step>(
      set(&Step::who, inRange<std::uint8_t>(0, 2)),
      set(&Step::flags, rc::gen::oneOf(rc::gen::elementOf(kUsualFlags), inRange<std::uint8_t>(0, 255))),
      set(&Step::length, rc::gen::oneOf(rc::gen::just<std::uint16_t>(0), inRange<std::uint16_t>(0, 1461))),
      set(&Step::seq_error,
          rc::gen::weightedOneOf<std::int32_t>(
              {{8, rc::gen::just(0)}, {2, inRange(-2000, 2000)}, {1, element(-1, 1 << 21, 1 << 26)}})),
      set(&Step::ack_error, rc::gen::weightedOneOf<std::int32_t>(
                                {{8, rc::gen::just(0)}, {2, inRange(-2000, 2000)}, {1, element(-1, 1 << 26)}})),
      set(&Step::pause, element<flowtable::DurationNs>(0, 10 * kMicrosecondNs, kMillisecondNs, 200 * kMillisecondNs,
                                                       2 * kSecondNs, 6 * kSecondNs, 40 * kSecondNs, 400 * kSecondNs)),
      set(&Step::fate, inRange<std::uint8_t>(0, 10)),
      set(&Step::window, element<std::uint16_t>(0, 1000, 1000, 1000, 64000)));
}

void play(Conversation& talk, const Step& step) {
  talk.after(step.pause);
  const std::string payload(step.length, 'x');
  Segment& segment = step.who == 0 ? talk.client(step.flags, payload) : talk.server(step.flags, payload);
  segment.seq += static_cast<std::uint32_t>(step.seq_error);
  segment.ack += static_cast<std::uint32_t>(step.ack_error);
  segment.window = step.window;
  if (step.fate == 7) talk.lose_latest();
  if (step.fate == 8) talk.copy_latest();
  if (step.fate == 9) segment.checksum_bad = true;
}

/// Segments, and the conversations that keep their payload.
struct Capture {
  std::vector<Conversation> conversations;
  std::vector<Segment> segments;
};

/// Up to a dozen conversations on few tuples, so that tuples are used again; some begin as they should.
Capture any_capture() {
  Capture capture;
  std::vector<Conversation>& all = capture.conversations;
  const auto count = *rc::gen::inRange<std::size_t>(1, 12);
  for (std::size_t i = 0; i < count; ++i) {
    const bool six = *rc::gen::weightedElement<bool>({{4, false}, {1, true}});
    const auto last = *rc::gen::inRange<std::uint8_t>(1, 4);
    const auto client_port = *rc::gen::element<std::uint16_t>(40000, 40001, 80);
    const auto address = [six](std::uint8_t n) { return six ? address6(n) : address4(n); };
    Conversation& talk =
        all.emplace_back(flowtable::Endpoint{address(last), client_port}, flowtable::Endpoint{address(9), 80});
    talk.set_now(kStart + *rc::gen::inRange<flowtable::DurationNs>(0, 20) * kSecondNs);
    talk.client_end().next = *rc::gen::element<std::uint32_t>(1000, 0xffffff00, 5'000'000);
    if (*rc::gen::arbitrary<bool>()) talk.handshake();
    if (*rc::gen::inRange(0, 4) == 0) {
      for (int n = 0; n < 8; ++n) talk.exchange("request", std::string(300, 'y'));  // served: the short path
    }
    for (const Step& step : *rc::gen::container<std::vector<Step>>(any_step())) play(talk, step);
    if (*rc::gen::arbitrary<bool>()) talk.close();
  }
  capture.segments = merge(all);
  return capture;
}

/// Everything that the analysis can see of an event, in words.
std::string describe(const ConnectionEvent& event, const EventBatch& batch) {
  const ConnectionSummary& s = event.summary;
  std::ostringstream out;
  out << event.time_ns << ' ' << event.number << ' ' << static_cast<int>(event.kind) << " id " << s.id << ' '
      << s.originator.port << ' ' << int{s.originator.address.octets[3]} << ' ' << s.start_ns << ' ' << s.end_ns << ' '
      << s.history.view() << ' ' << name_of(s.conn_state) << ' ' << name_of(s.stage) << ' '
      << static_cast<int>(s.end_reason) << ' ' << s.mid_stream << s.orientation_guessed << s.one_sided
      << s.plainly_served << s.evidence_missing << ' ' << s.duplicates;
  for (const SideTotals& side : s.side) {
    out << " | " << side.packets << ' ' << side.payload_bytes << ' ' << side.gap_bytes << ' ' << side.retransmissions
        << ' ' << side.zero_windows;
  }
  if (event.evidence < 0) return out.str();
  const Evidence& e = batch.evidence.at(static_cast<std::size_t>(event.evidence));
  const auto print = [&out](const Fingerprint& habits) {
    out << ' ' << int{habits.seen} << ',' << int{habits.ttl} << ',' << habits.ip_id << ',' << habits.window;
  };
  out << " evidence " << e.rung_count << ' ' << e.exchanges << ' ' << int{e.syns} << ' ' << int{e.syn_acks} << ' '
      << e.syn_ns << ' ' << e.last_syn_ns << ' ' << e.syn_ack_ns << ' ' << e.last_syn_ack_ns << ' ' << e.handshake_ns
      << ' ' << e.handshake_ack_wrong << e.fast_open;
  for (const SideEvidence& side : e.side) {
    out << " | " << side.first_payload_ns << ' ' << side.last_payload_ns << ' ' << side.last_ns << ' ' << side.fin_ns
        << ' ' << side.rst_ns << ' ' << side.zero_window_since_ns << ' ' << side.next_seq << ' ' << side.acked << ' '
        << side.rst_seq << ' ' << int{side.resets} << side.rst_with_ack << ' ' << side.unseen_octets << ' '
        << side.payload_segments << ' ' << side.head.length << ' ' << int{side.head.segments} << side.head.incomplete
        << ' ' << int{side.last_words_length} << ' ' << side.retransmissions << ' ';
    for (const std::uint8_t octet : side.latest_words()) out << int{octet} << ',';
    print(side.first);
    print(side.last);
    print(side.rst);
  }
  e.for_each_rung([&out](const Rung& rung, std::uint32_t) {
    out << ' ' << rung.time_ns << ':' << rung.seq << ',' << rung.ack << ',' << rung.length << ',' << int{rung.flags}
        << ':' << static_cast<int>(rung.side) << static_cast<int>(rung.note);
  });
  return out.str();
}

std::vector<std::string> describe(const EventBatch& batch) {
  std::vector<std::string> lines;
  for (const ConnectionEvent& event : batch.events) lines.push_back(describe(event, batch));
  std::sort(lines.begin(), lines.end());
  return lines;
}

/// Which tracker gets a segment: both directions the same.
std::size_t shard_of(const Segment& segment, std::size_t shards) {
  const auto sum = [](const flowtable::Endpoint& end) {
    return std::size_t{end.port} * 31U + end.address.octets[3] + end.address.octets[15];
  };
  return (sum(segment.source) + sum(segment.destination)) % shards;
}

RC_GTEST_PROP(TrackerProperty, ShardingDoesNotChangeTheEvents, ()) {
  const Capture source = any_capture();
  const std::vector<Segment>& capture = source.segments;
  const auto shards = *rc::gen::inRange<std::size_t>(2, 9);
  EventBatch together;
  for (std::size_t shard = 0; shard < shards; ++shard) {
    std::vector<Segment> share;
    for (const Segment& segment : capture) {
      if (shard_of(segment, shards) == shard) share.push_back(segment);
    }
    Tracker tracker(small_options());
    const auto offset = static_cast<std::int32_t>(together.evidence.size());
    EventBatch batch;
    tracker.process(share, batch);
    tracker.finish(capture.empty() ? kStart : capture.back().time_ns, batch);
    for (ConnectionEvent event : batch.events) {
      if (event.evidence >= 0) event.evidence += offset;
      together.events.push_back(event);
    }
    together.evidence.insert(together.evidence.end(), batch.evidence.begin(), batch.evidence.end());
  }
  RC_ASSERT(describe(together) == describe(track(capture).batch));
}

RC_GTEST_PROP(TrackerProperty, BurstsDoNotChangeTheEvents, ()) {
  const Capture source = any_capture();
  const std::vector<Segment>& capture = source.segments;
  const auto one = *rc::gen::inRange<std::size_t>(1, 200);
  const auto other = *rc::gen::inRange<std::size_t>(1, 200);
  RC_ASSERT(describe(track(capture, small_options(), one).batch) ==
            describe(track(capture, small_options(), other).batch));
}

RC_GTEST_PROP(TrackerProperty, ATableThatGrowsDoesNotChangeTheEvents, ()) {
  const Capture source = any_capture();
  const std::span<const Segment> capture(source.segments);
  const auto burst = *rc::gen::inRange<std::size_t>(1, 65);
  TrackerOptions options = small_options();
  options.initial_flows = 32;
  Tracker tracker(options);
  EventBatch batch;
  for (std::size_t begin = 0; begin < capture.size(); begin += burst) {
    tracker.make_room(*rc::gen::element<std::size_t>(0, 12, 30, 60, 200));
    const auto part = capture.subspan(begin, std::min(burst, capture.size() - begin));
    tracker.process(part, batch);
    tracker.advance(part.back().time_ns, batch);
  }
  tracker.finish(capture.empty() ? kStart : capture.back().time_ns, batch);
  RC_ASSERT(describe(batch) == describe(track(source.segments, small_options(), burst).batch));
}

// Whoever is over but not yet dealt with is over for the packets that come as well.
RC_GTEST_PROP(TrackerProperty, StepsOfExpiryDoNotChangeTheEvents, ()) {
  const Capture source = any_capture();
  TrackerOptions in_steps = small_options();
  in_steps.expiry_step = *rc::gen::element<std::size_t>(1, 2, 8);
  const auto burst = *rc::gen::inRange<std::size_t>(1, 65);
  RC_ASSERT(describe(track(source.segments, in_steps, burst).batch) ==
            describe(track(source.segments, small_options(), burst).batch));
}

RC_GTEST_PROP(TrackerProperty, ShortPathsDoNotChangeTheEvents, ()) {
  const Capture source = any_capture();
  TrackerOptions shortened = small_options();
  shortened.evidence_capacity = *rc::gen::element(3U, 1024U);
  TrackerOptions whole = shortened;
  whole.short_paths = false;
  RC_ASSERT(describe(track(source.segments, shortened).batch) == describe(track(source.segments, whole).batch));
}

RC_GTEST_PROP(TrackerProperty, OrderOfDifferentConnectionsWithinABurstDoesNotChangeTheEvents, ()) {
  const Capture source = any_capture();
  const std::vector<Segment>& capture = source.segments;
  const auto burst = *rc::gen::inRange<std::size_t>(2, 65);
  std::vector<Segment> grouped = capture;
  for (std::size_t begin = 0; begin < grouped.size(); begin += burst) {
    const std::size_t end = std::min(begin + burst, grouped.size());
    std::stable_sort(grouped.begin() + static_cast<std::ptrdiff_t>(begin),
                     grouped.begin() + static_cast<std::ptrdiff_t>(end),
                     [](const Segment& a, const Segment& b) { return shard_of(a, 97) < shard_of(b, 97); });
  }
  // The end of each burst is the time of its last packet in either case.
  const auto run = [&](const std::vector<Segment>& segments) {
    Tracker tracker(small_options());
    EventBatch batch;
    for (std::size_t begin = 0; begin < segments.size(); begin += burst) {
      const std::size_t end = std::min(begin + burst, segments.size());
      tracker.process(std::span(segments).subspan(begin, end - begin), batch);
      tracker.advance(capture[end - 1].time_ns, batch);
    }
    tracker.finish(capture.empty() ? kStart : capture.back().time_ns, batch);
    return describe(batch);
  };
  RC_ASSERT(run(grouped) == run(capture));
}

RC_GTEST_PROP(TrackerProperty, EveryPacketAndEveryConnectionIsAccountedFor, ()) {
  const Capture source = any_capture();
  const std::vector<Segment>& capture = source.segments;
  const Tracked tracked = track(capture, small_options(), *rc::gen::inRange<std::size_t>(1, 100));
  std::uint64_t packets = tracked.counters.duplicates + tracked.counters.bad_checksums;
  std::set<std::uint64_t> ended;
  for (const ConnectionEvent& event : tracked.ended()) {
    packets += event.summary.side[0].packets + event.summary.side[1].packets;
    RC_ASSERT(ended.insert(event.summary.id).second);
    RC_ASSERT(event.summary.start_ns <= event.summary.end_ns);
    RC_ASSERT(event.summary.end_ns <= event.time_ns);
  }
  RC_ASSERT(packets == capture.size());
  RC_ASSERT(ended.size() == tracked.counters.connections);
  RC_ASSERT(tracked.left_over == 0U);
  std::set<std::uint64_t> established;
  for (const ConnectionEvent& event : tracked.of_kind(EventKind::established)) {
    RC_ASSERT(ended.contains(event.summary.id));
    RC_ASSERT(established.insert(event.summary.id).second);
  }
}

RC_GTEST_PROP(TrackerProperty, NoEventComesAfterABatchThatCoversItsTime, ()) {
  const Capture source = any_capture();
  const std::vector<Segment>& capture = source.segments;
  const auto burst = *rc::gen::inRange<std::size_t>(1, 65);
  TrackerOptions options = small_options();
  options.expiry_step = *rc::gen::element<std::size_t>(0, 1, 2);
  Tracker tracker(options);
  TimeNs covered = 0;
  for (std::size_t begin = 0; begin < capture.size(); begin += burst) {
    const auto part = std::span(capture).subspan(begin, std::min(burst, capture.size() - begin));
    EventBatch batch;
    tracker.process(part, batch);
    tracker.advance(part.back().time_ns, batch);
    for (const ConnectionEvent& event : batch.events) {
      RC_ASSERT(event.time_ns >= covered);
      RC_ASSERT(event.time_ns <= part.back().time_ns);
    }
    const TimeNs covered_before = std::exchange(covered, tracker.covered(part.back().time_ns));
    RC_ASSERT(covered >= covered_before);
    if (options.expiry_step == 0) RC_ASSERT(covered == part.back().time_ns);
  }
}

}  // namespace
}  // namespace doorslam::tcp
