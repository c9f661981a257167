#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipeline/alert/incident.h"
#include "pipeline/packet/link_layer.h"
#include "tests/support/segment_capture.h"
#include "tests/support/segment_scenario.h"

/// Incidents with frames, as the tracker keeps them.
namespace doorslam::test {

inline packet::RawPacket raw_packet(const Segment& segment, const Bytes& frame) {
  return {.captured = frame,
          .wire_length = static_cast<std::uint32_t>(frame.size()),
          .link_type = packet::link_type::kEthernet,
          .time_ns = segment.time_ns,
          .number = segment.number};
}

/// The frames of a conversation through a tracker that keeps them, as a sample of an incident.
inline alert::FrameSample frame_sample(const Conversation& talk, std::size_t frame_octets = 256) {
  tcp::TrackerOptions options = small_options();
  options.frame_octets = frame_octets;
  tcp::Tracker tracker(options);
  tcp::EventBatch batch;
  for (const Segment& segment : talk.segments()) {
    const Bytes frame = frame_of(segment);
    Segment decoded = segment;
    decoded.payload = packet::ByteView(frame).last(segment.payload.size());
    const packet::RawPacket packet = raw_packet(segment, frame);
    const tcp::FrameView view = tcp::frame_of(packet, decoded);
    tracker.process({&decoded, 1}, {&view, 1}, batch);
  }
  tracker.finish(talk.now(), batch);
  for (const tcp::ConnectionEvent& event : batch.events) {
    if (event.kind != tcp::EventKind::ended) continue;
    const auto at = static_cast<std::size_t>(event.evidence);
    const packet::ByteView packed = batch.frames_of(at);
    return {.summary = event.summary,
            .evidence = std::make_shared<const tcp::Evidence>(batch.evidence.at(at)),
            .frames = std::make_shared<const tcp::FrameTrace>(
                tcp::FrameTrace{std::vector<std::uint8_t>(packed.begin(), packed.end())}),
            .confidence = 0.9};
  }
  throw std::logic_error("the conversation did not end");
}

/// A client from whom the server turns away with these words.
inline Conversation turned_away(std::uint8_t client, const std::string& words, TimeNs start_ns = kStart) {
  Conversation talk({address4(client), 40000});
  talk.set_now(start_ns);
  talk.handshake();
  talk.server(kPsh | kAck, words);
  talk.close();
  return talk;
}

inline alert::Incident incident_of(std::vector<alert::FrameSample> samples, std::uint64_t id = 1) {
  alert::Incident incident;
  incident.id = id;
  incident.cause = diagnose::Cause::acl_denied;
  incident.server = {address4(2), 80};
  incident.refused = samples.size();
  incident.mean_confidence = 0.9;
  incident.distinct_clients.count = samples.size();
  incident.first_ns = incident.last_ns = kStart;
  incident.frame_samples = std::move(samples);
  return incident;
}

}  // namespace doorslam::test
