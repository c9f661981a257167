#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "pipeline/metrics/observation.h"

namespace doorslam::metrics {

/// The observation as Prometheus metrics, named by its conventions: base units, `_total` for counters, one family for
/// what adds up. No label takes values from the traffic: there are never more series than threads, ports, queues,
/// causes and sinks make.
std::vector<prometheus::MetricFamily> families(const Observation& observation);

}  // namespace doorslam::metrics
