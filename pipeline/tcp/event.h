#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "flowtable/time.h"
#include "pipeline/tcp/connection.h"
#include "pipeline/tcp/evidence.h"

/// What the tracker tells the analysis. A burst goes in, a batch of events comes out.
namespace doorslam::tcp {

enum class EventKind : std::uint8_t {
  /// Three-way handshake complete (or the first data of a mid-stream pick-up). Of the summary it has the ends and
  /// what summarize_beginning() writes (outcome.h), and answered_by.
  established,
  ended,  ///< the connection is over; summary is final
};

struct ConnectionEvent {
  flowtable::TimeNs time_ns = 0;  ///< of the deciding packet; of the deadline when a timer decided
  std::uint64_t number = 0;       ///< of the deciding packet; of the connection's first packet when a timer decided
  EventKind kind = EventKind::established;
  bool has_frames = false;     ///< between two threads: frames come along with the evidence
  std::int32_t evidence = -1;  ///< index into EventBatch::evidence, or -1
  ConnectionSummary summary;

  /// Members as above. Of an implicit constructor, emplace_back() makes a loop that fills the whole with zeros first.
  ConnectionEvent() noexcept {}
};

/// The order in which the ledger must see events, however the connections were sharded.
inline bool happened_before(const ConnectionEvent& a, const ConnectionEvent& b) {
  return std::tuple(a.time_ns, a.number, a.summary.id, a.kind) < std::tuple(b.time_ns, b.number, b.summary.id, b.kind);
}

/// Events of one burst, in no particular order. Reused burst after burst: clear() keeps the memory.
/// A batch that covers time up to T promises that no later batch of its worker has an event before T.
struct EventBatch {
  std::vector<ConnectionEvent> events;
  std::vector<Evidence> evidence;
  std::vector<std::uint8_t> frame_octets;  ///< packed frames (frames.h), of one connection after the other
  std::vector<std::size_t> frames_end;     ///< by evidence: where its frames end; empty: no frames are kept

  void clear() noexcept {
    events.clear();
    evidence.clear();
    frame_octets.clear();
    frames_end.clear();
  }
  /// The packed frames that belong to this evidence; empty: none.
  packet::ByteView frames_of(std::size_t evidence_index) const noexcept {
    if (evidence_index >= frames_end.size()) return {};
    const std::size_t begin = evidence_index == 0 ? 0 : frames_end[evidence_index - 1];
    return packet::ByteView(frame_octets).subspan(begin, frames_end[evidence_index] - begin);
  }
};

}  // namespace doorslam::tcp
