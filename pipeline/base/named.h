#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace doorslam {

/// A value of an enum, and how it is written.
template <class Enum>
struct Named {
  Enum value;
  std::string_view name;
};

/// The names by the number of their value. A row that is not at its value's place does not compile.
template <class Enum, std::size_t kCount>
consteval std::array<std::string_view, kCount> names_of(const Named<Enum> (&rows)[kCount]) {
  std::array<std::string_view, kCount> names;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (static_cast<std::size_t>(rows[i].value) != i) throw "this row is not at the place of its value";
    names[i] = rows[i].name;
  }
  return names;
}

}  // namespace doorslam
