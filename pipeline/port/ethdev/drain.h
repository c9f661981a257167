#pragma once

#include "pipeline/port/ethdev/rx_source.h"

/// What all threads that poll do when the run is told to end.
namespace doorslam::ethdev {

/// Takes turns until nothing has come for some rounds, then polls no more, and takes what was polled and is held still.
/// `turn` receives from `source`, and says whether something came. Bounded: a link that never falls silent must not
/// keep the run from ending.
template <class Turn>
void drain(RxSource& source, const Turn& turn) noexcept {
  constexpr unsigned kMostRounds = 4096;
  constexpr unsigned kQuietRounds = 8;
  source.hurry();
  for (unsigned round = 0, quiet = 0; round < kMostRounds && quiet < kQuietRounds; ++round) {
    quiet = turn() ? 0 : quiet + 1;
  }
  source.close();
  while (source.holds()) turn();
}

}  // namespace doorslam::ethdev
