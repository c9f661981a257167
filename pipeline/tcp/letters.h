#pragma once

#include "pipeline/tcp/connection_view.h"

namespace doorslam::tcp {

/// Writes the letters of the segment's flags into the history. Those of trouble (C, T, W, G) are written where the
/// trouble is found. To be called before begin_side(): a SYN with a new number must still be told from the old one.
void write_letters(SegmentContext& context) noexcept;

}  // namespace doorslam::tcp
