#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace doorslam {

enum class NoticeLevel : std::uint8_t { info, warning, error };

/// Tells the operator of something that happened behind the scenes, in one line. thread-safe; must not throw.
using Notice = std::function<void(NoticeLevel, const std::string&)>;

}  // namespace doorslam
