#include "pipeline/app/sharded_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "pipeline/base/add_words.h"
#include "pipeline/base/thread.h"
#include "pipeline/tcp/segment_runs.h"

namespace doorslam::app {

namespace {

using diagnose::DiagnosedConnection;
using packet::Segment;

/// A batch with so much payload is handed over before it has all its packets.
constexpr std::size_t kBatchPayloadOctets = std::size_t{4} << 20U;

}  // namespace

ShardedEngine::ShardedEngine(const EngineOptions& options)
    : decoder_(options.decode),
      shard_of_(flowtable::HashKey::fixed(), options.tracker.vlan_aware, options.workers),
      frame_octets_(options.tracker.frame_octets),
      meet_(static_cast<std::ptrdiff_t>(options.workers) + 1) {
  const tcp::TrackerOptions share = options.tracker.share_of(options.workers);
  for (Batch& batch : batches_) {
    batch.hands.resize(options.workers);
    batch.payloads.reserve(kBatchPayloadOctets);
  }
  for (std::size_t i = 0; i < options.workers; ++i) shards_.push_back(std::make_unique<Shard>(share));
  threads_.reserve(options.workers);
}

Result<std::unique_ptr<Engine>> ShardedEngine::start(const EngineOptions& options) {
  std::unique_ptr<ShardedEngine> engine(new ShardedEngine(options));
  for (std::size_t i = 0; i < options.workers; ++i) {
    auto thread = start_thread(fmt::format("worker {} of {}", i + 1, options.workers),
                               [engine = engine.get(), i] { engine->work(i); });
    if (!thread) return data_error(thread.error().message + ", or use fewer --workers");
    engine->threads_.push_back(std::move(*thread));
  }
  return engine;
}

ShardedEngine::~ShardedEngine() {
  // Nobody is to wait for those that could not be started.
  for (std::size_t i = threads_.size(); i < shards_.size(); ++i) meet_.arrive_and_drop();
  if (tracking_now_) meet_.arrive_and_wait();
  stopping_ = true;
  meet_.arrive_and_wait();
}

/// The workers see a frame after its source has taken it back: what may be kept of it is copied.
ShardedEngine::Hand::KeptFrame ShardedEngine::keep(tcp::FrameView frame, Batch& batch) const {
  frame.captured = frame.captured.first(std::min(frame.captured.size(), frame_octets_));
  const std::size_t offset = batch.payloads.size();
  batch.payloads.insert(batch.payloads.end(), frame.captured.begin(), frame.captured.end());
  return {frame, offset};
}

void ShardedEngine::deal(const packet::RawPacket& packet, const Segment& segment, Batch& batch) {
  Hand& hand = batch.hands[shard_of_(segment.source, segment.destination, segment.vlan)];
  hand.segments.push_back(segment);
  hand.payload_offsets.push_back(batch.payloads.size());
  batch.payloads.insert(batch.payloads.end(), segment.payload.begin(), segment.payload.end());
  if (frame_octets_ != 0) hand.kept_frames.push_back(keep(tcp::frame_of(packet, segment), batch));
}

void ShardedEngine::deal(const packet::RawPacket& packet, const packet::IcmpError& error, Batch& batch) {
  Hand& hand = batch.hands[shard_of_(error.source, error.destination, error.vlan)];
  hand.errors.push_back({hand.segments.size(), error});
  if (frame_octets_ != 0) hand.errors.back().frame = keep(tcp::frame_of(packet, error), batch);
}

/// Once the batch is full: only now do the payloads stay where they are.
void ShardedEngine::fix_views(Batch& batch) {
  const auto at = [&batch](std::size_t offset, std::size_t octets) {
    return packet::ByteView(batch.payloads.data() + offset, octets);
  };
  for (Hand& hand : batch.hands) {
    for (std::size_t i = 0; i < hand.segments.size(); ++i) {
      packet::ByteView& payload = hand.segments[i].payload;
      payload = at(hand.payload_offsets[i], payload.size());
    }
    for (Hand::KeptFrame& frame : hand.kept_frames) {
      frame.view.captured = at(frame.offset, frame.view.captured.size());
      hand.frames.push_back(frame.view);
    }
    for (Hand::Interjection& error : hand.errors) {
      error.frame.view.captured = at(error.frame.offset, error.frame.view.captured.size());
    }
  }
}

bool ShardedEngine::fill(port::CaptureSource& source, Batch& batch) {
  for (Hand& hand : batch.hands) {
    hand.segments.clear();
    hand.payload_offsets.clear();
    hand.kept_frames.clear();
    hand.frames.clear();
    hand.errors.clear();
  }
  batch.payloads.clear();
  std::array<packet::RawPacket, port::CaptureSource::kBurst> packets;
  packet::IcmpError error;  // made once: most packets are none
  std::size_t taken = 0;
  while (taken < kBatchPackets && batch.payloads.size() < kBatchPayloadOctets) {
    const std::span burst(packets.data(), source.next_burst(packets));
    if (burst.empty()) break;
    note_times(burst);
    for (const packet::RawPacket& packet : burst) {
      Segment segment;
      const packet::DecodeOutcome outcome = decoder_.decode(packet, segment, error);
      if (outcome == packet::DecodeOutcome::tcp) deal(packet, segment, batch);
      if (outcome == packet::DecodeOutcome::icmp_error) deal(packet, error, batch);
    }
    decoder_.recycle();
    taken += burst.size();
    batch.covers_number = burst.back().number;
  }
  batch.covers_ns = last_ns();
  fix_views(batch);
  return taken > 0;
}

void ShardedEngine::work(std::size_t index) noexcept {
  Shard& shard = *shards_[index];
  while (true) {
    meet_.arrive_and_wait();  // a batch is there
    if (stopping_) return;
    if (!shard.failure) {
      try {
        track(shard, tracking_->hands[index]);
      } catch (...) {
        shard.failure = std::current_exception();
      }
    }
    meet_.arrive_and_wait();  // its events are there
  }
}

void ShardedEngine::track(Shard& shard, const Hand& hand) const {
  shard.events.clear();
  shard.tracker.make_room(hand.segments.size());
  tcp::SegmentRuns runs(shard.tracker, hand.segments.data(), hand.frames.empty() ? nullptr : hand.frames.data(),
                        shard.events);
  for (const Hand::Interjection& interjection : hand.errors) {
    runs.track(interjection.error, interjection.frame.view, interjection.before);
  }
  runs.track_until(hand.segments.size());
  shard.tracker.advance(tracking_->covers_ns, shard.events);
}

void ShardedEngine::start_tracking() {
  std::swap(filling_, tracking_);
  meet_.arrive_and_wait();
  tracking_now_ = true;
}

void ShardedEngine::end_tracking(diagnose::Analysis& analysis, std::vector<DiagnosedConnection>& out) {
  if (!tracking_now_) return;
  meet_.arrive_and_wait();
  tracking_now_ = false;
  for (const auto& shard : shards_) {
    if (shard->failure) std::rethrow_exception(shard->failure);
    analysis.collect(shard->events);
  }
  analysis.advance(tracking_->covers_ns, out, tracking_->covers_number);
}

bool ShardedEngine::step(port::CaptureSource& source, diagnose::Analysis& analysis,
                         std::vector<DiagnosedConnection>& out) {
  const bool filled = fill(source, *filling_);
  end_tracking(analysis, out);
  if (filled) start_tracking();
  return filled;
}

/// The open connections of all workers end in order of id. Each call takes a portion of the worker that is behind.
bool ShardedEngine::finish(diagnose::Analysis& analysis, std::vector<DiagnosedConnection>& out) {
  end_tracking(analysis, out);
  for (const auto& shard : shards_) {
    if (shard->finished || shard->ended_through > ended_through_) continue;
    shard->events.clear();
    shard->finished = !shard->tracker.finish(last_ns(), kFinishPortion / shards_.size(), shard->events);
    if (!shard->events.events.empty()) shard->ended_through = shard->events.events.back().number;
    analysis.collect(shard->events);
  }
  ended_through_ = std::numeric_limits<std::uint64_t>::max();
  for (const auto& shard : shards_) {
    if (!shard->finished) ended_through_ = std::min(ended_through_, shard->ended_through);
  }
  const bool more = ended_through_ != std::numeric_limits<std::uint64_t>::max();
  if (more) {
    analysis.advance(last_ns(), out, ended_through_);
  } else {
    analysis.finish(out);
  }
  return more;
}

tcp::TrackerCounters ShardedEngine::tracker_counters() const {
  tcp::TrackerCounters sum;
  for (const auto& shard : shards_) add_words(sum, shard->tracker.counters());
  return sum;
}

}  // namespace doorslam::app
