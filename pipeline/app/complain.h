#pragma once

#include <string_view>

namespace doorslam::app {

/// Says it on standard error, in one line that begins with the program's name. Nothing comes of a standard error that
/// cannot be written (disk full, closed, nobody reads): there is no other place to tell of that. thread-safe.
void complain(std::string_view message) noexcept;

}  // namespace doorslam::app
