#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "pipeline/alert/bounded_map.h"
#include "pipeline/alert/incident_memory.h"
#include "pipeline/alert/open_incident.h"
#include "pipeline/diagnose/diagnosis.h"

/// Whom an endpoint turned away while it served no newcomer.
///
/// Theory of operation. Where a server hangs up on everybody without a word, nothing tells the reasons apart: each
/// reading is `unknown`, or a guess that the next one does not share. One such connection is no news. Several within
/// some minutes, of more than one client and with no newcomer served since the first, are an outage, and one story. So
/// what is not known is held back until enough come close together, and what was guessed of the others is taken into
/// the same incident. What is held stays so until then, or until somebody is served; from then on it is only counted.
/// Packet time alone decides. Owned by the incident log.
namespace doorslam::alert {

/// A refusal that is surer than this has a story of its own.
inline constexpr double kSureOfCause = 0.85;

/// The server hung up on it without a word, which was captured from beginning to end, and its reading is none, or in
/// doubt between causes that only the fate of other connections tells apart.
bool is_turned_away(const diagnose::DiagnosedConnection& connection);

/// The server read what the client said and closed in good order, and nothing tells that an answer was due: printers,
/// log receivers and others that only take do so. (Not where it has served somebody otherwise; that is not seen here.)
bool may_only_take(const diagnose::DiagnosedConnection& connection);

class TurnedAway {
 public:
  /// It belongs to the same time without service, so that it counts with those before. `served_ns`: when the connection
  /// began that was served last, before this one.
  bool includes(flowtable::TimeNs served_ns) const noexcept { return total_ != 0 && served_ns < first_ns_; }

  /// Counts one; the first begins.
  void count(const diagnose::DiagnosedConnection& connection) noexcept;
  /// Keeps it until it is told; `most_frames` connections keep their frames.
  void hold(const diagnose::DiagnosedConnection& connection, std::size_t exact, std::size_t most_frames,
            const KeyHash& hash);
  /// Somebody was served, or the outage is over: begins anew, and only counts what was held.
  void start_over();
  /// One more that is not held, because somebody was served who came after it.
  void pass_over() noexcept { ++untold_; }

  /// The latest are many in a short time, of several clients, and not all of one cause that is told of them anyway.
  bool is_outage() const noexcept;
  bool has_met(diagnose::Cause cause) const noexcept { return (causes_ >> static_cast<unsigned>(cause) & 1U) != 0; }
  flowtable::TimeNs first_ns() const noexcept { return first_ns_; }
  const OpenIncident* held() const noexcept { return held_.get(); }
  /// Those of unknown cause that are held no longer and that no incident counts. From now on there are none.
  std::uint64_t take_untold() noexcept { return std::exchange(untold_, 0); }

  /// It is told by this incident, and holds nothing any more.
  void tell_by(Slot slot) noexcept {
    told_ = slot;
    held_.reset();
  }
  Slot told() const noexcept { return told_; }

 private:
  /// Where somebody has been told already what most of them were taken for, it waits until so many have come.
  static constexpr std::uint32_t kLeastToTakeOver = 10;

  struct Latest {
    flowtable::TimeNs start_ns = 0;
    bool is_unknown = false;
  };

  flowtable::TimeNs first_ns_ = flowtable::kNoTime;
  std::uint64_t total_ = 0;
  std::array<Latest, kLeastToTakeOver> latest_;  ///< a ring, by total_
  flowtable::IpAddress latest_client_;
  flowtable::TimeNs latest_ns_ = flowtable::kNoTime;        ///< of that client
  flowtable::TimeNs other_client_ns_ = flowtable::kNoTime;  ///< the latest of any other client
  std::uint32_t causes_ = 0;                                ///< a bit each
  std::uint64_t untold_ = 0;
  std::unique_ptr<OpenIncident> held_;  ///< those of unknown cause; null: none
  Slot told_ = 0;
};

/// They are enough connections to tell of, with `more` that are in none of them.
bool are_enough(std::span<const OpenIncident* const> parts, std::uint64_t more);

/// What all of them are most likely of: the cause that their readings agree on best, or `unknown` where that is neither
/// likely enough to be named nor what half of them were read as.
diagnose::Cause likeliest_cause(std::span<const OpenIncident* const> parts);

}  // namespace doorslam::alert
