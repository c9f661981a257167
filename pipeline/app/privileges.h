#pragma once

#include <cstddef>

namespace doorslam::app {

/// Before any other thread is started: the process keeps what setting up ports needs (raw sockets, interface settings,
/// locked memory, device files, and for uio drivers physical addresses), and nothing it runs can gain more.
void keep_set_up_privileges();

/// The process is done with setting up: none of its threads keeps anything. Returns how many threads could not be told
/// in ten seconds, and have kept what they had. Uses the last real-time signal; to be called by one thread.
std::size_t drop_privileges();

}  // namespace doorslam::app
