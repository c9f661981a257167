#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "flowtable/ip_address.h"
#include "flowtable/time.h"
#include "pipeline/diagnose/cause.h"
#include "pipeline/tcp/connection.h"

/// What the incident log remembers of servers and clients beside its open incidents.
namespace doorslam::alert {

/// Number of an open incident within its log, in order of opening; 0: none.
using Slot = std::uint64_t;

/// An open incident of a server.
struct FanPart {
  diagnose::Cause cause = diagnose::Cause::unknown;
  Slot slot = 0;
};

/// The endpoint incidents of one server that may fold, and the incidents that took over from some.
struct ServerFan {
  std::vector<FanPart> endpoints;
  std::vector<FanPart> folded;

  Slot folded_by(diagnose::Cause cause) const noexcept {
    const auto found = std::ranges::find(folded, cause, &FanPart::cause);
    return found == folded.end() ? 0 : found->slot;
  }
  void erase(Slot slot) {
    std::erase_if(endpoints, [slot](const FanPart& part) { return part.slot == slot; });
    std::erase_if(folded, [slot](const FanPart& part) { return part.slot == slot; });
  }
};

/// Things met lately, each with the time of the last meeting.
template <class Thing>
class Recent {
 public:
  void meet(const Thing& thing, flowtable::TimeNs now) {
    const auto known = std::find_if(met_.begin(), met_.end(), [&](const auto& one) { return one.first == thing; });
    if (known == met_.end()) {
      met_.emplace_back(thing, now);
    } else {
      known->second = now;
    }
  }
  void forget_before(flowtable::TimeNs time_ns) {
    std::erase_if(met_, [time_ns](const auto& one) { return one.second < time_ns; });
  }
  template <class Predicate>
  void erase_if(Predicate&& is_out) {
    std::erase_if(met_, [&](const auto& one) { return is_out(one.first); });
  }
  std::size_t size() const noexcept { return met_.size(); }
  /// In the order of their first meeting.
  std::vector<Thing> things() const {
    std::vector<Thing> things;
    for (const auto& [thing, time_ns] : met_) things.push_back(thing);
    return things;
  }

 private:
  std::vector<std::pair<Thing, flowtable::TimeNs>> met_;
};

/// What one client met with one cause lately, until it is a sweep.
struct ClientFan {
  Recent<flowtable::IpAddress> servers;
  Recent<Slot> incidents;
};

/// Until when a session whose beginning was not captured went on, with payload in both directions; kNoTime: it is none.
inline flowtable::TimeNs held_until(const tcp::ConnectionSummary& summary) {
  const bool talked = summary.side[0].payload_bytes > 0 && summary.side[1].payload_bytes > 0;
  const bool lacks_beginning = summary.mid_stream && summary.history.view().find('h') == std::string_view::npos;
  return talked && lacks_beginning ? summary.end_ns : flowtable::kNoTime;
}

/// What was served on an endpoint lately. Refusals are judged after a settle time, served connections at once: those
/// that belong beside an incident have been seen before it opens.
struct ServedHistory {
  static constexpr std::size_t kRemembered = 32;

  struct Visit {
    flowtable::TimeNs start_ns = 0;
    flowtable::IpAddress client;
    flowtable::TimeNs held_until_ns = flowtable::kNoTime;  ///< as held_until()

    /// kNoTime: its beginning was not captured.
    flowtable::TimeNs seen_to_begin_ns() const noexcept {
      return held_until_ns == flowtable::kNoTime ? start_ns : flowtable::kNoTime;
    }
  };

  void add(const tcp::ConnectionSummary& summary) {
    const Visit visit{summary.start_ns, summary.originator.address, held_until(summary)};
    if (visits.size() < kRemembered) {
      visits.push_back(visit);
    } else {
      forgotten_ns = std::max(forgotten_ns, visits[count % kRemembered].seen_to_begin_ns());
      visits[count % kRemembered] = visit;
    }
    ++count;
    latest_ns = std::max(latest_ns, visit.seen_to_begin_ns());
  }

  /// Start of the one that was seen to begin last before `time_ns`; kNoTime: nobody; `time_ns` itself: that is
  /// forgotten.
  flowtable::TimeNs latest_before(flowtable::TimeNs time_ns) const noexcept {
    if (forgotten_ns >= time_ns) return time_ns;
    flowtable::TimeNs latest = forgotten_ns;
    for (const Visit& visit : visits) {
      if (visit.seen_to_begin_ns() < time_ns) latest = std::max(latest, visit.seen_to_begin_ns());
    }
    return latest;
  }

  std::uint64_t count = 0;
  flowtable::TimeNs latest_ns = flowtable::kNoTime;     ///< start of the one that was seen to begin last
  flowtable::TimeNs forgotten_ns = flowtable::kNoTime;  ///< the same, of those that are in `visits` no more
  std::vector<Visit> visits;                            ///< the latest; a ring once full
};

/// When an incident closed last, and how often it had come back by then.
struct Flap {
  flowtable::TimeNs closed_ns = 0;
  std::uint32_t reopened = 0;
};

}  // namespace doorslam::alert
