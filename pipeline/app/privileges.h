#pragma once

#include "pipeline/base/result.h"

namespace doorslam::app {

/// Before any thread is started: the process keeps what setting up ports needs (raw sockets, interface settings, locked
/// memory, device files, and for uio drivers physical addresses), and nothing it runs can gain more.
void keep_set_up_privileges();

/// This thread is done with setting up: it keeps nothing.
void drop_privileges() noexcept;

}  // namespace doorslam::app
