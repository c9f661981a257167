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
  established,  ///< three-way handshake complete (or the first data of a mid-stream pick-up)
  ended,        ///< the connection is over; summary is final
};

struct ConnectionEvent {
  flowtable::TimeNs time_ns = 0;  ///< of the deciding packet; of the deadline when a timer decided
  std::uint64_t number = 0;       ///< of the deciding packet; of the connection's first packet when a timer decided
  EventKind kind = EventKind::established;
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

  void clear() noexcept {
    events.clear();
    evidence.clear();
  }
};

}  // namespace doorslam::tcp
