#pragma once

/// What all threads that poll do when the run is told to end.
namespace doorslam::ethdev {

/// Takes turns until nothing has come for some rounds. `turn` says whether something came. Bounded: a link that never
/// falls silent must not keep the run from ending.
template <class Turn>
void drain(const Turn& turn) noexcept {
  constexpr unsigned kMostRounds = 4096;
  constexpr unsigned kQuietRounds = 8;
  for (unsigned round = 0, quiet = 0; round < kMostRounds && quiet < kQuietRounds; ++round) {
    quiet = turn() ? 0 : quiet + 1;
  }
}

}  // namespace doorslam::ethdev
