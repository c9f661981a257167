// The deadlines of a table's slots against a sorted multimap.

#include "flowtable/deadlines.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

namespace doorslam::flowtable {
namespace {

constexpr TimeNs kStart = 1'700'000'000 * kSecondNs;

struct DeadlineStep {
  enum class Action { schedule, cancel, pop_some, pop_all } action = Action::schedule;
  std::uint32_t slot = 0;
  DurationNs length = 0;
};

void showValue(const DeadlineStep& step, std::ostream& os) {
  os << "{action " << static_cast<int>(step.action) << ", slot " << step.slot << ", " << step.length << " ns}";
}

/// Lengths from nanoseconds to ten days, evenly by magnitude: within a tick, within the span, far beyond it.
rc::Gen<DurationNs> any_length() {
  return rc::gen::mapcat(rc::gen::inRange(0, 50),
                         [](int bits) { return rc::gen::inRange<DurationNs>(0, DurationNs{1} << bits); });
}

rc::Gen<DeadlineStep> deadline_step(std::uint32_t slots) {
  using Action = DeadlineStep::Action;
  return rc::gen::build<DeadlineStep>(
      rc::gen::set(&DeadlineStep::action,
                   rc::gen::weightedElement<Action>(
                       {{6, Action::schedule}, {1, Action::cancel}, {2, Action::pop_some}, {1, Action::pop_all}})),
      rc::gen::set(&DeadlineStep::slot, rc::gen::inRange<std::uint32_t>(0, slots)),
      rc::gen::set(&DeadlineStep::length, any_length()));
}

class DeadlinesAgainstMap {
 public:
  explicit DeadlinesAgainstMap(std::size_t slots)
      : heads_((slots + kBucketSlots - 1) / kBucketSlots, Pages::normal), deadlines_(heads_) {
    pop(1);
  }

  void play(const DeadlineStep& step) {
    using Action = DeadlineStep::Action;
    switch (step.action) {
      case Action::schedule:
        deadlines_.schedule(step.slot, now_ + step.length);
        file(step.slot, now_ + step.length);
        break;
      case Action::cancel:
        deadlines_.cancel(step.slot);
        unfile(step.slot);
        break;
      case Action::pop_some:
        now_ += step.length;
        pop(3);
        break;
      case Action::pop_all:
        now_ += step.length;
        pop_all();
        break;
    }
  }

  void pop_all() {
    while (pop(3) == 3) {
    }
    if (!by_deadline_.empty()) RC_ASSERT(by_deadline_.begin()->first > now_ - 2 * Deadlines::kTickNs);
  }

 private:
  /// When a slot may come out at the earliest: its deadline, or the end of the span as of its filing.
  struct Filed {
    TimeNs deadline;
    TimeNs earliest;
  };

  void file(std::uint32_t slot, TimeNs deadline) {
    unfile(slot);
    by_deadline_.emplace(deadline, slot);
    // While a sweep is unfinished, the span begins where the last finished one ended: up to half a span ago.
    const TimeNs span_end = finished_ + (Deadlines::kSpanTicks - 1) * Deadlines::kTickNs;
    filed_[slot] = {deadline, std::min(deadline, span_end)};
  }

  void unfile(std::uint32_t slot) {
    const auto known = filed_.find(slot);
    if (known == filed_.end()) return;
    const auto [begin, end] = by_deadline_.equal_range(known->second.deadline);
    by_deadline_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == slot; }));
    filed_.erase(known);
  }

  std::size_t pop(std::size_t most) {
    std::vector<std::uint32_t> out(most);
    const std::size_t count = deadlines_.due(now_, out);
    for (std::size_t i = 0; i < count; ++i) {
      const auto known = filed_.find(out[i]);
      RC_ASSERT(known != filed_.end());  // neither popped before nor cancelled
      RC_ASSERT(known->second.earliest <= now_);
      unfile(out[i]);
    }
    if (count < most) finished_ = now_;
    return count;
  }

  BucketHeads heads_;
  Deadlines deadlines_;
  TimeNs now_ = kStart;
  TimeNs finished_ = kStart;  ///< of the latest due() that left nothing behind
  std::multimap<TimeNs, std::uint32_t> by_deadline_;
  std::map<std::uint32_t, Filed> filed_;
};

RC_GTEST_PROP(DeadlinesProperty, AgreeWithASortedMultimap, ()) {
  const auto slots = *rc::gen::element<std::uint32_t>(1, 40, 5000);
  DeadlinesAgainstMap both(slots);
  const auto steps = *rc::gen::scale(20.0, rc::gen::container<std::vector<DeadlineStep>>(deadline_step(slots)));
  for (const DeadlineStep& step : steps) both.play(step);
  both.pop_all();
}

}  // namespace
}  // namespace doorslam::flowtable
