#pragma once

#include "config/settings.h"
#include "pipeline/host/needs.h"

namespace doorslam::app {

/// What the settings ask of the host, with the arithmetic of its memory.
host::Needs host_needs(const config::Settings& settings);

}  // namespace doorslam::app
