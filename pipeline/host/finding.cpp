#include "pipeline/host/finding.h"

#include <algorithm>

namespace doorslam::host {

std::string_view name_of(Level level) noexcept {
  switch (level) {
    case Level::fine:
      return "fine";
    case Level::skipped:
      return "skipped";
    case Level::should:
      return "should";
    case Level::must:
      return "must";
  }
  return "";
}

std::size_t Findings::count(Level level) const noexcept {
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(), [=](const Finding& f) { return f.level == level; }));
}

}  // namespace doorslam::host
