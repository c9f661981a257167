#pragma once

#include <cstddef>

#include "pipeline/host/facts.h"
#include "pipeline/host/needs.h"
#include "pipeline/port/ethdev/live_run.h"

namespace doorslam::app {

/// What a run with these options asks of the host, with the arithmetic of its memory. `frame_memory`: octets that the
/// packets of ended connections may take, where they are kept (diagnose::AnalysisOptions). `facts` tell which CPUs
/// there are and at which NUMA node a card is.
host::Needs host_needs(const ethdev::LiveOptions& options, std::size_t frame_memory, const host::Facts& facts);

/// A port as run.ports names it: what of the host it stands on.
host::PortNeed port_need(const std::string& name);

}  // namespace doorslam::app
