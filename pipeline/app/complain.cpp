#include "pipeline/app/complain.h"

#include <cstdio>

namespace doorslam::app {

void complain(std::string_view message) noexcept {
  // fmt::print() throws when it cannot write. One call, so that lines of several threads do not mix; the length is far
  // below what an int holds.
  std::fprintf(stderr, "doorslam: %.*s\n", static_cast<int>(message.size()), message.data());
}

}  // namespace doorslam::app
