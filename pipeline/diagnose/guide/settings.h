#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "pipeline/diagnose/cause.h"

namespace doorslam::diagnose {

/// Causes as a set of bits.
class CauseSet {
 public:
  constexpr CauseSet(std::initializer_list<Cause> causes) {
    for (const Cause cause : causes) bits_ |= std::uint32_t{1} << static_cast<unsigned>(cause);
  }
  constexpr bool has(Cause cause) const noexcept { return (bits_ >> static_cast<unsigned>(cause) & 1) != 0; }

 private:
  std::uint32_t bits_ = 0;
};

/// What one program can be told about one cause.
struct Setting {
  std::string_view program;    ///< lower case, as it occurs in a signature's program
  std::string_view protocols;  ///< blank-separated; "any": whatever the protocol
  CauseSet causes;
  std::string_view text;  ///< names of settings, files and commands, in a sentence or two
};

/// All settings known, the usual programs of a protocol first.
std::span<const Setting> settings() noexcept;

}  // namespace doorslam::diagnose
