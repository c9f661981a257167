#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/alert/incident.h"
#include "pipeline/alert/ladder.h"
#include "pipeline/alert/terminal.h"

namespace doorslam::alert {

struct IncidentStyle {
  std::size_t width = kPageColumns;  ///< of the prose
  std::size_t screen = 0;            ///< of a packet's line; 0: as wide as it needs
  bool unicode = true;
  Terminal terminal;
};

/// The packets of the sample connection; none where none were kept.
std::vector<LadderLine> ladder_of(const Incident& incident);

/// One incident in full: who and where, the ladder, the hypotheses argued, what to do next. `number` stands in front;
/// 0: nothing does. The incident's evidence is not looked at: `ladder` is what is shown of it.
std::string render_full(const Incident& incident, const std::vector<LadderLine>& ladder, std::size_t number,
                        const IncidentStyle& style);

/// An incident of a kind that has been shown in full: who and where, and its most probable hypothesis.
std::string render_compact(const Incident& incident, std::size_t number, const IncidentStyle& style);

/// The hypotheses of one connection argued, and what the capture lacked of it.
std::string render_why(const diagnose::Diagnosis& diagnosis, const IncidentStyle& style);

/// "most likely", "possible", "unlikely", "very unlikely"; "ruled out" is what shows as 0 %.
std::string_view likelihood(double probability, bool first) noexcept;

}  // namespace doorslam::alert
