// How connections end: at their deadline, by another segment, or with the source; and what is told of them then.

#include <algorithm>
#include <array>
#include <cstddef>

#include "flowtable/prefetch.h"
#include "pipeline/tcp/evidence_prefetch.h"
#include "pipeline/tcp/outcome.h"
#include "pipeline/tcp/recorder.h"
#include "pipeline/tcp/tracker.h"

namespace doorslam::tcp {

using flowtable::FlowKey4;
using flowtable::FlowKey6;
using flowtable::IpVersion;
using flowtable::TimeNs;

void Tracker::advance(TimeNs now, EventBatch& out) noexcept {
  if (least_step_ != 0) {
    expire_step(flows4_, now, step4_, out);
    expire_step(flows6_, now, step6_, out);
    return;
  }
  expire(flows4_, now, out);
  expire(flows6_, now, out);
}

template <class Key>
void Tracker::expire(Table<Key>& table, TimeNs now, EventBatch& out) noexcept {
  std::array<std::uint32_t, kMostStep> due;
  std::size_t count = 0;
  do {
    count = table.due(now, due);
    expire_slots(table, std::span(due.data(), count), now, out);
  } while (count == due.size());
}

/// Deals with `step` connections, and bounds what is swept as well. The steps get longer while they fall behind: a
/// sweep should be through before the next tick has come.
template <class Key>
void Tracker::expire_step(Table<Key>& table, TimeNs now, std::size_t& step, EventBatch& out) noexcept {
  constexpr std::size_t kGroupsEach = 4;
  std::array<std::uint32_t, kMostStep> due;
  step = table.deadlines().is_behind(now) ? std::min(2 * step, kMostStep) : least_step_;
  const std::size_t count = table.due(now, std::span(due.data(), step), kGroupsEach * step);
  expire_slots(table, std::span(due.data(), count), now, out);
  prefetch_upcoming(table, step);
}

/// What the next two steps are going to look at comes near while bursts go by: the slots of the second now, and of the
/// first, whose slots have come since the last call, what else belongs to them.
template <class Key>
void Tracker::prefetch_upcoming(const Table<Key>& table, std::size_t step) const noexcept {
  std::array<std::uint32_t, 2 * kMostStep> slots;
  const std::span<const std::uint32_t> upcoming(slots.data(), table.upcoming(std::span(slots.data(), 2 * step)));
  const std::span<const std::uint32_t> next = upcoming.first(std::min(step, upcoming.size()));
  for (const std::uint32_t index : upcoming.subspan(next.size())) table.prefetch_due(index);
  for (const std::uint32_t index : next) flowtable::prefetch_line(details_.place_of(table.at(index).state.details));
}

/// Ends what has been silent for too long, and files the others anew.
template <class Key>
void Tracker::expire_slots(Table<Key>& table, std::span<const std::uint32_t> slots, TimeNs now,
                           EventBatch& out) noexcept {
  if (slots.empty()) return;
  constexpr std::size_t kAhead = 4;
  prefetch_due(table, slots);
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (i + kAhead < slots.size()) prefetch_evidence(table.at(slots[i + kAhead]).state);
    const std::uint32_t index = slots[i];
    auto& slot = table.at(index);
    const FlowRecord& flow = slot.state;
    const TimeNs deadline = deadline_of(flow);
    if (deadline > now) {
      table.schedule(index, deadline);
      continue;
    }
    end(table, slot, reason_when_due(flow), deadline, details_of(flow).id, out);
  }
}

/// Brings near what expire() is going to look at, so that the misses overlap.
template <class Key>
void Tracker::prefetch_due(const Table<Key>& table, std::span<const std::uint32_t> slots) const noexcept {
  for (const std::uint32_t index : slots) table.prefetch_due(index);
  for (const std::uint32_t index : slots) {
    const FlowRecord& flow = table.at(index).state;
    flowtable::prefetch_line(details_.place_of(flow.details));
  }
  for (const std::uint32_t index : slots) {
    const FlowRecord& flow = table.at(index).state;
    const FlowDetails& details = details_[flow.details];
    if (IrregularityPool::has(details)) flowtable::prefetch_line(irregularities_.place_of(details));
    if (flow.has(FlowFlag::recording)) prefetch_facts(evidence_[details.evidence]);
  }
}

/// What of it prefetch_due() could not know.
inline void Tracker::prefetch_evidence(const FlowRecord& flow) const noexcept {
  if (flow.has(FlowFlag::recording)) prefetch_used(evidence_[details_[flow.details].evidence]);
}

template <class Key>
void Tracker::end(Table<Key>& table, typename Table<Key>::Slot& slot, EndReason reason, TimeNs time_ns,
                  std::uint64_t number, EventBatch& out) noexcept {
  give_out(slot, reason, time_ns, number, out);
  details_.release(slot.state.details);
  table.erase(&slot);
}

/// Writes the last event of a connection and gives back what it held outside the table, but for its details.
template <class Slot>
void Tracker::give_out(Slot& slot, EndReason reason, TimeNs time_ns, std::uint64_t number, EventBatch& out) noexcept {
  FlowRecord& flow = slot.state;
  FlowDetails& details = details_of(flow);
  const Irregularities& irregular = irregularities_.of(details);
  ConnectionEvent& event = out.events.emplace_back();
  event.time_ns = time_ns;
  event.number = number;
  event.kind = EventKind::ended;
  write_ends(slot, event.summary);
  summarize(flow, details, irregular, event.summary);
  event.summary.end_reason = reason;
  if (event.summary.evidence_missing && !flow.has(FlowFlag::evidence_missing)) ++counters_.evidence.exhausted;
  if (flow.has(FlowFlag::recording)) {
    event.evidence = static_cast<std::int32_t>(out.evidence.size());
    out.evidence.push_back(evidence_[details.evidence]);
    complete_evidence(out.evidence.back(), flow, details, irregular);
    if (frames_ != nullptr) [[unlikely]]
      pack_frames(out.evidence.back(), details.evidence, out);
  }
  release_evidence(flow, details, evidence_);
  irregularities_.release(details);
  ++counters_.ended[static_cast<std::size_t>(reason)];
  if (details.history.is_full()) ++counters_.histories_full;
}

/// Those of the evidence that the batch got last.
[[gnu::noinline]] void Tracker::pack_frames(const Evidence& evidence, std::uint32_t index, EventBatch& out) noexcept {
  counters_.evidence.frames += frames_->pack(index, evidence, out.frame_octets);
  out.frames_end.push_back(out.frame_octets.size());
}

template <class Key>
void Tracker::collect_open(Table<Key>& table) {
  for (std::size_t i = table.next_occupied(0); i < table.capacity(); i = table.next_occupied(i + 1)) {
    const auto index = static_cast<std::uint32_t>(i);
    left_open_.push_back({details_of(table.at(index).state).id, index, Key::kVersion});
  }
}

bool Tracker::finish(TimeNs end_ns, std::size_t limit, EventBatch& out) {
  if (!finishing_) {
    finishing_ = true;
    expire(flows4_, end_ns, out);
    expire(flows6_, end_ns, out);
    left_open_.reserve(open_connections());
    collect_open(flows4_);
    collect_open(flows6_);
    std::sort(left_open_.begin(), left_open_.end(), [](const OpenFlow& a, const OpenFlow& b) { return a.id < b.id; });
  }
  for (std::size_t given = 0; given < limit && given_out_ < left_open_.size(); ++given, ++given_out_) {
    const OpenFlow& open = left_open_[given_out_];
    const auto end_one = [&](auto& table) {
      auto& slot = table.at(open.index);
      const auto reason = is_closed(slot.state) ? EndReason::closed : EndReason::capture_end;
      end(table, slot, reason, end_ns, open.id, out);
    };
    if (open.version == IpVersion::v4) {
      end_one(flows4_);
    } else {
      end_one(flows6_);
    }
  }
  return given_out_ < left_open_.size();
}

// For the tracker's other parts.
template void Tracker::end(Table<FlowKey4>&, Table<FlowKey4>::Slot&, EndReason, TimeNs, std::uint64_t,
                           EventBatch&) noexcept;
template void Tracker::end(Table<FlowKey6>&, Table<FlowKey6>::Slot&, EndReason, TimeNs, std::uint64_t,
                           EventBatch&) noexcept;
template void Tracker::give_out(Table<FlowKey4>::Slot&, EndReason, TimeNs, std::uint64_t, EventBatch&) noexcept;
template void Tracker::give_out(Table<FlowKey6>::Slot&, EndReason, TimeNs, std::uint64_t, EventBatch&) noexcept;

}  // namespace doorslam::tcp
