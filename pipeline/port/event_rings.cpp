#include "pipeline/port/event_rings.h"

#include <algorithm>
#include <cstring>
#include <ctime>
#include <string_view>

#include "flowtable/mix.h"

namespace doorslam::port {

namespace {

using tcp::ConnectionEvent;
using tcp::EventKind;

/// The full table let go of it before anybody closed it: nobody knows what would have become of it.
bool was_let_go(const tcp::ConnectionSummary& summary) noexcept {
  return summary.end_reason == tcp::EndReason::evicted &&
         summary.history.view().find_first_of("FfRr") == std::string_view::npos;
}

/// Ended, and not plainly served: the analysis is to look at it. A table that is too small lets go of connections by
/// the hundred thousand every second; those must not crowd out the refused.
bool may_be_refusal(const ConnectionEvent& event) noexcept {
  if (event.kind != EventKind::ended) return false;
  return event.evidence >= 0 || !(event.summary.plainly_served || was_let_go(event.summary));
}

/// How many pieces so many octets take, with their length in front.
std::size_t chunks_for(std::size_t octets) noexcept {
  constexpr std::size_t kChunk = sizeof(FrameChunk);
  return (sizeof(std::uint32_t) + octets + kChunk - 1) / kChunk;
}

/// The next packed frames in the ring, which are known to be there.
void take_frames(SpscRing<FrameChunk>& ring, std::vector<std::uint8_t>& out) {
  std::uint32_t left = 0;
  std::memcpy(&left, ring.front(1).front().octets.data(), sizeof left);
  std::size_t skip = sizeof left;
  for (std::size_t chunk = chunks_for(left); chunk > 0; --chunk) {
    const FrameChunk& piece = ring.front(1).front();
    const std::size_t taken = std::min<std::size_t>(left, piece.octets.size() - skip);
    const auto begin = piece.octets.begin() + static_cast<std::ptrdiff_t>(skip);
    out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(taken));
    left -= static_cast<std::uint32_t>(taken);
    skip = 0;
    ring.pop(1);
  }
}

void nap() noexcept {
  constexpr long kNapNs = 20'000;
  const timespec pause{.tv_sec = 0, .tv_nsec = kNapNs};
  nanosleep(&pause, nullptr);
}

}  // namespace

void EventRings::discard() noexcept {
  refusals.pop(refusals.size());
  evidence.pop(evidence.size());
  served.pop(served.size());
  if (frames) frames->pop(frames->size());
}

void Sampling::set_level(unsigned level, flowtable::TimeNs from_ns) noexcept {
  ++newest_;
  changes_[newest_ % kChanges] = {.from_ns = from_ns, .level = level};
}

unsigned Sampling::weight_of(std::uint64_t id, flowtable::TimeNs start_ns) const noexcept {
  const std::size_t oldest = newest_ < kChanges ? 0 : newest_ - kChanges + 1;
  for (std::size_t i = newest_ + 1; i-- > oldest;) {
    const Change& change = changes_[i % kChanges];
    if (start_ns < change.from_ns) continue;
    const unsigned weight = 1U << change.level;
    return (flowtable::scattered(id) & (weight - 1)) == 0 ? weight : 0;
  }
  return 1;
}

/// True: there may be room now. False: there will be none in time.
bool EventOutlet::waits_for(auto& ring) noexcept {
  if (!wait_) return false;
  ++counters_.waits;
  while (ring.room() == 0) nap();
  return true;
}

/// False: there was no room for them.
bool EventOutlet::put_frames(packet::ByteView packed) noexcept {
  SpscRing<FrameChunk>& ring = *rings_.frames;
  const std::size_t chunks = chunks_for(packed.size());
  if (chunks > ring.capacity()) return false;
  if (ring.room() < chunks) {
    if (!wait_) return false;
    ++counters_.waits;
    while (ring.room() < chunks) nap();
  }
  const auto length = static_cast<std::uint32_t>(packed.size());
  FrameChunk piece;
  std::memcpy(piece.octets.data(), &length, sizeof length);
  std::size_t filled = sizeof length;
  for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
    const std::size_t taken = std::min(packed.size(), piece.octets.size() - filled);
    std::copy_n(packed.begin(), taken, piece.octets.begin() + static_cast<std::ptrdiff_t>(filled));
    packed = packed.subspan(taken);
    filled = 0;
    ring.push(piece);
  }
  return true;
}

void EventOutlet::put_refusal(const ConnectionEvent& event, const tcp::EventBatch& batch) noexcept {
  ConnectionEvent sent = event;
  if (rings_.refusals.room() == 0 && !waits_for(rings_.refusals)) {
    ++counters_.lost;
    return;
  }
  if (event.evidence >= 0) {
    const tcp::Evidence& evidence = batch.evidence[static_cast<std::size_t>(event.evidence)];
    bool sent_along = rings_.evidence.push(evidence);
    if (!sent_along && waits_for(rings_.evidence)) sent_along = rings_.evidence.push(evidence);
    if (!sent_along) {
      ++counters_.evidence_lost;
      sent.evidence = -1;
      sent.summary.evidence_missing = true;
    }
    const packet::ByteView frames = batch.frames_of(static_cast<std::size_t>(event.evidence));
    if (rings_.frames && !frames.empty()) {
      sent.has_frames = sent_along && put_frames(frames);
      counters_.frames_lost += sent.has_frames ? 0 : 1;
    }
  }
  rings_.refusals.push(sent);
  ++counters_.refusals;
}

void EventOutlet::put_served(const ConnectionEvent& event) noexcept {
  if (rings_.served.push(event) || (waits_for(rings_.served) && rings_.served.push(event))) {
    ++counters_.served;
  } else {
    ++counters_.served_lost;
  }
}

/// A connection that was left out has come to matter: the analysis must hear of its acceptance before its end.
void EventOutlet::announce_late(const ConnectionEvent& end, const tcp::EventBatch& batch) noexcept {
  if (end.summary.stage < tcp::Stage::accepted || end.summary.mid_stream) return;
  ConnectionEvent accepted = end;
  accepted.kind = EventKind::established;
  accepted.evidence = -1;
  accepted.number = end.summary.id;
  accepted.time_ns = end.summary.start_ns;
  if (end.evidence >= 0) {
    const flowtable::TimeNs seen = batch.evidence[static_cast<std::size_t>(end.evidence)].handshake_ns;
    if (seen != flowtable::kNoTime) accepted.time_ns = seen;
  }
  put_refusal(accepted, batch);
}

/// Once in a sixteenth of the ring, so that a level shows its effect before the next.
void EventOutlet::adapt_sampling() noexcept {
  if (wait_) return;
  const std::uint64_t seen = counters_.served + counters_.sampled_out + counters_.served_lost;
  if (seen - adapted_at_ < rings_.served.capacity() / 16) return;
  adapted_at_ = seen;
  const std::size_t waiting = rings_.served.size();
  const unsigned level = sampling_.level();
  // What was handed over began before it ended: only those that begin later have no fate yet.
  const flowtable::TimeNs from_ns = newest_ns_ + 1;
  if (waiting > rings_.served.capacity() / 2 && level < Sampling::kMostHalvings) {
    sampling_.set_level(level + 1, from_ns);
  } else if (waiting < rings_.served.capacity() / 8 && level > 0) {
    sampling_.set_level(level - 1, from_ns);
  }
}

void EventOutlet::hand_over(tcp::EventBatch& batch) noexcept {
  if (batch.events.empty()) return;
  for (const ConnectionEvent& event : batch.events) {
    newest_ns_ = std::max(newest_ns_, event.time_ns);
    const unsigned weight = sampling_.weight_of(event.summary.id, event.summary.start_ns);
    if (may_be_refusal(event)) {
      if (weight == 0) announce_late(event, batch);
      put_refusal(event, batch);
    } else if (weight == 0) {
      ++counters_.sampled_out;
    } else {
      put_served(event);
    }
  }
  batch.clear();
  adapt_sampling();
}

std::size_t drain(EventRings& rings, std::size_t most, tcp::EventBatch& out) {
  std::size_t taken = 0;
  while (taken < most) {
    const auto events = rings.refusals.front(most - taken);
    if (events.empty()) break;
    for (const ConnectionEvent& event : events) {
      ConnectionEvent& added = out.events.emplace_back(event);
      if (event.evidence < 0) continue;
      added.evidence = static_cast<std::int32_t>(out.evidence.size());
      out.evidence.push_back(rings.evidence.front(1).front());
      rings.evidence.pop(1);
      if (!rings.frames) continue;
      if (event.has_frames) take_frames(*rings.frames, out.frame_octets);
      out.frames_end.push_back(out.frame_octets.size());
    }
    taken += events.size();
    rings.refusals.pop(events.size());
  }
  std::size_t others = 0;
  while (others < most) {
    const auto events = rings.served.front(most - others);
    if (events.empty()) break;
    out.events.insert(out.events.end(), events.begin(), events.end());
    others += events.size();
    rings.served.pop(events.size());
  }
  return taken + others;
}

}  // namespace doorslam::port
