#pragma once

#include <cstddef>
#include <string>

#include "pipeline/alert/incident.h"
#include "pipeline/alert/terminal.h"

namespace doorslam::alert {

struct IncidentStyle {
  std::size_t width = 110;
  bool unicode = true;
  Terminal terminal;
};

/// One incident in full: who and where, the ladder, the hypotheses argued, what to do next.
std::string render_full(const Incident& incident, std::size_t number, const IncidentStyle& style);

/// An incident of a kind that has been shown in full: who and where, and its most probable hypothesis.
std::string render_compact(const Incident& incident, std::size_t number, const IncidentStyle& style);

/// "most likely", "possible", "unlikely", "ruled out".
std::string_view likelihood(double probability, bool first) noexcept;

}  // namespace doorslam::alert
